import { afterEach, describe, expect, it, vi } from 'vitest';
import { fallbackText, noteFallbacks, tuneCommand } from '../../cli/fallback.js';
import { syntheticConfig } from '../../runtime/checkpoint/synthetic.js';
import type { DispatchKind, KernelProblem } from '../../runtime/library/dispatch.js';
import type { KernelLibrary } from '../../runtime/library/library.js';

const flags = { device: 'cpu', model: 'models/m' };
const config = syntheticConfig('tinyllama-1.1b');
const qkv: KernelProblem = { family: 'linear_gemv', params: { dtype: config.dtype }, dims: { rows: 1, in: config.hiddenSize, out: (config.heads + 2 * config.kvHeads) * config.headDim } };

async function said(resolutions: readonly (readonly [DispatchKind, KernelProblem])[], device = 'cpu'): Promise<string> {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const library = { resolutions: () => resolutions.map(([how, problem]) => ({ how, problem, id: 'k', detail: '' })) } as unknown as KernelLibrary;
  await noteFallbacks({ config, device: { isa: 'avx2' }, library }, [1, 0.5], { ...flags, device });
  return write.mock.calls.map(([text]) => String(text)).join('');
}

describe('noteFallbacks', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('says once what ran instead, and the command that helps', async () => {
    const text = await said([['default', qkv], ['exact', { ...qkv, dims: { ...qkv.dims, in: 1 } }]]);
    expect(text).toBe('kernels: 1 not tuned for this model on this device fell back (1 to the default kernel)\n  try: npx griffin tune --device cpu --model models/m\n');
  });

  it('says nothing when all is exact, when tuning would not measure the shape, or on the emulated device', async () => {
    expect(await said([['exact', qkv]])).toBe('');
    expect(await said([['nearest', { ...qkv, dims: { ...qkv.dims, rows: 13 } }], ['default', { family: 'embed', params: { dtype: 'bf16' }, dims: { rows: 1, hidden: 2048 } }]])).toBe('');
    expect(await said([['default', qkv]], 'emulated')).toBe('');
  });
});

describe('fallbackText', () => {
  it('counts each way', () => {
    const text = fallbackText([{ how: 'nearest' }, { how: 'default' }, { how: 'architecture' }, { how: 'nearest' }], 0.5, flags);
    expect(text).toContain('4 not tuned');
    expect(text).toContain('2 to the nearest measured shape, 1 to a winner of another device of the same architecture, 1 to the default kernel');
    expect(fallbackText([], 0.5, flags)).toBeNull();
  });
});

describe('tuneCommand', () => {
  it('repeats the flags that were used, as a shell takes them', () => {
    expect(tuneCommand(0.3, { device: 'cuda:0,eager', synthetic: 'llama-2-7b', threads: 4, library: "my lib's" })).toBe(
      "npx griffin tune --device cuda:0,eager --synthetic llama-2-7b --density 0.3 --threads 4 --library 'my lib'\\''s'",
    );
  });
});

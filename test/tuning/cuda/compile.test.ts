import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { enumerate } from '../../../generator/space.js';
import { kernelId } from '../../../generator/ids.js';
import { renderKernel } from '../../../generator/render.js';
import { AbortedError } from '../../../runtime/errors.js';
import { compileCudaKernels, cubinHash, type CudaCompileResult } from '../../../tuning/cuda/compile.js';
import type { KernelSource } from '../../../tuning/compile-pool.js';
import { findNvcc, type Nvcc } from '../../../tuning/cuda/nvcc.js';
import { findNvrtc, type Nvrtc } from '../../../tuning/cuda/nvrtc.js';
import { TINY_CUDA, tinyTemplates } from '../../generator/tiny.js';
import { temporaryDirectories } from '../../support/temp-dir.js';
import { writeFakeNvcc } from './fake-nvcc.js';

const temporary = temporaryDirectories('cuda-compile');

function fake(): { readonly compiler: Nvcc; readonly directory: string; runs(): number } {
  const root = temporary();
  const path = writeFakeNvcc(join(root, 'nvcc'));
  return {
    compiler: { kind: 'nvcc', path, version: 'release 99.1' },
    directory: join(root, 'out'),
    runs: () => (existsSync(`${path}.log`) ? readFileSync(`${path}.log`, 'utf8').trim().split('\n').length : 0),
  };
}

const good = (id: string, registers = 40) => ({ id, text: `// stats gk_${id}__main ${registers} 0\n` });
const spilling = (id: string) => ({ id, text: `// stats gk_${id}__main 255 24\n` });

function okay(result: CudaCompileResult | undefined): Extract<CudaCompileResult, { ok: true }> {
  if (result?.ok !== true) throw new Error(result?.message ?? 'no result');
  return result;
}

describe('compileCudaKernels', () => {
  it('compiles a batch at once and keeps each kernel’s statistics beside its cubin', async () => {
    const { compiler, directory, runs } = fake();
    const results = await compileCudaKernels([good('a', 40), good('b', 50)], { capability: 86, compiler, directory, jobs: 1 });
    expect(runs()).toBe(1);
    const [a, b] = results.map(okay);
    expect(a).toMatchObject({ id: 'a', symbol: 'gk_a', cached: false, file: join(directory, `${a?.hash}.cubin`) });
    expect(a?.details).toEqual({
      kernel: 'a',
      capability: 86,
      compiler: 'release 99.1',
      entries: { main: { registers: 40, shared: 16, stack: 0, spillStores: 0, spillLoads: 0, barriers: 1 } },
      warnings: [],
      machineCode: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
      compileMs: expect.any(Number) as unknown,
    });
    expect(b?.details?.machineCode).not.toBe(a?.details?.machineCode); // no ELF file: each is its own
    expect(b?.details?.entries['main']?.registers).toBe(50);
    expect(JSON.parse(readFileSync(join(directory, `${a?.hash}.json`), 'utf8'))).toEqual(a?.details);
    expect(readFileSync(join(directory, `${a?.hash}.cu`), 'utf8')).toBe(good('a').text);
    expect(readdirSync(directory).sort()).toEqual([a, b].flatMap((r) => ['cu', 'cubin', 'json'].map((end) => `${r?.hash}.${end}`)).sort());
  });

  it('finds earlier results with their statistics, and compiles again when those are damaged', async () => {
    const { compiler, directory, runs } = fake();
    const options = { capability: 86, compiler, directory } as const;
    const first = okay((await compileCudaKernels([good('a')], options))[0]);
    const second = okay((await compileCudaKernels([good('a')], options))[0]);
    expect(second).toEqual({ ...first, cached: true });
    writeFileSync(join(directory, `${first.hash}.json`), '{"kernel":"a"}');
    expect(okay((await compileCudaKernels([good('a')], options))[0])).toMatchObject({ cached: false });
    expect(runs()).toBe(2);
  });

  it('refuses a kernel that spills, with the numbers, unless it may; also when the cubin was there', async () => {
    const { compiler, directory, runs } = fake();
    const options = { capability: 89, compiler, directory, jobs: 1 } as const;
    const [a, s] = await compileCudaKernels([good('a'), spilling('s')], options);
    expect(okay(a).id).toBe('a');
    const refused = { ok: false, id: 's', reason: 'spills', message: 'registers spill to memory on compute capability 8.9: main: 24 bytes stored, 24 loaded (255 registers)' };
    expect(s).toMatchObject(refused);
    expect((await compileCudaKernels([spilling('s')], options))[0]).toMatchObject(refused);
    expect(okay((await compileCudaKernels([spilling('s')], { ...options, maySpill: (id) => id === 's' }))[0]).details?.entries['main']?.spillStores).toBe(24);
    expect(runs()).toBe(1);
  });

  it('costs one bad kernel of a batch only that kernel, and reports what the compiler said', async () => {
    const { compiler, directory } = fake();
    const seen: string[] = [];
    const results = await compileCudaKernels([good('a'), { id: 'x', text: '// fail no such thing\n' }, good('b')], {
      capability: 80,
      compiler,
      directory,
      jobs: 1,
      onResult: (result) => seen.push(`${result.id} ${result.ok}`),
    });
    expect(results.map((r) => r.ok)).toEqual([true, false, true]);
    expect(results[1]).toEqual({ ok: false, id: 'x', reason: 'compiler', message: 'kernel.cu(1): error: no such thing', compileMs: expect.any(Number) as unknown });
    expect(seen).toEqual(['a true', 'x false', 'b true']);
  });

  it('keeps warnings with the kernels', async () => {
    const { compiler, directory } = fake();
    const [result] = await compileCudaKernels([{ id: 'w', text: '// warn unused\n// stats gk_w__main 8 0\n' }], { capability: 80, compiler, directory });
    expect(okay(result).details?.warnings).toEqual(['kernel.cu(1): warning #1-D: unused']);
  });

  it('hashes source, capability, compiler kind and version, not where the compiler is', () => {
    const { compiler } = fake();
    const hash = cubinHash('x', 80, compiler);
    expect(cubinHash('x', 80, { ...compiler, path: '/elsewhere/nvcc' })).toBe(hash);
    const others = [cubinHash('y', 80, compiler), cubinHash('x', 86, compiler), cubinHash('x', 80, { ...compiler, version: '2' }), cubinHash('x', 80, { ...compiler, kind: 'nvrtc' })];
    expect(new Set([hash, ...others]).size).toBe(5);
  });

  it('stops when asked to', async () => {
    const { compiler, directory } = fake();
    await expect(compileCudaKernels([good('a')], { capability: 80, compiler, directory, signal: AbortSignal.abort() })).rejects.toBeInstanceOf(AbortedError);
  });
});

const nvcc = await findNvcc();
const nvrtc = ((): Nvrtc | null => {
  try {
    return findNvrtc();
  } catch {
    return null; // the addon is not built
  }
})();

describe.each([
  ['nvcc', nvcc],
  ['NVRTC', nvrtc],
] as const)('with the real %s', (name, compiler) => {
  it.skipIf(compiler === null)(`compiles rendered kernels for an exact capability (skipped where there is no ${name})`, async () => {
    if (compiler === null) return;
    const templateRoot = tinyTemplates();
    const variants = [...enumerate({ family: 'tiny_scale', params: { dtype: 'bf16' }, isa: 'sm80' }, { family: TINY_CUDA, capability: 86 })];
    const sources = variants.map((variant) => ({ id: kernelId(variant, TINY_CUDA), text: renderKernel(variant, { family: TINY_CUDA, templateRoot }) }));
    expect(sources).toHaveLength(2);
    const directory = join(temporary(), 'out');
    const results = await compileCudaKernels(sources, { capability: 86, compiler, directory, jobs: 1 });
    for (const result of results) {
      const { details, file, symbol } = okay(result);
      expect(Object.keys(details?.entries ?? {})).toEqual(['main']);
      expect(details?.entries['main']?.registers).toBeGreaterThan(4);
      expect(details?.warnings).toEqual([]);
      expect(details?.codeBytes).toBeGreaterThan(100);
      expect(details?.compileMs).toBeGreaterThan(0);
      const binary = readFileSync(file, 'latin1');
      expect(binary.slice(0, 4)).toBe('\x7fELF');
      expect(binary).toContain(`${symbol}__main`);
      expect(binary).toContain(`gk_meta_${result.id}`);
      expect(binary).not.toContain(basename(directory));
    }
    // Under another name, in a unit with others, a kernel's machine code is what it was.
    const [first, second] = sources as [KernelSource, KernelSource];
    const twin = { id: 'twin', text: first.text.replaceAll(first.id, 'twin') };
    const other = { id: 'other', text: second.text.replaceAll(second.id, 'other') };
    const renamed = await compileCudaKernels([other, twin], { capability: 86, compiler, directory, jobs: 1 });
    const codes = [...results, ...renamed].map((result) => okay(result).details?.machineCode);
    expect([codes[3], codes[2]]).toEqual(codes.slice(0, 2));
    expect(codes[0]).not.toBe(codes[1]);
    const broken = await compileCudaKernels([{ id: 'broken', text: 'extern "C" __global__ void gk_broken__main(float* p) { p[0] = nothing; }' }], { capability: 86, compiler, directory });
    expect(broken[0]).toMatchObject({ ok: false, reason: 'compiler', message: expect.stringMatching(/identifier "nothing" is undefined/) as unknown });
  }, 60_000);
});

import { describe, expect, it } from 'vitest';
import { compactRegisters, ffCompactCuda } from '../../../../generator/families/cuda/ff_compact.js';
import { ffCompact } from '../../../../generator/families/ff_compact.js';
import { paramSets } from '../../../../generator/forms.js';
import { count, defaultVariant, enumerate } from '../../../../generator/space.js';
import { parseLaunchExpression } from '../../../../runtime/device/launch-expression.js';

describe('ff_compact on CUDA', () => {
  it.each(paramSets(ffCompact))('has a valid default: %j', (params) => {
    expect(ffCompact.cuda).toBe(ffCompactCuda);
    expect(defaultVariant({ family: 'ff_compact', params, isa: 'sm80' }).axes).toEqual({ threads: 256, loads: 4, hint: 1 });
  });

  it('launches enough blocks for every element, whatever its width', () => {
    const { axes } = defaultVariant({ family: 'ff_compact', params: { dtype: 'bf16' }, isa: 'sm80' });
    for (const [dtype, elements] of [['bf16', 8192], ['f32', 4096]] as const) {
      const launch = ffCompactCuda.launch({ isa: 'sm80', params: { dtype }, axes });
      const blocks = (k: number, width: number): number => parseLaunchExpression(launch.phases[0]!.grid[0]).evaluate({ sms: 132, k, width, intermediate: 20000 });
      expect(blocks(5504, 8192)).toBe((5504 * 8192) / elements);
      expect(blocks(1, 1)).toBe(1);
      expect(blocks(0, 8192)).toBe(0);
    }
  });

  it('keeps two blocks on a multiprocessor', () => {
    const form = { family: 'ff_compact', params: { dtype: 'f32' }, isa: 'sm80' } as const;
    expect(count(form)).toBe(3 * 4 * 4 - 4); // 8 loads of 512 threads are too many
    for (const { axes } of enumerate(form)) expect(2 * (axes['threads'] ?? NaN) * compactRegisters(axes)).toBeLessThanOrEqual(65536);
  });

  it('copies: every variant gives the same bits', () => {
    expect(ffCompactCuda.numericsClass({ isa: 'sm80', params: { dtype: 'f16' }, axes: { threads: 128, loads: 1, hint: 0 } })).toBe('exact-f16');
  });
});

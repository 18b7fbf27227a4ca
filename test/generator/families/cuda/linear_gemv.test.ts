import { describe, expect, it } from 'vitest';
import { linearGemvCuda } from '../../../../generator/families/cuda/linear_gemv.js';
import { linearGemv } from '../../../../generator/families/linear_gemv.js';
import { parseLaunchExpression } from '../../../../runtime/device/launch-expression.js';

describe('linear_gemv on CUDA', () => {
  it('is the CUDA side of its family', () => {
    expect(linearGemv.cuda).toBe(linearGemvCuda);
  });

  it('launches a block per 16 outputs and stages a row of x', () => {
    const params = { dtype: 'bf16' };
    const launch = linearGemvCuda.launch({ isa: 'sm80', params, axes: linearGemvCuda.defaults({ isa: 'sm80', params }) });
    const [rows, tiles] = launch.phases;
    const evaluate = (text: string, values: Record<string, number>): number => parseLaunchExpression(text).evaluate({ sms: 132, ...values });
    expect(evaluate(rows!.grid[0], { rows: 1, in: 4096, out: 32000 })).toBe(2000);
    expect(evaluate(tiles!.grid[0], { rows: 1, in: 4096, out: 32000 })).toBe(0);
    expect(evaluate(rows!.sharedBytes, { rows: 1, in: 4096, out: 32000 })).toBe(16384);
    // 37 columns are padded to one batch of 4 loads of a warp.
    expect(evaluate(rows!.sharedBytes, { rows: 2, in: 37, out: 5 })).toBe(2 * 4 * 256 * 4);
    expect(evaluate(tiles!.grid[0], { rows: 16, in: 4096, out: 100 })).toBe(4);
    expect([launch.workspaceBytes, launch.counters]).toEqual(['0', '0']);
  });
});

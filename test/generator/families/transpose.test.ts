import { describe, expect, it } from 'vitest';
import { transpose } from '../../../generator/families/transpose.js';
import { describeKernels } from '../../support/run-kernel.js';

describe('transpose reference', () => {
  it('exchanges rows and columns and leaves what lies behind a target row', () => {
    const problem = { family: 'transpose', params: { dtype: 'f32' }, dims: { rows: 2, cols: 3, source_stride: 4, target_stride: 3 } };
    const source = Float64Array.of(1, 2, 3, -1, 4, 5, 6, -1);
    const { target } = transpose.reference(problem, { source, target: new Float64Array(9).fill(9) });
    expect(target?.values).toEqual(Float64Array.of(1, 4, 9, 2, 5, 9, 3, 6, 9));
  });
});

describeKernels(transpose);

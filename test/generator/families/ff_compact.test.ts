import { describe, expect, it } from 'vitest';
import { ffCompact } from '../../../generator/families/ff_compact.js';
import { describeKernels } from '../../support/run-kernel.js';

describe('ff_compact reference', () => {
  it('takes rows in the order of the experts', () => {
    const problem = { family: 'ff_compact', params: { dtype: 'f32' }, dims: { width: 2, intermediate: 4, k: 2 } };
    const { target } = ffCompact.reference(problem, { source: Float64Array.of(0, 1, 10, 11, 20, 21, 30, 31), experts: Int32Array.of(1, 3) });
    expect(target).toEqual({ values: Float64Array.of(10, 11, 30, 31), bound: 0 });
  });

  it('does not stream where there are no streaming stores', () => {
    expect(ffCompact.cpu.defaults({ isa: 'portable', params: { dtype: 'f32' } })).toEqual({ rows: 16, stream: 0 });
    const [constraint] = ffCompact.cpu.constraints;
    expect(constraint?.holds({ isa: 'portable', params: {}, axes: { rows: 1, stream: 1 } })).toBe(false);
  });
});

describeKernels(ffCompact, { samples: 3 });

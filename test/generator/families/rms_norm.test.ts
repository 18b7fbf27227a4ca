import { describe, expect, it } from 'vitest';
import { rmsNorm } from '../../../generator/families/rms_norm.js';
import { describeKernels } from '../../support/run-kernel.js';

describe('rms_norm reference', () => {
  it('takes rows from the first one wanted', () => {
    const problem = { family: 'rms_norm', params: {}, dims: { rows: 1, first: 1, hidden: 2 } };
    const { y } = rmsNorm.reference(problem, { x: Float64Array.of(NaN, NaN, 3, 4), weight: Float64Array.of(1, -2) });
    const root = Math.sqrt(12.5 + Math.fround(1e-5));
    expect(y?.values).toEqual(Float64Array.of(3 / root, -8 / root));
  });
});

describeKernels(rmsNorm, { samples: 0 });

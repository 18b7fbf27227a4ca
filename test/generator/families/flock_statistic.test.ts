import { describe, expect, it } from 'vitest';
import { flockStatistic } from '../../../generator/families/flock_statistic.js';
import { describeKernels } from '../../support/run-kernel.js';

describe('flock_statistic reference', () => {
  it('adds squares of normalised rows to what is there; a row without norm adds nothing', () => {
    const problem = { family: 'flock_statistic', params: {}, dims: { rows: 3, intermediate: 2 } };
    const inputs = { h: Float64Array.of(3, 4, 0, 0, 0, -2), inv_norm: Float64Array.of(0.2, 0, 0.5), s2: Float64Array.of(1, 2) };
    const { s2 } = flockStatistic.reference(problem, inputs);
    expect(s2?.values[0]).toBeCloseTo(1 + 0.36, 14);
    expect(s2?.values[1]).toBeCloseTo(2 + 0.64 + 1, 14);
    expect(inputs.s2).toEqual(Float64Array.of(1, 2));
  });
});

describeKernels(flockStatistic, { samples: 3 });

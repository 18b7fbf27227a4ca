import { describe, expect, it } from 'vitest';
import { ffActivation, referenceActivation } from '../../../generator/families/ff_activation.js';
import { describeKernels } from '../../support/run-kernel.js';

describe('ff_activation reference', () => {
  // From tables of the normal distribution and of tanh.
  it.each([
    [0, 1, 0.7310585786300049],
    [0, -2, -0.2384058440442351],
    [1, 1, 0.8413447460685429],
    [1, -4.5, -4.5 * 3.3976731247300535e-6],
    [2, 1, 0.8411919906082768],
    [3, -1, 0],
    [3, 2.5, 2.5],
  ])('activation %i of %f', (code, x, expected) => {
    expect(Math.abs(referenceActivation(code, x) - expected)).toBeLessThan(1e-14 * Math.max(1, Math.abs(x)));
  });

  it('multiplies gate and up, adds the bias, and gives a zero row no norm', () => {
    const problem = { family: 'ff_activation', params: { gated: 'gated' }, dims: { rows: 2, intermediate: 2, activation: 3, bias: 1 } };
    const { h, inv_norm: inverse } = ffActivation.reference(problem, { u: Float64Array.of(1, 2, -9, 5, -1, 3, -1, 3), bias: Float64Array.of(0, 0, 10, 0.5) });
    expect(h?.values).toEqual(Float64Array.of(2, 5.5, 0, 31.5));
    expect(inverse?.values[0]).toBeCloseTo(1 / Math.hypot(2, 5.5), 14);
    const zero = ffActivation.reference(problem, { u: new Float64Array(8), bias: null });
    expect(zero['inv_norm']?.values).toEqual(new Float64Array(2));
  });
});

describeKernels(ffActivation, { samples: 0 });

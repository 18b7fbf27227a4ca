import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ffActivation, referenceActivation } from '../../../generator/families/ff_activation.js';
import { describeKernels } from '../../support/run-kernel.js';
import { openKernels, type KernelBench } from '../../support/launch-kernel.js';

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

describe('row norms of the ff_activation kernel', () => {
  let bench: KernelBench;
  beforeAll(async () => {
    bench = await openKernels(ffActivation, { gated: 'plain' });
  });
  afterAll(() => bench.dispose());

  it.each([1e-44, 1e-38, 1e-25, 1e-15, 1, 1e15, 1e25, 1e37])('hold for activations of %d', async (size) => {
    const problem = { family: 'ff_activation', params: { gated: 'plain' }, dims: { rows: 1, intermediate: 37, activation: 3 } };
    const u = new Float64Array(37).fill(Math.fround(size));
    const expected = Math.min(1 / Math.sqrt(37 * Math.fround(size) ** 2), 2 ** 128 * (1 - 2 ** -24));
    for (const kernel of bench.kernels) {
      const [inverse = NaN] = (await kernel.run(problem, { u, bias: null }))['inv_norm'] ?? [];
      expect(Math.abs(inverse / expected - 1), `${kernel.isa}: ${inverse}`).toBeLessThan(1e-5);
    }
  });
});

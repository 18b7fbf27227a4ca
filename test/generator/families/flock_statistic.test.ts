import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flockStatistic } from '../../../generator/families/flock_statistic.js';
import { describeKernels } from '../../support/run-kernel.js';
import { openKernels, type KernelBench } from '../../support/launch-kernel.js';
import { seededRandom } from '../../support/random.js';

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

describe('precision of the flock_statistic kernel', () => {
  let bench: KernelBench;
  beforeAll(async () => {
    bench = await openKernels(flockStatistic);
  });
  afterAll(() => bench.dispose());

  it('keeps sums over 2048 tokens to 1e-6 relative', async () => {
    const problem = { family: 'flock_statistic', params: {}, dims: { rows: 2048, intermediate: 40 } };
    const random = seededRandom(9);
    const inputs = { ...flockStatistic.makeInputs(problem, random), s2: new Float64Array(40) };
    const expected = flockStatistic.reference(problem, inputs)['s2']?.values ?? [];
    for (const kernel of bench.kernels) {
      const found = (await kernel.run(problem, inputs))['s2'] ?? [];
      const worst = Math.max(...[...expected].map((value, j) => Math.abs((found[j] ?? NaN) / value - 1)));
      expect(worst, kernel.isa).toBeLessThan(1e-6);
    }
  });
});

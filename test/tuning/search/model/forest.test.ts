import { describe, expect, it } from 'vitest';
import { fitForest } from '../../../../tuning/search/model/forest.js';
import { expectedImprovement, normalCdf } from '../../../../tuning/search/model/improvement.js';
import { seededRandom } from '../../../../tuning/statistics.js';

/** All points of a 6 × 5 × 3 grid; an ordered axis, an axis of kinds, and one that means nothing. */
const rows = Array.from({ length: 90 }, (_, i) => [Math.floor(i / 15), Math.floor(i / 3) % 5, i % 3]);
const target = ([a, b]: readonly number[]): number => a! * 0.2 + (b === 2 ? -1 : 0);
const forestOn = (examples: readonly number[][], seed = 1) =>
  fitForest(
    { digits: Int32Array.from(examples.flat()), width: 3, sizes: [6, 5, 3], targets: Float64Array.from(examples, target), weights: new Float64Array(examples.length).fill(1) },
    { trees: 40, leaf: 1, columns: 0.8, random: seededRandom(seed) },
  );

describe('forest', () => {
  it('learns thresholds and single values, and ranks points that it never saw', () => {
    const seen = rows.filter((_, i) => i % 3 !== 1);
    const forest = forestOn(seen);
    const into = { mean: 0, spread: 0 };
    let error = 0;
    for (const row of rows) error += Math.abs(forest.predict(Int32Array.from(row), 0, into).mean - target(row)) / rows.length;
    expect(error).toBeLessThan(0.1); // targets span 2
  });

  it('is surer where it has examples', () => {
    const forest = forestOn(rows.filter(([a]) => a! < 3));
    const spreadAt = (row: readonly number[]): number => forest.predict(Int32Array.from(row), 0, { mean: 0, spread: 0 }).spread;
    const few = forestOn(rows.filter((_, i) => i % 11 === 0));
    const mean = (spread: (row: readonly number[]) => number): number => rows.reduce((sum, row) => sum + spread(row), 0) / rows.length;
    expect(mean(spreadAt)).toBeLessThan(mean((row) => few.predict(Int32Array.from(row), 0, { mean: 0, spread: 0 }).spread));
  });

  it('is the same for the same seed', () => {
    const at = (seed: number): number => forestOn(rows.slice(0, 30), seed).predict(Int32Array.from([3, 2, 1]), 0, { mean: 0, spread: 0 }).mean;
    expect(at(4)).toBe(at(4));
    expect(at(4)).not.toBe(at(5));
  });

  it('counts an example by its weight', () => {
    const data = { digits: Int32Array.from([0, 0]), width: 1, sizes: [1], targets: Float64Array.from([0, 1]), weights: Float64Array.from([1, 9]) };
    const forest = fitForest(data, { trees: 400, leaf: 1, columns: 1, random: seededRandom(1) });
    // Bootstrap samples of two: half hold both (mean 0.9), a quarter only the one or the other.
    expect(forest.predict(Int32Array.from([0]), 0, { mean: 0, spread: 0 }).mean).toBeCloseTo(0.5 * 0.9 + 0.25, 1);
  });
});

describe('expected improvement', () => {
  it('is the certain gain without doubt, and what chance leaves with it', () => {
    expect(expectedImprovement(0.8, 0, 1)).toBeCloseTo(0.2, 12);
    expect(expectedImprovement(1.2, 0, 1)).toBe(0);
    expect(expectedImprovement(1, 1, 1)).toBeCloseTo(0.3989, 4);
    expect(expectedImprovement(1.5, 1, 1)).toBeCloseTo(0.1978, 3);
    expect(expectedImprovement(1.5, 2, 1)).toBeGreaterThan(expectedImprovement(1.5, 1, 1));
  });

  it('knows the normal distribution', () => {
    expect(normalCdf(0)).toBe(0.5);
    expect(normalCdf(1)).toBeCloseTo(0.8413, 3);
    expect(normalCdf(-1.96)).toBeCloseTo(0.025, 3);
  });
});

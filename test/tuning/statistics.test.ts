import { describe, expect, it } from 'vitest';
import { bootstrapMedian, median, quantile, quartiles, ratioInterval, seededRandom, seedFrom, shuffled, spread } from '../../tuning/statistics.js';

describe('order statistics', () => {
  it('interpolates between samples and does not reorder its argument', () => {
    const samples = [4, 1, 3, 2];
    expect(median(samples)).toBe(2.5);
    expect(quartiles(samples)).toEqual({ low: 1.75, median: 2.5, high: 3.25 });
    expect(quantile([7], 0.9)).toBe(7);
    expect(quantile([], 0.5)).toBeNaN();
    expect(samples).toEqual([4, 1, 3, 2]);
  });

  it('is not moved by one wild sample', () => {
    expect(median([10, 10, 10, 10, 1e9])).toBe(10);
    expect(spread([10, 10, 10, 10, 1e9])).toBe(0);
  });
});

describe('seeded helpers', () => {
  it('repeats for a seed and spreads over [0, 1)', () => {
    const [a, b] = [seededRandom(7), seededRandom(7)];
    const values = Array.from({ length: 2000 }, a);
    expect(Array.from({ length: 2000 }, b)).toEqual(values);
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(0.5, 1);
  });

  it('permutes and names seeds by text', () => {
    expect([...shuffled([1, 2, 3, 4, 5], seededRandom(1))].sort()).toEqual([1, 2, 3, 4, 5]);
    expect(seedFrom('a')).not.toBe(seedFrom('b'));
    expect(seedFrom('a', 1)).not.toBe(seedFrom('a', 2));
  });
});

describe('bootstrapMedian', () => {
  const samples = Array.from({ length: 25 }, (_, i) => 100 + ((i * 7) % 25));
  it('gives the same interval for the same seed, around the median', () => {
    const interval = bootstrapMedian(samples, 3);
    expect(bootstrapMedian([...samples].reverse(), 3)).toEqual(interval);
    expect(interval.median).toBe(112);
    // Ranks 8 and 18 of 25 hold the median with a confidence of 95.7 %.
    expect(interval.low).toBeGreaterThanOrEqual(106);
    expect(interval.low).toBeLessThanOrEqual(109);
    expect(interval.high).toBeGreaterThanOrEqual(115);
    expect(interval.high).toBeLessThanOrEqual(118);
  });

  it('widens with the confidence, narrows with the samples, and knows even counts', () => {
    const width = (values: readonly number[], level?: number): number => {
      const { low, high } = bootstrapMedian(values, 1, level === undefined ? {} : { level });
      return high - low;
    };
    expect(width(samples, 0.99)).toBeGreaterThan(width(samples, 0.5));
    expect(width([...samples, ...samples, ...samples, ...samples])).toBeLessThan(width(samples));
    expect(bootstrapMedian([1, 2], 1, { resamples: 500 })).toEqual({ median: 1.5, low: 1, high: 2 });
    expect(bootstrapMedian([7], 1)).toEqual({ median: 7, low: 7, high: 7 });
    expect(bootstrapMedian([], 1).low).toBeNaN();
  });
});

describe('ratioInterval', () => {
  it('has the limits of the signed-rank tables', () => {
    // Powers of two: the means of pairs are easily counted. For 6 pairs the 2.5 % point leaves the extremes, for 8 it is the fourth from either end.
    expect(ratioInterval([1, 2, 4, 8, 16, 32].map((x) => x / 8))).toEqual({ median: expect.closeTo(2 ** -0.5, 9) as number, low: expect.closeTo(1 / 8, 9) as number, high: expect.closeTo(4, 9) as number });
    const eight = ratioInterval(Array.from({ length: 8 }, (_, i) => 2 ** i));
    // Means of exponents from below: 0, 1/2, 1, 1, …
    expect(eight).toEqual({ median: expect.closeTo(2 ** 3.5, 9) as number, low: expect.closeTo(2, 9) as number, high: expect.closeTo(64, 9) as number });
  });

  it('turns about when the ratios do, and does not mind their order', () => {
    const ratios = [0.9, 0.95, 1.02, 0.97, 0.91, 0.99, 1.01, 0.93, 0.96, 0.98, 0.94];
    const { median: middle, low, high } = ratioInterval(ratios);
    const inverse = ratioInterval(ratios.map((ratio) => 1 / ratio).reverse());
    expect([inverse.median, inverse.low, inverse.high]).toEqual([1 / middle, 1 / high, 1 / low].map((x) => expect.closeTo(x, 12) as number));
  });

  it('leaves out single wild ratios, but not a habit', () => {
    const calm = Array.from({ length: 14 }, (_, i) => 0.95 + 0.001 * (i % 7));
    expect(ratioInterval([...calm, 3]).high).toBeLessThan(0.96);
    expect(ratioInterval([...calm, ...Array.from({ length: 8 }, () => 3)]).high).toBeGreaterThan(1);
  });

  it('holds the truth about as often as it says, with outliers and without', () => {
    for (const [outliers, pairs] of [[0, 12], [0.05, 15], [0.05, 40]] as const) {
      let held = 0;
      for (let i = 0; i < 600; i++) {
        const random = seededRandom(seedFrom(`${pairs} ${outliers} ${i}`));
        const gauss = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
        const sample = (): number => Math.exp(0.03 * gauss()) * (random() < outliers ? 1 + random() : 1);
        const { low, high } = ratioInterval(Array.from({ length: pairs }, () => (0.9 * sample()) / sample()));
        if (low <= 0.9 && 0.9 <= high) held++;
      }
      expect(held / 600, `${pairs} pairs`).toBeGreaterThan(0.915);
    }
  });

  it('agrees with itself where exact ranks give way to the normal distribution, and has a range for few', () => {
    const ratios = (count: number): number[] => Array.from({ length: count }, (_, i) => 1 + 0.1 * Math.sin(i * 12.9898));
    const [exact, normal] = [ratioInterval(ratios(120)), ratioInterval(ratios(121))];
    expect(normal.high - normal.low).toBeCloseTo(exact.high - exact.low, 2);
    expect(ratioInterval([0.5, 2]).low).toBeCloseTo(0.5, 12);
    expect(ratioInterval([]).median).toBeNaN();
  });
});

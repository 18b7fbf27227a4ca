import { describe, expect, it } from 'vitest';
import { median, quantile, quartiles, seededRandom, seedFrom, shuffled, spread } from '../../tuning/statistics.js';

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

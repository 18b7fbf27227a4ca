import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../runtime/griffin/random.js';

const take = (random: () => number, n: number): number[] => Array.from({ length: n }, random);

describe('seededRandom', () => {
  it('repeats for the same seed and stream, and differs for others', () => {
    const first = take(seededRandom(7, 2), 20);
    expect(take(seededRandom(7, 2), 20)).toEqual(first);
    expect(take(seededRandom(8, 2), 20)).not.toEqual(first);
    expect(take(seededRandom(7, 3), 20)).not.toEqual(first);
    expect(take(seededRandom(7 + 2 ** 32, 2), 20)).not.toEqual(first);
  });

  it('is uniform in [0, 1)', () => {
    const values = take(seededRandom(1), 40_000);
    const buckets = new Array<number>(10).fill(0);
    for (const value of values) {
      expect(value >= 0 && value < 1).toBe(true);
      buckets[Math.floor(value * 10)]! += 1;
    }
    // 4000 expected in each, standard deviation 60.
    for (const count of buckets) expect(Math.abs(count - 4000)).toBeLessThan(300);
  });
});

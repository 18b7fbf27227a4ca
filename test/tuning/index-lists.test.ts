import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { indexList, type IndexPattern } from '../../tuning/index-lists.js';
import { seededRandom } from '../../tuning/statistics.js';

describe('indexList', () => {
  it('gives k ascending different indices below the count, in both patterns', () => {
    const sizes = fc.integer({ min: 0, max: 300 }).chain((count) => fc.tuple(fc.constant(count), fc.integer({ min: 0, max: count })));
    fc.assert(
      fc.property(sizes, fc.constantFrom<IndexPattern>('uniform', 'clustered'), fc.integer(), ([count, k], pattern, seed) => {
        const list = indexList(count, k, pattern, seededRandom(seed));
        expect(list).toHaveLength(k);
        list.forEach((index, i) => {
          expect(index).toBeLessThan(count);
          expect(index).toBeGreaterThan(i === 0 ? -1 : (list[i - 1] ?? 0));
        });
      }),
    );
  });

  it('makes longer runs when clustered', () => {
    const runs = (list: Int32Array): number => list.filter((index, i) => i === 0 || index !== (list[i - 1] ?? 0) + 1).length;
    const [uniform, clustered] = (['uniform', 'clustered'] as const).map((pattern) => runs(indexList(4096, 1024, pattern, seededRandom(1))));
    expect(clustered).toBeLessThan((uniform ?? 0) / 4);
  });

  it('refuses more indices than there are', () => {
    expect(() => indexList(3, 4, 'uniform', seededRandom(1))).toThrow('cannot choose 4 of 3');
  });
});

import { describe, expect, it } from 'vitest';
import { kernelId, requireFamily } from '../../../generator/ids.js';
import { count, enumerate } from '../../../generator/space.js';
import { gainFromHistory } from '../../../tuning/search/gain.js';
import { neighboursOf, shardOf, spaceOf, spaceOfVariants } from '../../../tuning/search/space.js';
import { createWalk } from '../../../tuning/search/walk.js';
import { seededRandom } from '../../../tuning/statistics.js';
import { formOf, gridFamily } from './support.js';

const family = gridFamily([6, 5, 4], { default: [1, 1, 1], forbid: ({ xa, xb }) => xa! + xb! === 7 });
const space = spaceOf({ form: formOf(family), family, dims: {} });

describe('space', () => {
  it('has the members that the generator enumerates, and finds each again', () => {
    const all = [...enumerate(formOf(family), { family })];
    expect(space.size()).toBe(all.length);
    for (const variant of all) {
      const point = space.pointOf(variant)!;
      expect(space.variantAt(point)).toEqual(variant);
      expect(space.idAt(point)).toBe(kernelId(variant, family));
      expect(space.pointAt(space.digitsAt(point))).toBe(point);
    }
  });

  it('agrees with the generator on a real family with sizes', () => {
    const gemm = requireFamily('linear_gemm');
    const form = { family: gemm.name, params: { dtype: 'bf16', layout: 'outin' }, isa: 'avx2' } as const;
    const dims = { rows: 64, in: 512, out: 512, bias: 0, residual: 0 };
    expect(spaceOf({ form, family: gemm, dims }).size()).toBe(count(form, { family: gemm, dims }));
  });

  it('steps one axis at a time and never out of the space', () => {
    const at = space.pointOf({ ...formOf(family), axes: { xa: 3, xb: 3, xc: 3 } })!;
    expect(neighboursOf(space, at).map((point) => space.variantAt(point).axes)).toEqual([{ xa: 2, xb: 3, xc: 3 }, { xa: 3, xb: 2, xc: 3 }, { xa: 3, xb: 3, xc: 2 }]);
  });

  it('of given variants has nothing else, but the default', () => {
    const some = [...enumerate(formOf(family), { family })].filter(({ axes }) => axes['xa'] === 4);
    const narrow = spaceOfVariants(formOf(family), family, some);
    expect(narrow.size()).toBe(some.length + 1);
    expect(narrow.axes[0]!.values).toEqual([1, 4]);
  });

  it('spreads ids evenly over shards', () => {
    const counts = new Array<number>(8).fill(0);
    for (let i = 0; i < 4000; i++) counts[shardOf(`toy__any__portable__xa${(i % 20) * 8}_xb${Math.floor(i / 20) * 4}`, 8)]! += 1;
    for (const n of counts) expect(Math.abs(n - 500)).toBeLessThan(100);
  });
});

describe('walk', () => {
  it('comes to every member once, in an order that another seed changes', () => {
    const order = (seed: number): number[] => {
      const used = new Set<number>();
      const walk = createWalk(space, seededRandom(seed), (point) => used.has(point));
      const result: number[] = [];
      for (let [next] = walk.peek(1); next !== undefined; [next] = walk.peek(1)) {
        used.add(next);
        result.push(next);
      }
      expect(walk.remaining()).toBe(0);
      return result;
    };
    expect(new Set(order(1)).size).toBe(space.size());
    expect(order(1)).toHaveLength(space.size());
    expect(order(1)).toEqual(order(1));
    expect(order(1)).not.toEqual(order(2));
  });

  it('comes back to what is no longer used', () => {
    const used = new Set<number>();
    const walk = createWalk(space, seededRandom(1), (point) => used.has(point));
    for (const point of walk.peek(1000)) used.add(point);
    expect(walk.remaining()).toBe(0);
    used.delete(space.defaultPoint);
    expect(walk.peek(5)).toEqual([space.defaultPoint]);
  });
});

describe('gain from history', () => {
  it('falls with the number of tries and with the distance of the best', () => {
    expect(gainFromHistory([1])).toBeNull();
    const far = [1, 1.2, 1.4, 1.6];
    expect(gainFromHistory(far)!).toBeGreaterThan(gainFromHistory([1, 1.02, 1.04, 1.06])!);
    expect(gainFromHistory(far)!).toBeGreaterThan(gainFromHistory([...far, 1.7, 1.8, 1.9, 2])!);
    expect(gainFromHistory([1, 1, 1])).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { kernelId } from '../../generator/ids.js';
import { enumerate } from '../../generator/space.js';
import type { Family, Variant } from '../../generator/types.js';
import { createSearch, neighbours, type Search } from '../../tuning/search.js';
import { toyFamily } from './support/toy-family.js';

const axis = (name: string, count: number) => ({ name, values: Array.from({ length: count }, (_, i) => i), doc: name });
const family: Family = {
  ...toyFamily,
  cpu: {
    ...toyFamily.cpu,
    axes: [axis('a', 6), axis('b', 5), axis('c', 4)],
    defaults: () => ({ a: 1, b: 1, c: 1 }),
    constraints: [{ name: 'odd', reason: 'test', holds: ({ axes }) => (axes['a'] ?? 0) + (axes['b'] ?? 0) !== 7 }],
  },
};
const wide: Family = { ...family, cpu: { ...family.cpu, axes: [axis('a', 40), axis('b', 40), axis('c', 4)] } };
const form = { family: family.name, params: {}, isa: 'portable' } as const;
const open = (seed = 1, of: Family = family): Search => createSearch({ form, family: of, dims: {}, seed });
const ids = (variants: readonly Variant[], of: Family = family): string[] => variants.map((variant) => kernelId(variant, of));
/** A cost with one valley. */
const cost = ({ axes }: Variant): number => Math.abs((axes['a'] ?? 0) - 4) + Math.abs((axes['b'] ?? 0) - 2) + Math.abs((axes['c'] ?? 0) - 3) + 1;

describe('search', () => {
  it('begins with the default and covers the whole space once', () => {
    const search = open();
    const all = [...enumerate(form, { family })];
    const proposed: Variant[] = [];
    for (let batch = search.propose(7); batch.length > 0; batch = search.propose(7)) {
      for (const variant of batch) search.observe(variant, cost(variant));
      proposed.push(...batch);
    }
    expect(proposed[0]).toEqual(search.defaultVariant);
    expect(new Set(ids(proposed)).size).toBe(proposed.length);
    expect(ids(proposed).sort()).toEqual(ids(all).sort());
    expect(search.remaining()).toBe(0);
    expect(search.size()).toBe(all.length);
  });

  it('gives the same proposals for the same seed and others for another', () => {
    expect(ids(open(5).propose(20))).toEqual(ids(open(5).propose(20)));
    expect(ids(open(5).propose(20))).not.toEqual(ids(open(6).propose(20)));
  });

  it('follows the valley: finds the best of a space in a small part of it', () => {
    const search = open(3, wide);
    const goal = (variant: Variant): number => Math.abs((variant.axes['a'] ?? 0) - 20) + Math.abs((variant.axes['b'] ?? 0) - 11) + 1;
    let tried = 0;
    for (let round = 0; round < 40; round++) {
      for (const variant of search.propose(12)) {
        search.observe(variant, goal(variant));
        tried++;
      }
    }
    expect(search.ranking()[0]?.cost).toBe(1);
    expect(tried).toBeLessThan(500);
    expect(search.size()).toBeGreaterThan(6000);
  });

  it('grows a sampled pool to the whole space in the end', () => {
    const search = open(3, wide);
    let total = 0;
    for (let batch = search.propose(1000); batch.length > 0; batch = search.propose(1000)) total += batch.length;
    expect(total).toBe(search.size());
    expect(search.remaining()).toBe(0);
  });

  it('tries suggestions right after the default, unless they violate a constraint', () => {
    const search = open();
    const good = { ...form, axes: { a: 5, b: 0, c: 2 } };
    search.suggest([good, { ...form, axes: { a: 5, b: 2, c: 0 } }]);
    expect(ids(search.propose(2))).toEqual(ids([search.defaultVariant, good]));
    expect(ids(search.propose(1000))).not.toContain(kernelId({ ...form, axes: { a: 5, b: 2, c: 0 } }, family));
  });

  it('proposes again what was put back, and first', () => {
    const search = open();
    const batch = search.propose(6);
    search.putBack(batch.slice(3));
    expect(ids(search.propose(3))).toEqual(ids(batch.slice(3)));
  });

  it('forgets a measured variant that failed later', () => {
    const search = open();
    const [first, second] = search.propose(2) as [Variant, Variant];
    search.observe(first, 1);
    search.observe(second, 0.5);
    search.observe(second, null);
    expect(ids(search.ranking().map(({ variant }) => variant))).toEqual(ids([first]));
  });

  it('steps one axis at a time', () => {
    const near = neighbours({ ...form, axes: { a: 0, b: 2, c: 3 } }, family).map(({ axes }) => axes);
    expect(near).toEqual([{ a: 1, b: 2, c: 3 }, { a: 0, b: 1, c: 3 }, { a: 0, b: 3, c: 3 }, { a: 0, b: 2, c: 2 }]);
  });
});

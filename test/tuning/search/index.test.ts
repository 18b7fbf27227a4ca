import { describe, expect, it } from 'vitest';
import { kernelId } from '../../../generator/ids.js';
import { enumerate } from '../../../generator/space.js';
import type { Family, Variant } from '../../../generator/types.js';
import { createSearch, DEFAULT_STRATEGY, isStrategy, STRATEGIES, type StrategyName } from '../../../tuning/search/index.js';
import type { Proposal, Search, SpaceDescription } from '../../../tuning/search/search.js';
import { formOf, gridFamily, ruggedCost } from './support.js';

const family = gridFamily([6, 5, 4], { default: [1, 1, 1], forbid: ({ xa, xb }) => xa! + xb! === 7 });
const wide = gridFamily([40, 40, 4], { default: [1, 1, 1] });
const open = (strategy: StrategyName, seed = 1, of: Family = family, more: Partial<SpaceDescription> = {}): Search =>
  createSearch({ form: formOf(of), family: of, dims: {}, ...more }, { strategy, seed });
const idsOf = (proposals: readonly Proposal[], of: Family = family): string[] => proposals.map(({ variant }) => kernelId(variant, of));
const all = (of: Family): string[] => [...enumerate(formOf(of), { family: of })].map((variant) => kernelId(variant, of)).sort();

/** Runs a search to its end; every proposal is observed at once unless `cost` says that the variant failed. */
function runOut(search: Search, cost: (variant: Variant) => number | null, batch = 7, of: Family = family): { ids: string[]; samples: Map<string, number[]> } {
  const ids: string[] = [];
  const samples = new Map<string, number[]>();
  for (let proposals = search.propose(batch); proposals.length > 0; proposals = search.propose(batch)) {
    expect(proposals.length).toBeLessThanOrEqual(batch);
    for (const proposal of proposals) {
      const id = kernelId(proposal.variant, of);
      ids.push(id);
      samples.set(id, [...(samples.get(id) ?? []), proposal.samples]);
      search.observe(proposal.variant, { cost: cost(proposal.variant), samples: cost(proposal.variant) === null ? 0 : proposal.samples });
    }
  }
  return { ids, samples };
}

describe('strategies by name', () => {
  it('knows its names and has a default among them', () => {
    expect(STRATEGIES).toEqual(expect.arrayContaining(['exhaustive', 'random', 'local', 'forest', 'halving']));
    expect(isStrategy(DEFAULT_STRATEGY)).toBe(true);
    expect(isStrategy('guess')).toBe(false);
  });

  it('has the default strategy look one step around the default variant first', () => {
    const of = gridFamily([9, 9, 9, 9], { default: [4, 4, 4, 4] });
    const search = open(DEFAULT_STRATEGY, 1, of);
    const steps = ({ axes }: Variant): number => Object.values(axes).reduce((sum, value) => sum + Math.abs(value - 4), 0);
    expect(search.propose(9).map(({ variant }) => steps(variant))).toEqual([0, 1, 1, 1, 1, 1, 1, 1, 1]);
  });

  describe.each(STRATEGIES)('%s', (strategy) => {
    it('begins with the default, covers the space, and repeats only with more samples', () => {
      const search = open(strategy);
      const { ids, samples } = runOut(search, ruggedCost(family));
      expect(ids[0]).toBe(kernelId(search.defaultVariant, family));
      expect([...new Set(ids)].sort()).toEqual(all(family));
      for (const asked of samples.values()) asked.forEach((count, i) => expect(count).toBeGreaterThan(asked[i - 1] ?? 0));
      expect(search.remaining()).toBe(0);
      expect(search.size()).toBe(all(family).length);
      expect(search.expectedGain()).toBe(0);
      expect(search.ranking()).toHaveLength(all(family).length);
    });

    it('covers a space that is larger than what it holds ahead', () => {
      const of = gridFamily([20, 20, 12], { default: [3, 3, 3] });
      const search = open(strategy, 3, of);
      // Without observations: whatever a model would say, everything must come.
      const ids = new Set<string>();
      for (let batch = search.propose(600); batch.length > 0; batch = search.propose(600)) for (const id of idsOf(batch, of)) ids.add(id);
      expect(ids.size).toBe(4800);
      expect(search.remaining()).toBe(0);
    });

    it('is the same for the same seed', () => {
      const run = (seed: number): string[] => runOut(open(strategy, seed), ruggedCost(family)).ids;
      expect(run(5)).toEqual(run(5));
      if (strategy !== 'exhaustive') expect(run(5)).not.toEqual(run(6));
    });

    it('divides a space into shards that share nothing but the default', () => {
      const shards = [0, 1, 2].map((index) => new Set(runOut(open(strategy, 1, family, { shard: { index, of: 3 } }), ruggedCost(family)).ids));
      const standard = kernelId(open(strategy).defaultVariant, family);
      const others = shards.flatMap((shard) => [...shard].filter((id) => id !== standard));
      expect(shards.every((shard) => shard.has(standard))).toBe(true);
      expect(new Set(others).size).toBe(others.length);
      expect([...new Set([...others, standard])].sort()).toEqual(all(family));
    });

    it('tries suggestions early and ignores foreign ones', () => {
      const search = open(strategy);
      const good = { ...formOf(family), axes: { xa: 5, xb: 0, xc: 2 } };
      const invalid = { ...good, axes: { xa: 5, xb: 2, xc: 0 } };
      search.suggest([invalid, good, { ...good, isa: 'avx2' }, { ...good, family: 'another' }, { ...good, axes: { xa: 1 } }, { ...good, axes: { ...good.axes, xc: 99 } }]);
      expect(idsOf(search.propose(2))).toEqual([kernelId(search.defaultVariant, family), kernelId(good, family)]);
      expect(runOut(search, ruggedCost(family)).ids).not.toContain(kernelId(invalid, family));
      expect(search.size()).toBe(all(family).length);
    });

    it('survives a space in which everything fails', () => {
      const search = open(strategy);
      const { ids } = runOut(search, () => null);
      expect([...new Set(ids)].sort()).toEqual(all(family));
      expect(ids).toHaveLength(all(family).length);
      expect(search.ranking()).toEqual([]);
    });

    it('hands out again what was put back, and first', () => {
      const search = open(strategy);
      const batch = search.propose(6);
      search.putBack(batch.slice(3));
      expect(search.propose(3)).toEqual(batch.slice(3));
    });
  });
});

describe('book-keeping', () => {
  it('forgets a measured variant that failed later, and sorts ties by kernel id', () => {
    const search = open('random');
    const [first, second, third] = search.propose(3) as [Proposal, Proposal, Proposal];
    for (const { variant } of [first, second, third]) search.observe(variant, { cost: 1, samples: 7 });
    search.observe(second.variant, { cost: null, samples: 0 });
    const ids = search.ranking().map(({ variant }) => kernelId(variant, family));
    expect(ids).toEqual(idsOf([first, third]).sort());
  });

  it('does not propose what a journal already knew', () => {
    const search = open('forest');
    const known = [...enumerate(formOf(family), { family })].slice(10, 60);
    for (const variant of known) search.observe(variant, { cost: ruggedCost(family)(variant), samples: 35 });
    const { ids } = runOut(search, ruggedCost(family));
    const old = new Set(known.map((variant) => kernelId(variant, family)));
    expect(ids.filter((id) => old.has(id))).toEqual([]);
    expect(new Set(ids).size).toBe(all(family).length - known.length);
  });

  it('expects gain before anything is known from nothing, then less and less', () => {
    const search = open('random', 1, wide);
    expect(search.expectedGain()).toBeNull();
    const cost = ruggedCost(wide);
    const gains: number[] = [];
    for (let round = 0; round < 30; round++) {
      for (const { variant } of search.propose(10)) search.observe(variant, { cost: cost(variant), samples: 7 });
      gains.push(search.expectedGain()!);
    }
    expect(Math.min(...gains)).toBeGreaterThanOrEqual(0);
    expect(gains.at(-1)!).toBeLessThan(gains[0]! / 3);
  });

  it('refuses a shard that does not exist', () => {
    expect(() => open('random', 1, family, { shard: { index: 3, of: 3 } })).toThrow(/0 to one below/);
  });
});

describe('what a model is for', () => {
  /** Evaluations until the best measured cost is within 3 % of the least. */
  function evaluationsToNear(strategy: StrategyName, seed: number, of: Family): number {
    const cost = ruggedCost(of);
    const goal = Math.min(...[...enumerate(formOf(of), { family: of })].map(cost)) * 1.03;
    const search = open(strategy, seed, of);
    for (let count = 0; ; ) {
      for (const { variant, samples } of search.propose(8)) {
        count++;
        search.observe(variant, { cost: cost(variant), samples });
        if (cost(variant) <= goal) return count;
      }
    }
  }

  it('finds the best of a rugged space in a third of the evaluations of random search', () => {
    const of = gridFamily([5, 4, 4, 3, 5, 2], { default: [1, 1, 1, 1, 1, 0] });
    const median = (strategy: StrategyName): number => [1, 2, 3, 4, 5, 6, 7, 8, 9].map((seed) => evaluationsToNear(strategy, seed, of)).sort((a, b) => a - b)[4]!;
    expect(median('forest') * 3).toBeLessThan(median('random'));
  });

  it('keeps away from where variants fail', () => {
    const of = gridFamily([8, 8, 6], { default: [1, 1, 1] });
    const fails = (variant: Variant): boolean => variant.axes['xa']! >= 4 && variant.axes['xb']! >= 3;
    const search = open('forest', 2, of);
    let failed = 0;
    let late = 0;
    for (let round = 0; round < 15; round++) {
      for (const { variant, samples } of search.propose(8)) {
        search.observe(variant, fails(variant) ? { cost: null, samples: 0 } : { cost: ruggedCost(of)(variant), samples });
        if (round < 5) continue;
        late++;
        if (fails(variant)) failed++;
      }
    }
    // The failing corner is 31 % of the space.
    expect(failed / late).toBeLessThan(0.15);
  });
});

/**
 * Which variant of one problem to try next. Pure and seeded: the same seed and the same observations give the same proposals.
 *
 * Order: the default variant, then what other problems of the same form found good, then a mix of neighbours of the best (one axis,
 * one step) and a uniform random sample. A space that the budget covers is thereby searched exhaustively, since nothing is proposed
 * twice. Problems of one form share their random order, so that they share compiled kernels.
 */
import { kernelId, type Form } from '../generator/ids.js';
import { count, defaultVariant, enumerate, rawSize, sample, validate } from '../generator/space.js';
import { targetOf } from '../generator/targets.js';
import type { Dims, Family, Variant } from '../generator/types.js';
import { seededRandom, shuffled } from './statistics.js';

/** Up to this many raw points the pool is the whole space; above, it begins as a uniform sample and grows to the whole when that is used up. */
const POOL_LIMIT = 4096;
const FIRST_POOL = 768;
/** Neighbours are taken around this many of the best variants. */
const ELITE = 3;

export interface SearchOptions {
  readonly form: Form;
  readonly family: Family;
  readonly dims: Dims;
  readonly seed: number;
  /** Compute capability of a GPU. */
  readonly capability?: number;
}

export interface Search {
  /** Valid variants. Counted when asked for: large spaces take a moment. */
  size(): number;
  readonly defaultVariant: Variant;
  /** Up to `n` variants that were not proposed before; fewer (none) when the space is exhausted. */
  propose(n: number): readonly Variant[];
  /** Takes proposals back that there was no time for: they come first next time. */
  putBack(variants: readonly Variant[]): void;
  /** How many can still be proposed (at least). */
  remaining(): number;
  /** The cost of a measured variant (median of candidate / default), or null when it failed (later, perhaps: then it is forgotten). */
  observe(variant: Variant, cost: number | null): void;
  /** Variants to try first, e.g. winners of another problem of the same form. Those outside this problem's space are ignored. */
  suggest(variants: readonly Variant[]): void;
  /** Measured variants, fastest first; ties by kernel id. */
  ranking(): readonly { readonly variant: Variant; readonly cost: number }[];
}

export function createSearch(options: SearchOptions): Search {
  const { form, family, dims } = options;
  const space = { family, dims, ...(options.capability === undefined ? {} : { capability: options.capability }) };
  const random = seededRandom(options.seed);
  const first = defaultVariant(form, { family });
  const ids = new WeakMap<Variant, string>();
  const id = (variant: Variant): string => {
    const known = ids.get(variant) ?? kernelId(variant, family);
    ids.set(variant, known);
    return known;
  };
  const raw = rawSize(family, form.isa);
  let pool = raw <= POOL_LIMIT ? shuffled([...enumerate(form, space)], random) : [...sample(form, FIRST_POOL, random, space)];
  let whole = raw <= POOL_LIMIT || pool.length < FIRST_POOL;
  const proposed = new Set<string>();
  const measured = new Map<string, { variant: Variant; cost: number }>();
  const hints: Variant[] = [];
  let poolAt = 0;

  function take(variant: Variant | undefined, into: Variant[]): void {
    if (variant === undefined || proposed.has(id(variant))) return;
    proposed.add(id(variant));
    into.push(variant);
  }
  function nextRandom(): Variant | undefined {
    for (;;) {
      while (poolAt < pool.length) {
        const variant = pool[poolAt++];
        if (variant !== undefined && !proposed.has(id(variant))) return variant;
      }
      if (whole) return undefined;
      whole = true;
      poolAt = 0;
      pool = shuffled([...enumerate(form, space)], random);
    }
  }
  function ranking(): { variant: Variant; cost: number }[] {
    return [...measured.values()].sort((a, b) => a.cost - b.cost || (id(a.variant) < id(b.variant) ? -1 : 1));
  }
  function neighbourQueue(): Variant[] {
    return ranking()
      .slice(0, ELITE)
      .flatMap(({ variant }) => neighbours(variant, family).filter((near) => !proposed.has(id(near)) && validate(near, space).length === 0));
  }

  return {
    size: () => count(form, space),
    defaultVariant: first,
    propose(n) {
      const result: Variant[] = [];
      if (n > 0 && !proposed.has(id(first))) take(first, result);
      while (result.length < n && hints.length > 0) take(hints.shift(), result); // `take` skips those proposed meanwhile
      const near = neighbourQueue();
      for (let turn = 0; result.length < n; turn++) {
        const before = result.length;
        const local = turn % 2 === 0 && near.length > 0;
        const variant = local ? near.shift() : (nextRandom() ?? near.shift());
        if (variant === undefined) break;
        take(variant, result);
        if (result.length === before && near.length === 0 && whole && poolAt >= pool.length) break;
      }
      return result;
    },
    putBack(variants) {
      for (const variant of variants) proposed.delete(id(variant));
      hints.unshift(...variants);
    },
    remaining() {
      // Exact for the whole space; a sample that is not used up stands for at least what it holds.
      const left = pool.reduce((sum, variant) => sum + (proposed.has(id(variant)) ? 0 : 1), proposed.has(id(first)) ? 0 : 1);
      return whole ? left : Math.max(1, left);
    },
    observe(variant, cost) {
      proposed.add(id(variant));
      if (cost === null) measured.delete(id(variant));
      else measured.set(id(variant), { variant, cost });
    },
    suggest(variants) {
      for (const variant of variants) if (!proposed.has(id(variant)) && validate(variant, space).length === 0) hints.push(variant);
    },
    ranking,
  };
}

/** Variants that differ by one step on one axis, in the order of the axes. They may violate constraints. */
export function neighbours(variant: Variant, family: Family): readonly Variant[] {
  return targetOf(family, variant.isa).axes.flatMap((axis) => {
    const at = axis.values.indexOf(variant.axes[axis.name] ?? Number.NaN);
    return [axis.values[at - 1], axis.values[at + 1]]
      .filter((value): value is number => at >= 0 && value !== undefined)
      .map((value) => ({ ...variant, axes: { ...variant.axes, [axis.name]: value } }));
  });
}

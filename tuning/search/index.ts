/**
 * Searches by name. All of them hand out the default variant first, then what was put back and what was suggested, and then what the
 * strategy chooses; all of them come to every variant of the space in the end.
 *
 * `exhaustive` goes through the space in the order of its axes, `random` in a random order. `local` tries neighbours of the best in turn
 * with random variants. `forest` fits an ensemble of regression trees and tries where it expects an improvement. `halving` measures many
 * shortly and the better ones again for longer. `prior` of the options orders the first variants of the model-guided ones.
 */
import type { Variant } from '../../generator/types.js';
import { seededRandom } from '../statistics.js';
import { gainFromHistory } from './gain.js';
import { USUAL_SAMPLES, type Choice, type Ledger, type Ranked, type Strategy } from './ledger.js';
import { analyticalPrior, type Prior } from './prior.js';
import type { Observation, Proposal, Search, SpaceDescription } from './search.js';
import { spaceOf, type SearchSpace } from './space.js';
import { exhaustive } from './strategies/exhaustive.js';
import { forest } from './strategies/forest.js';
import { halving } from './strategies/halving.js';
import { local } from './strategies/local.js';
import { random } from './strategies/random.js';
import { createWalk } from './walk.js';

export { USUAL_SAMPLES } from './ledger.js';
export type { Prior } from './prior.js';

/** What a strategy is made from. `random` is its own; `priorAt` is lower for points that are expected to be faster. */
export interface StrategyContext {
  readonly ledger: Ledger;
  readonly random: () => number;
  readonly priorAt: (point: number) => number;
}

const MAKERS = { exhaustive, random, local, forest, halving } as const satisfies Readonly<Record<string, (context: StrategyContext) => Strategy>>;

export type StrategyName = keyof typeof MAKERS;
export const STRATEGIES = Object.keys(MAKERS) as readonly StrategyName[];
export const DEFAULT_STRATEGY: StrategyName = 'forest';

export function isStrategy(name: string): name is StrategyName {
  return (STRATEGIES as readonly string[]).includes(name);
}

export interface SearchOptions {
  readonly strategy: StrategyName;
  readonly seed: number;
  /** Expected cost of a variant relative to others, lower is better. Default: the analytical model of prior.ts. */
  readonly prior?: Prior;
}

/** A search through the variants that are valid for a problem. */
export function createSearch(description: SpaceDescription, options: SearchOptions): Search {
  return createSearchIn(spaceOf(description), { ...options, prior: options.prior ?? analyticalPrior(description) });
}

/** The same in a space that is given, e.g. the variants that a journal holds. */
export function createSearchIn(space: SearchSpace, options: SearchOptions & { readonly prior: Prior }): Search {
  const asked = new Map<number, number>();
  const observations = new Map<number, Observation>();
  const history: number[] = [];
  const returned: Choice[] = [];
  const hints: number[] = [];
  const ids = new Map<number, string>();
  const variants = new Map<number, Variant>();
  const priors = new Map<number, number>();
  /** Measured points, kept sorted: fastest first, ties by kernel id. */
  const ranked: (Ranked & { readonly variant: Variant })[] = [];
  let version = 0;

  const idOf = (point: number): string => {
    const id = ids.get(point) ?? space.idAt(point);
    ids.set(point, id);
    return id;
  };
  const variantOf = (point: number): Variant => {
    const variant = variants.get(point) ?? space.variantAt(point);
    variants.set(point, variant);
    return variant;
  };
  const priorAt = (point: number): number => {
    const value = priors.get(point) ?? options.prior(variantOf(point));
    priors.set(point, value);
    return value;
  };
  /** Where a cost belongs among the ranked. */
  function rankOf(cost: number, point: number): number {
    let [low, high] = [0, ranked.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = ranked[middle]!;
      if (other.cost < cost || (other.cost === cost && idOf(other.point) < idOf(point))) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  const walk = createWalk(space, seededRandom(options.seed), (point) => asked.has(point));
  const ledger: Ledger = {
    space,
    walk,
    observations,
    history,
    ranked,
    asked: (point) => asked.get(point) ?? 0,
    get version() {
      return version;
    },
  };
  // Another stream than the walk's, so that how often a strategy draws does not change the common random order.
  const strategy: Strategy = MAKERS[options.strategy]({ ledger, random: seededRandom(options.seed ^ 0x9e3779b9), priorAt });

  return {
    strategy: options.strategy,
    defaultVariant: variantOf(space.defaultPoint),
    size: () => space.size(),
    propose(n) {
      const result: Choice[] = [];
      const take = (choice: Choice): void => {
        if (choice.samples <= (asked.get(choice.point) ?? 0)) return;
        asked.set(choice.point, choice.samples);
        result.push(choice);
      };
      if (n > 0) take({ point: space.defaultPoint, samples: asked.get(space.defaultPoint) ?? USUAL_SAMPLES });
      while (result.length < n && returned.length > 0) take(returned.shift()!);
      while (result.length < n && hints.length > 0) {
        const point = hints.shift()!;
        if (!asked.has(point)) take({ point, samples: USUAL_SAMPLES });
      }
      while (result.length < n) {
        const before = result.length;
        for (const choice of strategy.next(n - result.length)) take(choice);
        if (result.length === before) break;
      }
      return result.map(({ point, samples }): Proposal => ({ variant: variantOf(point), samples }));
    },
    putBack(proposals) {
      const choices = proposals.flatMap(({ variant, samples }) => {
        const point = space.pointOf(variant);
        return point === null || asked.get(point) !== samples ? [] : [{ point, samples }];
      });
      for (const { point } of choices) {
        const taken = observations.get(point)?.samples ?? 0;
        if (observations.has(point)) asked.set(point, taken);
        else asked.delete(point);
      }
      returned.unshift(...choices);
    },
    remaining: () => walk.remaining(),
    observe(variant, { cost, samples }) {
      const point = space.pointOf(variant);
      if (point === null) return;
      if (cost !== null && !observations.has(point)) history.push(cost);
      asked.set(point, Math.max(asked.get(point) ?? 0, samples, 1));
      const earlier = observations.get(point)?.cost ?? null;
      if (earlier !== null) ranked.splice(rankOf(earlier, point), 1);
      if (cost !== null) ranked.splice(rankOf(cost, point), 0, { point, variant: variantOf(point), cost, samples });
      observations.set(point, { cost, samples });
      version++;
    },
    suggest(suggested) {
      for (const variant of suggested) {
        const point = space.pointOf(variant);
        if (point !== null && !asked.has(point) && !hints.includes(point)) hints.push(point);
      }
    },
    ranking: () => ranked.slice(),
    expectedGain() {
      if (walk.remaining() === 0) return 0;
      const best = ranked[0];
      if (best === undefined) return null;
      const saving = strategy.expectedSaving?.() ?? null;
      return saving === null ? gainFromHistory(history) : Math.min(1, Math.max(0, saving * best.cost));
    },
  };
}

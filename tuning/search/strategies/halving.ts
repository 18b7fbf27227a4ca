import { startingDesign } from '../design.js';
import { USUAL_SAMPLES, type Choice, type Strategy } from '../ledger.js';
import { neighboursOf } from '../space.js';
import type { StrategyContext } from '../index.js';

/** Sample pairs of a candidate on each rung, and the share that goes up from one to the next. */
const RUNGS = [3, 9, 27] as const;
const KEEP = 1 / 3;
/** New candidates: the first follow the prior, then these shares are neighbours of the best and like the prior; the rest is random. */
const START = 12;
const NEAR_SHARE = 0.5;
const PRIOR_SHARE = 0.2;

/**
 * Successive halving over repeats: many candidates get few samples, the better third of each rung three times as many. A candidate goes
 * up as soon as it is in the best third of what its rung has seen, so that nothing waits for a rung to fill (Li et al., "A System for
 * Massively Parallel Hyperparameter Tuning", 2020).
 */
export function halving({ ledger, random, priorAt }: StrategyContext): Strategy {
  let taken = 0;

  function promotions(): readonly Choice[] {
    const found: Choice[] = [];
    for (let rung = RUNGS.length - 2; rung >= 0; rung--) {
      const seen = ledger.ranked.filter(({ samples }) => samples >= RUNGS[rung]!);
      const up = RUNGS[rung + 1]!;
      for (const { point } of seen.slice(0, Math.floor(seen.length * KEEP))) if (ledger.asked(point) < up && !found.some((choice) => choice.point === point)) found.push({ point, samples: up });
    }
    return found;
  }
  function fresh(count: number): readonly number[] {
    if (count <= 0) return [];
    if (taken < START) return startingDesign(ledger, priorAt, Math.min(count, START - taken), 0.4);
    const near = ledger.ranked.slice(0, 4).flatMap(({ point }) => neighboursOf(ledger.space, point)).filter((point) => ledger.asked(point) === 0);
    const chosen = new Set<number>();
    const liked = [...ledger.walk.peek(256)].sort((a, b) => priorAt(a) - priorAt(b)).slice(0, count);
    for (const point of ledger.walk.peek(2 * count + liked.length)) {
      if (chosen.size >= count) break;
      const draw = random();
      const other = draw < NEAR_SHARE ? near.shift() : draw < NEAR_SHARE + PRIOR_SHARE ? liked.shift() : undefined;
      chosen.add(other ?? point);
    }
    return [...chosen];
  }
  return {
    next(n) {
      const up = promotions().slice(0, Math.max(1, Math.floor(n / 2)));
      const points = fresh(n - up.length);
      taken += points.length;
      const lowest = ledger.observations.size === 0 ? USUAL_SAMPLES : RUNGS[0];
      return [...up, ...points.map((point) => ({ point, samples: lowest }))];
    },
  };
}

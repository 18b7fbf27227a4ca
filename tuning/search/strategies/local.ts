import { USUAL_SAMPLES, type Strategy } from '../ledger.js';
import { neighboursOf } from '../space.js';
import type { StrategyContext } from '../index.js';

/** Neighbours are taken around this many of the best variants. */
const ELITE = 3;

/** Neighbours of the best (one step on one axis) in turn with a uniform random sample. Needs no model and no prior. */
export function local({ ledger }: StrategyContext): Strategy {
  return {
    next(n) {
      const chosen = new Set<number>();
      const isNew = (point: number): boolean => ledger.asked(point) === 0 && !chosen.has(point);
      const near = ledger.ranked.slice(0, ELITE).flatMap(({ point }) => neighboursOf(ledger.space, point));
      const far = [...ledger.walk.peek(2 * n)];
      for (let turn = 0; chosen.size < n && near.length + far.length > 0; turn++) {
        const queue = turn % 2 === 0 && near.length > 0 ? near : far.length > 0 ? far : near;
        const point = queue.shift()!;
        if (isNew(point)) chosen.add(point);
      }
      return [...chosen].map((point) => ({ point, samples: USUAL_SAMPLES }));
    },
  };
}

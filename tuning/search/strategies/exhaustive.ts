import { USUAL_SAMPLES, type Strategy } from '../ledger.js';
import type { StrategyContext } from '../index.js';

/** Every variant once, in the order of the axes (the last varies fastest): what a second run or another machine goes through alike. */
export function exhaustive({ ledger }: StrategyContext): Strategy {
  const { space } = ledger;
  let at = 0;
  return {
    next(n) {
      const result: number[] = [];
      while (result.length < n && at < space.gridSize) {
        if (space.has(at) && ledger.asked(at) === 0) result.push(at);
        at++;
      }
      return result.map((point) => ({ point, samples: USUAL_SAMPLES }));
    },
  };
}

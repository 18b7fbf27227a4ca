import { USUAL_SAMPLES, type Strategy } from '../ledger.js';
import type { StrategyContext } from '../index.js';

/** Every variant once, in a random order: what any search must beat. */
export function random({ ledger }: StrategyContext): Strategy {
  return { next: (n) => ledger.walk.peek(n).map((point) => ({ point, samples: USUAL_SAMPLES })) };
}

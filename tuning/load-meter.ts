/**
 * Whether other work shares the processors all the time. The control does not show that: it is slowed as well, from its first sample on.
 * Counters of processor time do, but tick so coarsely that single sections of some milliseconds say little: they are summed up.
 */
import type { Conditions } from './types.js';

/** Other work and stolen time of this share of all processors is too much, and so is most of one processor: the thread that runs there is the one that all wait for. */
const TOO_MUCH = 0.2;
const MOST_OF_ONE = 0.8;
/** Sections count for less the longer ago they were: to 1 / e after this much time inside sections. */
const HORIZON_MS = 500;
/** No judgement on less than this. */
const ENOUGH_MS = 150;

export interface LoadMeter {
  add(conditions: Conditions, elapsedMs: number): void;
  loaded(): boolean;
}

export function createLoadMeter(processors: number): LoadMeter {
  let otherMs = 0;
  let totalMs = 0;
  return {
    add({ stealShare, otherShare }, elapsedMs) {
      if (stealShare === undefined && otherShare === undefined) return;
      const faded = Math.exp(-elapsedMs / HORIZON_MS);
      otherMs = otherMs * faded + ((stealShare ?? 0) + (otherShare ?? 0)) * elapsedMs;
      totalMs = totalMs * faded + elapsedMs;
    },
    loaded: () => totalMs >= ENOUGH_MS && otherMs / totalMs > Math.min(TOO_MUCH, MOST_OF_ONE / processors),
  };
}

/** What is known in a search: what was proposed, with how many samples, and what came of it. Strategies read it and decide; it decides nothing. */
import type { Observation } from './search.js';
import type { SearchSpace } from './space.js';
import type { Walk } from './walk.js';

/** Sample pairs of an ordinary evaluation. */
export const USUAL_SAMPLES = 7;

/** A point to try, with the sample pairs wanted of it in all. */
export interface Choice {
  readonly point: number;
  readonly samples: number;
}

export interface Ranked {
  readonly point: number;
  readonly cost: number;
  readonly samples: number;
}

export interface Ledger {
  readonly space: SearchSpace;
  /** Members that were not proposed yet, in random order. */
  readonly walk: Walk;
  /** Grows with every observation: tells whether a model is out of date. */
  readonly version: number;
  /** Sample pairs asked of a point so far, 0 for one that was never proposed. */
  asked(point: number): number;
  /** Every observed point, failed ones too (cost null). */
  readonly observations: ReadonlyMap<number, Observation>;
  /** Measured points, fastest first; ties by kernel id. */
  readonly ranked: readonly Ranked[];
  /** Costs in the order in which they were first measured. */
  readonly history: readonly number[];
}

/** What one way of searching decides. The default, suggestions and what was put back are handed out before it is asked. */
export interface Strategy {
  /** Up to `n` points: new ones, or proposed ones with more samples than they were asked for. */
  next(n: number): readonly Choice[];
  /** Share of the best's time that the next candidate is expected to save; null: judge by the history alone. */
  expectedSaving?(): number | null;
}

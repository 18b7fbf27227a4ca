/** How time is spent: how much there is, which problem gets the next share, and how long the rest will take. Pure: time comes from the caller's clock. */

export interface Clock {
  /** Milliseconds on a monotonic scale. */
  now(): number;
}

/** How far a run goes where no time is set. */
export const EFFORTS = ['quick', 'normal', 'exhaustive'] as const;
export type Effort = (typeof EFFORTS)[number];

/** Most candidates of one problem, as a share of its space and as a number. */
const LIMITS: Readonly<Record<Effort, { readonly share: number; readonly most: number }>> = {
  quick: { share: 0.05, most: 24 },
  normal: { share: 0.1, most: 240 },
  exhaustive: { share: 1, most: Number.POSITIVE_INFINITY },
};
/** A small space is covered whatever the effort. */
const ALWAYS = 24;

/** Candidates to try for a problem whose space has `size` variants. */
export function candidateLimit(effort: Effort, size: number): number {
  const { share, most } = LIMITS[effort];
  return Math.min(size, Math.max(ALWAYS, Math.min(most, Math.ceil(size * share))));
}

export interface ProblemShare {
  /** Share of a typical generation's time that this problem takes. */
  readonly weight: number;
  /** Share of the problem's own time that its next candidate is expected to save; null before anything is known. */
  readonly expectedGain: number | null;
  /** Time given to it so far. */
  readonly spentMs: number;
  /** Candidates that it may still try. */
  readonly remaining: number;
  /** Candidates that are being compiled or measured now. */
  readonly inFlight: number;
}

/** A search that knows nothing yet is taken to find this much; one that is done is still looked at now and then. */
const UNKNOWN_GAIN = 0.2;
const LEAST_GAIN = 0.005;

/**
 * The problem that gets the next candidates: weighted fair queueing, that is, the least time spent per weight, where the weight is the
 * root of call frequency × time × expected gain (its root, since later candidates bring less and light problems should not be left with
 * their default). Problems with candidates in flight wait unless all have some: their next proposals should know the results. Null when none has any left.
 */
export function pickProblem(problems: readonly ProblemShare[]): number | null {
  let best: { readonly index: number; readonly rank: readonly [number, number] } | null = null;
  problems.forEach((problem, index) => {
    if (problem.remaining <= 0 || problem.weight <= 0) return;
    const worth = Math.sqrt(problem.weight * Math.max(LEAST_GAIN, problem.expectedGain ?? UNKNOWN_GAIN));
    const rank = [problem.inFlight, problem.spentMs / worth] as const;
    if (best === null || rank[0] < best.rank[0] || (rank[0] === best.rank[0] && rank[1] < best.rank[1])) best = { index, rank };
  });
  return (best as { readonly index: number } | null)?.index ?? null;
}

/** A running mean that favours the recent: `expected` until something was observed. */
export interface Estimate {
  readonly value: number;
  observe(value: number): void;
}

export function createEstimate(expected: number, memory = 0.7): Estimate {
  let value = expected;
  let seen = false;
  return {
    get value() {
      return value;
    },
    observe(next) {
      value = seen ? value * memory + next * (1 - memory) : next;
      seen = true;
    },
  };
}

/** Milliseconds until a run is over: what is left to try at what a candidate costs, or the end of the budget if that comes first. */
export function etaMs(candidatesLeft: number, candidateMs: number, finalsMs: number, budgetLeftMs: number): number {
  return Math.max(0, Math.min(budgetLeftMs, candidatesLeft * candidateMs + finalsMs));
}

/** How a time budget is spread: over rounds, and within a round over problems. Pure: time comes from the caller's clock. */

export interface Clock {
  /** Milliseconds on a monotonic scale. */
  now(): number;
}

export interface ProblemShare {
  /** Expected gain: seconds of a typical generation that this problem takes, times how much choice there is. */
  readonly weight: number;
  /** Candidates that can still be proposed. */
  readonly remaining: number;
  /** Time given to it so far. */
  readonly spentMs: number;
  /** Expected time for one more candidate: compile, verify, measure. */
  readonly candidateMs: number;
  /** Whether its default variant has been measured: until then it comes first, at this cost. */
  readonly started: boolean;
  readonly firstMs: number;
}

/**
 * Candidates for each problem in a round of `availableMs`. Weighted fair queueing: the next candidate goes to the problem with the
 * least time spent per weight. A problem that has not started gets its default variant even if the time does not cover it, since a
 * library without it would be incomplete.
 */
export function planRound(problems: readonly ProblemShare[], availableMs: number): readonly number[] {
  const counts: number[] = problems.map((problem) => (!problem.started && problem.remaining > 0 ? 1 : 0));
  let left = availableMs - problems.reduce((sum, problem, i) => sum + (counts[i] ?? 0) * problem.firstMs, 0);
  for (;;) {
    let next = -1;
    let lowest = Number.POSITIVE_INFINITY;
    problems.forEach((problem, i) => {
      const planned = counts[i] ?? 0;
      if (planned >= problem.remaining || problem.candidateMs > left || problem.weight <= 0) return;
      const used = (problem.spentMs + planned * problem.candidateMs) / problem.weight;
      if (used < lowest) [next, lowest] = [i, used];
    });
    const chosen = problems[next];
    if (chosen === undefined) return counts;
    counts[next] = (counts[next] ?? 0) + 1;
    left -= Math.max(chosen.candidateMs, 1e-3);
  }
}

/** Share of the remaining time that the next round may take: early rounds leave time to follow what they find; the last takes all. */
export const ROUND_SHARE = 0.45;
/** Below this share of the whole budget the rest is one last round. */
export const LAST_ROUND_SHARE = 0.2;

export function roundTime(budgetMs: number, remainingMs: number, finalsMs: number): number {
  const available = Math.max(0, remainingMs - finalsMs);
  return remainingMs <= budgetMs * LAST_ROUND_SHARE ? available : available * ROUND_SHARE;
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

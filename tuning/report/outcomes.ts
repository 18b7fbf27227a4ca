/** Outcomes by state, and messages put together that differ only in their numbers. */
import { OUTCOME_STATES, isMeasured, type CandidateOutcome, type OutcomeState } from '../types.js';
import type { CandidateDetail, ConvergencePoint, MessageGroup, OutcomeCounts } from './types.js';

/** What a state means to a reader. */
export const STATE_MEANINGS: Readonly<Record<OutcomeState, string>> = {
  ok: 'right and measured',
  'too-slow': 'right, given up early',
  'compile-failed': 'refused by the compiler or the loader',
  spills: 'keeps registers in memory: not measured',
  wrong: 'results beyond the error bound, unwritten, or different between runs',
  'out-of-bounds': 'wrote beside a buffer',
  crashed: 'its process died, or the device reported a fault',
  'timed-out': 'stopped at the time limit',
};

export const isFailed = (state: CandidateOutcome['state']): boolean => !isMeasured({ state } as CandidateOutcome);

export function countOutcomes(candidates: readonly Pick<CandidateDetail, 'state'>[]): OutcomeCounts {
  const counts = Object.fromEntries(OUTCOME_STATES.map((state) => [state, 0])) as Record<OutcomeState, number>;
  for (const { state } of candidates) counts[state]++;
  return counts;
}

export function addOutcomes(all: readonly OutcomeCounts[]): OutcomeCounts {
  return Object.fromEntries(OUTCOME_STATES.map((state) => [state, all.reduce((sum, counts) => sum + counts[state], 0)])) as unknown as OutcomeCounts;
}

/** Messages of failed candidates, the most frequent first. */
export function groupMessages(candidates: readonly { readonly candidate: CandidateDetail; readonly problem: string }[]): readonly MessageGroup[] {
  const groups = new Map<string, { group: MessageGroup; count: number }>();
  for (const { candidate, problem } of candidates) {
    const { state, message, kernelId } = candidate;
    if (!isFailed(state)) continue;
    const key = `${state}\u0000${withoutNumbers(message)}`;
    const found = groups.get(key);
    if (found === undefined) groups.set(key, { group: { state, message, count: 1, kernelId, problem }, count: 1 });
    else found.count++;
  }
  return [...groups.values()].map(({ group, count }) => ({ ...group, count })).sort((a, b) => b.count - a.count || (a.message < b.message ? -1 : 1));
}

/** Groups of several problems as one list: equal ones add up. */
export function addMessages(groups: readonly MessageGroup[]): readonly MessageGroup[] {
  const sums = new Map<string, MessageGroup>();
  for (const group of groups) {
    const key = `${group.state}\u0000${withoutNumbers(group.message)}`;
    const found = sums.get(key);
    sums.set(key, found === undefined ? group : { ...found, count: found.count + group.count });
  }
  return [...sums.values()].sort((a, b) => b.count - a.count || (a.message < b.message ? -1 : 1));
}

const withoutNumbers = (message: string): string => message.replace(/0x[0-9a-f]+|[0-9a-f]{16,}|\d+(\.\d+)?(e[+-]?\d+)?/gi, '#').slice(0, 300);

/** The best ratio against candidates tried and against time spent, in the order in which they were tried: a point for each improvement, and the end. */
export function convergenceOf(inOrder: readonly CandidateDetail[]): readonly ConvergencePoint[] {
  const points: ConvergencePoint[] = [];
  let best: { ratio: number; kernelId: string } | null = null;
  let seconds = 0;
  inOrder.forEach(({ ratio, kernelId, state, compileMs, evaluateMs }, i) => {
    seconds += ((compileMs ?? 0) + (evaluateMs ?? 0)) / 1000;
    // Given up early: its few samples are no match for the best.
    const improved = state === 'ok' && ratio !== null && (best === null || ratio < best.ratio);
    if (improved) best = { ratio, kernelId };
    if (best !== null && (improved || i === inOrder.length - 1)) points.push({ tried: i + 1, seconds, best: best.ratio, kernelId: best.kernelId });
  });
  return points;
}

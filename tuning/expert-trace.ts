/** Expert lists of recorded generations as inputs of measurements. The file's format is the runtime's: runtime/griffin/expert-trace.ts. */
import type { Problem } from '../generator/types.js';
import type { ExpertTrace } from '../runtime/griffin/expert-trace.js';
import { seededRandom, seedFrom, shuffled } from './statistics.js';

export { appendExpertTrace, expertTraceKey as traceKey, readExpertTrace, type ExpertTrace } from '../runtime/griffin/expert-trace.js';

/** Whether a problem reads expert lists over as many neurons as the trace's model has. Packed feed-forward problems read none. */
export function expertTraceFits(trace: ExpertTrace, problem: Problem): boolean {
  const { k = 0, intermediate, dense = 0, layers } = problem.dims;
  return intermediate === trace.intermediate && k > 0 && dense === 0 && layers === undefined;
}

/** The list for a copy of a tensor: `copy` counts from 0. */
export type RecordedLists = (copy: number, k: number) => Int32Array;

/** The trace's lists in a random order that depends on `seed` alone, again from the start when they are used up. */
export function recordedLists(trace: ExpertTrace, seed: number): RecordedLists {
  const lists = shuffled(
    trace.generations.flatMap(({ layers }) => layers),
    seededRandom(seedFrom('recorded experts', seed)),
  );
  return (copy, k) => adaptList(lists[copy % lists.length] ?? [], trace.intermediate, k, seededRandom(seedFrom(`experts to add ${copy}`, seed)));
}

/**
 * A list of k from one of another length: fewer are an even selection of its own, more are filled up with neurons drawn uniformly from
 * the rest. Ascending, without duplicates.
 */
export function adaptList(list: readonly number[], count: number, k: number, random: () => number): Int32Array {
  if (k < 0 || k > count) throw new RangeError(`cannot choose ${k} of ${count} indices`);
  if (k <= list.length) return Int32Array.from({ length: k }, (_, i) => list[Math.floor((i * list.length) / k)] ?? 0);
  const chosen = new Uint8Array(count);
  for (const index of list) chosen[index] = 1;
  // Selection sampling over those that are not chosen yet, as in index-lists.ts.
  let left = k - list.length;
  let rest = count - list.length;
  const result = new Int32Array(k);
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (chosen[index] !== 1) {
      const taken = left > 0 && random() * rest < left;
      rest--;
      if (!taken) continue;
      left--;
    }
    result[at++] = index;
  }
  return result;
}

/** Where a search begins beside the default: at what was good for neighbouring shapes, in earlier runs, on other devices. */
import { parseKernelId } from '../generator/ids.js';
import type { Variant } from '../generator/types.js';
import type { Evidence } from './journal/evidence.js';
import { ratios } from './measure.js';
import type { ProblemState } from './problem-state.js';
import { median } from './statistics.js';
import { isMeasured, type CandidateOutcome } from './types.js';

/** Kernels that are suggested per problem of the journals. */
const PER_PROBLEM = 2;
/** And in all: more would be a search of its own. */
const MOST = 6;

/**
 * The best kernels of the problem's form over all problems, devices, compilers and regimes that the journals know, best first. Results
 * for the very same key are not seeds: the journal answers those itself.
 */
export function seedsFor(state: ProblemState, evidence: Evidence): readonly Variant[] {
  const prefix = `${state.formId}__`;
  const groups = new Map<string, { readonly kernelId: string; readonly ratio: number }[]>();
  for (const { key, outcome } of evidence.candidates()) {
    if (!key.kernelId.startsWith(prefix) || !isMeasured(outcome)) continue;
    const group = `${key.problem} ${key.deviceKey} ${key.compiler} ${key.regime}`;
    const entries = groups.get(group) ?? [];
    groups.set(group, entries);
    entries.push({ kernelId: key.kernelId, ratio: ratioOf(outcome) });
  }
  const best = new Map<string, number>();
  for (const entries of groups.values()) {
    for (const { kernelId, ratio } of entries.sort((a, b) => a.ratio - b.ratio).slice(0, PER_PROBLEM)) {
      if (ratio < 1) best.set(kernelId, Math.min(ratio, best.get(kernelId) ?? 1));
    }
  }
  return [...best]
    .sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1))
    .slice(0, MOST)
    .flatMap(([kernelId]) => variantOf(state, kernelId));
}

function ratioOf(outcome: Extract<CandidateOutcome, { samplesNs: readonly number[] }>): number {
  return median(ratios(outcome.samplesNs, outcome.referenceNs));
}

/** None where the templates have changed and the id is not one of today's. */
function variantOf(state: ProblemState, kernelId: string): readonly Variant[] {
  try {
    return [parseKernelId(kernelId, [state.family])];
  } catch {
    return [];
  }
}

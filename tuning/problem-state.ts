/** What the tuner knows about one problem while it works on it. */
import { formId, type Form } from '../generator/ids.js';
import { rawSize } from '../generator/space.js';
import type { Family, Isa, Variant } from '../generator/types.js';
import type { Decision } from './decide.js';
import { expectedTime } from './problems.js';
import { ratios } from './measure.js';
import type { Roof } from './roof.js';
import { createSearch, type Search } from './search.js';
import { median, seedFrom } from './statistics.js';
import { candidateId, isVendor, vendorVariant, type VendorInfo } from './vendor.js';
import { isMeasured, problemKey, type CandidateOutcome, type OutcomeState, type TuningProblem } from './types.js';

export interface TriedCandidate {
  readonly variant: Variant;
  readonly kernelId: string;
  readonly outcome: CandidateOutcome;
  /** The outcome was in the journal or known from another problem of the form: nothing was run. */
  readonly reused: boolean;
}

export interface FinalResult {
  readonly decision: Decision;
  readonly winner: Variant;
  readonly finalists: number;
  /** The machine's limits in the same rounds, or null when the final had no control. */
  readonly roof: Roof | null;
}

export interface ProblemState {
  readonly tuning: TuningProblem;
  readonly key: string;
  readonly family: Family;
  readonly form: Form;
  readonly formId: string;
  readonly search: Search;
  readonly defaultId: string;
  /** The kernel of a vendor's library for this problem, or null. The search does not know of it. */
  readonly vendor: Variant | null;
  /** Share of the budget: see `createProblemState`. */
  readonly weight: number;
  readonly tried: Map<string, TriedCandidate>;
  spentMs: number;
  final: FinalResult | null;
  /** Kernel ids of the last final: the same finalists need no second one. */
  finalOf: string;
  /** Why the problem cannot be tuned: its default variant failed. */
  failure: string | null;
}

/** `capability`: of a GPU, whose limits decide which variants there are. */
export function createProblemState(tuning: TuningProblem, family: Family, isa: Isa, seed: number, capability?: number, vendor?: VendorInfo): ProblemState {
  const form: Form = { family: family.name, params: tuning.problem.params, isa };
  const id = formId(form, family);
  const theirs = vendorVariant(family, form.params);
  const search = createSearch({ form, family, dims: tuning.problem.dims, seed: seedFrom(id, seed), ...(capability === undefined ? {} : { capability }) });
  return {
    tuning,
    key: problemKey(tuning.problem),
    family,
    form,
    formId: id,
    search,
    defaultId: candidateId(search.defaultVariant, family),
    vendor: vendor?.kernelIds.includes(candidateId(theirs, family)) === true ? theirs : null,
    // Time at stake times choice; its root, since later candidates bring less and light problems should not be left with their default.
    weight: Math.sqrt(expectedTime(family, tuning) * Math.min(1, Math.log2(1 + rawSize(family, isa)) / 5)),
    tried: new Map(),
    spentMs: 0,
    final: null,
    finalOf: '',
    failure: null,
  };
}

/** Records an outcome and what the search learns from it: median of candidate / default. */
export function recordOutcome(state: ProblemState, variant: Variant, outcome: CandidateOutcome, reused: boolean): void {
  const id = candidateId(variant, state.family);
  state.tried.set(id, { variant, kernelId: id, outcome, reused });
  if (!isVendor(variant)) state.search.observe(variant, outcome.state === 'ok' ? costOf(outcome) : null);
  if (id === state.defaultId && outcome.state !== 'ok') state.failure = `the default variant is ${outcome.state}: ${outcome.message}`;
}

function costOf(outcome: CandidateOutcome): number | null {
  return isMeasured(outcome) ? median(ratios(outcome.samplesNs, outcome.referenceNs)) : null;
}

/** The best of candidate / default so far, or null before anything was measured. */
export function bestRatio(state: ProblemState): number | null {
  return state.search.ranking()[0]?.cost ?? null;
}

/** The default, up to `challengers` of the fastest others, and a vendor's kernel that is right and not hopelessly slow. */
export function finalistsOf(state: ProblemState, challengers: number): readonly Variant[] {
  const others = state.search.ranking().filter(({ variant }) => candidateId(variant, state.family) !== state.defaultId);
  const vendor = state.vendor !== null && state.tried.get(candidateId(state.vendor, state.family))?.outcome.state === 'ok' ? [state.vendor] : [];
  return [state.search.defaultVariant, ...others.slice(0, challengers).map(({ variant }) => variant), ...vendor];
}

export function countStates(states: readonly ProblemState[]): Readonly<Partial<Record<OutcomeState, number>>> {
  const counts: Partial<Record<OutcomeState, number>> = {};
  for (const state of states) for (const { outcome } of state.tried.values()) counts[outcome.state] = (counts[outcome.state] ?? 0) + 1;
  return counts;
}

/** What the tuner knows about one problem while it works on it. */
import { formId, type Form } from '../generator/ids.js';
import { rawSize } from '../generator/space.js';
import type { Family, Isa, Variant } from '../generator/types.js';
import { candidateLimit, type Effort } from './budget.js';
import type { Decision } from './decide.js';
import { expectedTime } from './problems.js';
import { ratios } from './measure.js';
import { restrictFamily, type Restriction } from './restrict.js';
import type { Roof } from './roof.js';
import { createSearch, type StrategyName } from './search/index.js';
import type { Search } from './search/search.js';
import { median, seedFrom } from './statistics.js';
import { candidateId, isVendor, vendorVariant, type VendorInfo } from './vendor.js';
import { isMeasured, problemKey, type CandidateFacts, type CandidateOutcome, type OutcomeState, type TuningProblem } from './types.js';

export interface TriedCandidate {
  readonly variant: Variant;
  readonly kernelId: string;
  readonly outcome: CandidateOutcome;
  readonly facts: CandidateFacts;
  /** The outcome was in the journal or known from another problem of the form: nothing was run. */
  readonly reused: boolean;
}

export interface FinalResult {
  readonly decision: Decision;
  readonly winner: Variant;
  readonly finalists: number;
  /** The machine's limits in the same rounds, or null when the final had no control. */
  readonly roof: Roof | null;
  /** The machine did not come to rest while it was decided. */
  readonly dirty: boolean;
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
  /** Nanoseconds of a typical token that this problem is expected to take, times how much choice there is. */
  readonly weight: number;
  /** Most candidates that the effort allows. */
  readonly limit: number;
  readonly tried: Map<string, TriedCandidate>;
  spentMs: number;
  /** Candidates that are being compiled or measured. */
  inFlight: number;
  /** The search has nothing more to propose. */
  exhausted: boolean;
  final: FinalResult | null;
  /** Kernel ids of the last final: the same finalists need no second one. */
  finalOf: string;
  /** The best candidate / default when the last final was run. */
  finalRatio: number;
  /** Kernels that lost against the default on held-out contents: they are no finalists any more. */
  readonly rejected: Set<string>;
  /** Why the problem cannot be tuned: its default variant failed. */
  failure: string | null;
}

export interface ProblemStateOptions {
  readonly seed: number;
  readonly strategy: StrategyName;
  readonly effort: Effort;
  /** Of a GPU, whose limits decide which variants there are. */
  readonly capability?: number;
  readonly vendor?: VendorInfo;
  readonly shard?: { readonly index: number; readonly of: number };
  readonly restriction?: Restriction;
}

export function createProblemState(tuning: TuningProblem, family: Family, isa: Isa, options: ProblemStateOptions): ProblemState {
  const { seed, strategy, effort, capability, vendor, shard, restriction } = options;
  const form: Form = { family: family.name, params: tuning.problem.params, isa };
  const id = formId(form, family);
  const theirs = vendorVariant(family, form.params);
  const searched = restriction === undefined ? family : restrictFamily(family, isa, form.params, restriction);
  const search = createSearch(
    { form, family: searched, dims: tuning.problem.dims, ...(capability === undefined ? {} : { capability }), ...(shard === undefined ? {} : { shard }) },
    { strategy, seed: seedFrom(id, seed) },
  );
  const raw = rawSize(searched, isa);
  return {
    tuning,
    key: problemKey(tuning.problem),
    family,
    form,
    formId: id,
    search,
    defaultId: candidateId(search.defaultVariant, family),
    vendor: vendor?.kernelIds.includes(candidateId(theirs, family)) === true ? theirs : null,
    weight: expectedTime(family, tuning) * Math.min(1, Math.log2(1 + raw) / 5),
    limit: candidateLimit(effort, raw),
    tried: new Map(),
    spentMs: 0,
    inFlight: 0,
    exhausted: false,
    final: null,
    finalOf: '',
    finalRatio: 1,
    rejected: new Set(),
    failure: null,
  };
}

/** Records an outcome and what the search learns from it: median of candidate / default, over so many pairs of samples. */
export function recordOutcome(state: ProblemState, variant: Variant, outcome: CandidateOutcome, facts: CandidateFacts, reused: boolean, leastSamples = 0): void {
  const id = candidateId(variant, state.family);
  state.tried.set(id, { variant, kernelId: id, outcome, facts, reused });
  const samples = isMeasured(outcome) ? outcome.samplesNs.length : 0;
  if (!isVendor(variant)) state.search.observe(variant, { cost: costOf(outcome), samples: Math.max(samples, leastSamples) });
  if (id === state.defaultId && outcome.state !== 'ok') state.failure = `the default variant is ${outcome.state}: ${outcome.message}`;
}

export function costOf(outcome: CandidateOutcome): number | null {
  return isMeasured(outcome) ? median(ratios(outcome.samplesNs, outcome.referenceNs)) : null;
}

/** The best of candidate / default so far, or null before anything was measured. */
export function bestRatio(state: ProblemState): number | null {
  return state.search.ranking()[0]?.cost ?? null;
}

/** Until the default variant has shown how long a problem takes, it may take this long: a problem without its default cannot be tuned. */
const DEFAULT_LIMIT_MS = 120_000;
/** What is right may take this many times as long as the default did: it is verified and measured alike. */
const PATIENCE = 4;

/** Milliseconds after which a candidate counts as hung: `usual`, or more where even the default takes long. */
export function limitOf(state: ProblemState, usual: number): number {
  const tried = state.tried.get(state.defaultId);
  if (tried === undefined) return Math.max(usual, DEFAULT_LIMIT_MS);
  return Math.max(usual, PATIENCE * (tried.facts.evaluateMs ?? 0));
}

/** Candidates that may still be tried. */
export function remainingCandidates(state: ProblemState): number {
  if (state.failure !== null || state.exhausted) return 0;
  const beside = state.vendor !== null && state.tried.has(candidateId(state.vendor, state.family)) ? 1 : 0;
  return Math.max(0, Math.min(state.limit - (state.tried.size - beside), state.search.remaining()) - state.inFlight);
}

/** A challenger that was measured at more than this of the default's time is not asked into a final: few pairs of samples do not err by that much more. */
const CONTENDER = 1.02;

/** The default, up to `challengers` of the fastest others that may beat it, and a vendor's kernel that is right and not hopelessly slow. */
export function finalistsOf(state: ProblemState, challengers: number): readonly Variant[] {
  const isEligible = (variant: Variant): boolean => {
    const id = candidateId(variant, state.family);
    const tried = state.tried.get(id);
    return id !== state.defaultId && !state.rejected.has(id) && tried?.outcome.state === 'ok' && tried.facts.sameCodeAs === undefined;
  };
  const others = state.search.ranking().filter(({ variant, cost }) => cost <= CONTENDER && isEligible(variant));
  const vendor = state.vendor !== null && isEligible(state.vendor) ? [state.vendor] : [];
  return [state.search.defaultVariant, ...others.slice(0, challengers).map(({ variant }) => variant), ...vendor];
}

export function countStates(states: readonly ProblemState[]): Readonly<Partial<Record<OutcomeState, number>>> {
  const counts: Partial<Record<OutcomeState, number>> = {};
  for (const state of states) for (const { outcome } of state.tried.values()) counts[outcome.state] = (counts[outcome.state] ?? 0) + 1;
  return counts;
}

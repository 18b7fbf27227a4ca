/** One candidate of one problem, from a proposal to a line in the journal: what is known of it, what must be measured, and what equals another. */
import type { Variant } from '../generator/types.js';
import type { TunerContext } from './context.js';
import type { KnownCandidate } from './journal/evidence.js';
import type { BuiltKernel } from './kernel-builder.js';
import { bestRatio, limitOf, recordOutcome, type ProblemState } from './problem-state.js';
import type { Proposal } from './search/search.js';
import { candidateId } from './vendor.js';
import { isMeasured, type CandidateFacts, type CandidateOutcome, type ResultKey } from './types.js';

export interface CandidateRunner {
  keyOf(state: ProblemState, variant: Variant): ResultKey;
  /** Records what the journal or another problem of the form answers; returns whether there is nothing left to run. */
  answered(state: ProblemState, proposal: Proposal): boolean;
  /** Compiles (or waits for it), verifies and measures. Rejects with AbortedError and with what is not the candidate's fault. */
  run(state: ProblemState, proposal: Proposal): Promise<void>;
  /** A failure that came out later than in its own evaluation, e.g. in a final. */
  fail(state: ProblemState, variant: Variant, outcome: CandidateOutcome): void;
  /** The binary of a variant, compiled if need be. */
  binaryOf(state: ProblemState, variant: Variant): Promise<BuiltKernel>;
}

export function createCandidateRunner(context: TunerContext, onRetaken: (pairs: number) => void): CandidateRunner {
  const { builder, journal, worker } = context;
  /** Kernel id → outcome that holds for every problem of the form: failed there. And those that passed the form's ragged shapes. */
  const condemned = new Map<string, CandidateOutcome>();
  const verified = new Set<string>();
  /** Problem and kernel ids that were verified together in this run: a second evaluation only takes more samples. */
  const verifiedHere = new Set<string>();
  /** Per problem, machine code → the kernel that was measured with it. */
  const byCode = new Map<ProblemState, Map<string, string>>();

  function keyOf(state: ProblemState, variant: Variant): ResultKey {
    return {
      problem: state.key,
      kernelId: candidateId(variant, state.family),
      sourceHash: builder.sourceHash(variant, state.family),
      deviceKey: context.info.identity.key,
      compiler: builder.compiler,
      regime: context.regime,
    };
  }

  function learn(state: ProblemState, id: string, outcome: CandidateOutcome): void {
    if (isMeasured(outcome)) verified.add(id);
    else if (!condemned.has(id)) condemned.set(id, { state: outcome.state, message: `known from ${state.key}: ${outcome.message}` });
  }

  /** What is known without running anything, or null. */
  function lookUp(state: ProblemState, variant: Variant): Pick<KnownCandidate, 'outcome' | 'facts'> | null {
    const id = candidateId(variant, state.family);
    // Without its default a problem cannot be tuned at all, and that one has been verified often: rather the machine was to blame.
    const isTriedAgain = ({ outcome, quarantined }: KnownCandidate): boolean =>
      (id === state.defaultId && (outcome.state === 'crashed' || outcome.state === 'timed-out')) || (quarantined && context.retryQuarantined);
    const elsewhere = condemned.get(id);
    try {
      const known = journal.known(keyOf(state, variant));
      // A compiler may have failed for want of memory or disk; asking it again is cheap.
      if (known !== null && known.outcome.state !== 'compile-failed' && !isTriedAgain(known)) return known;
    } catch (error) {
      return { outcome: { state: 'compile-failed', message: `cannot be rendered: ${error instanceof Error ? error.message : String(error)}` }, facts: {} };
    }
    return elsewhere === undefined ? null : { outcome: elsewhere, facts: {} };
  }

  function remember(state: ProblemState, code: string | undefined, id: string): void {
    if (code === undefined) return;
    const known = byCode.get(state) ?? new Map<string, string>();
    byCode.set(state, known);
    if (!known.has(code)) known.set(code, id);
  }

  /** The outcome of a kernel of the same machine code at this problem, in this run or an earlier one. */
  function twin(state: ProblemState, key: ResultKey, code: string): { readonly kernelId: string; readonly outcome: CandidateOutcome } | null {
    const other = byCode.get(state)?.get(code);
    const tried = other === undefined || other === key.kernelId ? undefined : state.tried.get(other);
    if (tried !== undefined) return { kernelId: tried.kernelId, outcome: tried.outcome };
    const known = journal.knownByCode(key, code);
    return known === null || known.key.kernelId === key.kernelId ? null : { kernelId: known.key.kernelId, outcome: known.outcome };
  }

  async function binaryOf(state: ProblemState, variant: Variant): Promise<BuiltKernel> {
    const built = await builder.build([{ variant, family: state.family }], context.signal);
    return built.get(candidateId(variant, state.family)) ?? { ok: false, message: 'was not compiled' };
  }

  return {
    keyOf,
    binaryOf,
    answered(state, { variant, samples }) {
      const known = lookUp(state, variant);
      if (known === null) return false;
      const id = candidateId(variant, state.family);
      learn(state, id, known.outcome);
      const enough = !isMeasured(known.outcome) || known.outcome.state === 'too-slow' || known.outcome.samplesNs.length >= samples || known.facts.sameCodeAs !== undefined;
      recordOutcome(state, variant, known.outcome, known.facts, true, enough ? samples : 0);
      if (isMeasured(known.outcome) && known.facts.sameCodeAs === undefined) remember(state, known.facts.machineCode, id);
      return enough;
    },
    async run(state, { variant, samples }) {
      const id = candidateId(variant, state.family);
      const elsewhere = condemned.get(id); // in the meantime: proposals are made ahead
      if (elsewhere !== undefined) {
        recordOutcome(state, variant, elsewhere, {}, true);
        return;
      }
      const key = keyOf(state, variant);
      const candidate = await binaryOf(state, variant);
      if (!candidate.ok) {
        conclude({ state: candidate.reason === 'spills' ? 'spills' : 'compile-failed', message: candidate.message }, {});
        return;
      }
      const facts: CandidateFacts = { machineCode: candidate.machineCode, resources: candidate.resources, compileMs: candidate.compileMs };
      const same = twin(state, key, candidate.machineCode);
      if (same !== null) {
        conclude({ ...same.outcome, message: `same machine code as ${same.kernelId}: ${same.outcome.message}` }, { ...facts, sameCodeAs: same.kernelId });
        return;
      }
      const standard = await binaryOf(state, state.search.defaultVariant);
      if (!standard.ok) {
        conclude({ state: 'compile-failed', message: `the default variant: ${standard.message}` }, {});
        return;
      }
      const before = journal.known(key)?.outcome;
      const have = before !== undefined && isMeasured(before) ? before.samplesNs.length : 0;
      const from = context.clock.now();
      journal.started(key);
      try {
        const reply = await worker.evaluate(
          {
            problem: state.tuning.problem,
            candidate: candidate.binary,
            standard: standard.binary,
            formVerified: verified.has(id),
            verified: verifiedHere.has(`${state.key} ${id}`),
            bestRatio: bestRatio(state),
            samples: Math.max(1, samples - have),
            control: context.probes.control,
            seed: context.seed,
          },
          limitOf(state, context.candidateLimitMs),
        );
        onRetaken(reply.retaken);
        conclude(reply.outcome, {
          ...facts,
          evaluateMs: context.clock.now() - from,
          ...(reply.conditions === null ? {} : { conditions: reply.conditions }),
          ...(reply.retaken > 0 ? { retaken: reply.retaken } : {}),
          ...(reply.dirty ? { dirty: true } : {}),
        });
      } catch (error) {
        // Stopped, or a failure that is not the candidate's: it must not be quarantined.
        journal.abandoned(key);
        throw error;
      }

      function conclude(outcome: CandidateOutcome, known: CandidateFacts): void {
        journal.outcome(key, outcome, known);
        const pooled = journal.known(key) ?? { outcome, facts: known };
        recordOutcome(state, variant, pooled.outcome, { ...pooled.facts, ...known }, false, samples);
        learn(state, id, outcome);
        if (!isMeasured(outcome)) return;
        verifiedHere.add(`${state.key} ${id}`);
        if (known.sameCodeAs === undefined) remember(state, known.machineCode, id);
      }
    },
    fail(state, variant, outcome) {
      journal.outcome(keyOf(state, variant), outcome, {});
      recordOutcome(state, variant, outcome, {}, false);
      learn(state, candidateId(variant, state.family), outcome);
    },
  };
}

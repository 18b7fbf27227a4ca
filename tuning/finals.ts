/**
 * Who wins a problem. Interleaved rounds among the default and the best challengers; then the one in front must prove itself once more:
 * its binary, as the library will ship it, is verified again with other contents, and must beat the default on a replayed plan over
 * contents that the search never saw. One that does not is out, and the next is asked. Every sample is a line of the journal, and the decision
 * is a function of the journal, so that a later run, or a merge of several machines' journals, decides alike.
 */
import { join } from 'node:path';
import { parseKernelId } from '../generator/ids.js';
import type { Variant } from '../generator/types.js';
import type { CandidateRunner } from './candidates.js';
import type { TunerContext, TuningResult } from './context.js';
import { decide } from './decide.js';
import { decideFromEvidence, type EvidenceDecision } from './decide-evidence.js';
import { finalistsOf, limitOf, type FinalResult, type ProblemState } from './problem-state.js';
import type { FinalReply } from './protocol.js';
import { roofDuring, type Roof } from './roof.js';
import { median } from './statistics.js';
import { isMeasured, type CandidateOutcome, type KernelBinary, type KernelResources, type ResultKey } from './types.js';
import { candidateId, isVendor, isVendorId } from './vendor.js';
import { oracleProblem } from './verify.js';

/** Challengers of a final, beside the default and a vendor's kernel. */
const CHALLENGERS = 3;
const FINAL_ROUNDS = 15;
const HELD_OUT_ROUNDS = 15;
/** A final may take so many times as long as a candidate: more kernels, more rounds, and rounds that are taken again. */
const FINAL_PATIENCE = 5;
/** Contents that the search does not see. */
const HELD_OUT_SEED = 0x5eed;

export interface Finals {
  /** Runs what is needed for a decision on what was tried so far, if that has changed. Returns whether anything was run. */
  settle(state: ProblemState): Promise<boolean>;
  /** Whether `settle` has something to do. */
  isDue(state: ProblemState): boolean;
  /** Whether `settle` would run a final: not where only the default is left. */
  takesTime(state: ProblemState): boolean;
  /** Who wins without any new final: the winner on record, else the default. Null when the default was not measured. */
  standing(state: ProblemState): Promise<FinalResult | null>;
}

type Entrant = { readonly variant: Variant; readonly binary: KernelBinary; readonly facts: { readonly machineCode: string; readonly resources: KernelResources } };

/** The result of a problem where nothing but the default variant has a claim. */
function onlyDefault(state: ProblemState): FinalResult | null {
  const tried = state.tried.get(state.defaultId);
  if (tried === undefined || !isMeasured(tried.outcome)) return null;
  const { samplesNs } = tried.outcome;
  const alone = decide([{ kernelId: state.defaultId, samplesNs, referenceNs: samplesNs }], state.defaultId);
  const others = state.tried.size - 1;
  const decision = others === 0 ? alone : { ...alone, reason: `none of ${others} other variants came near the default` };
  return { decision, winner: state.search.defaultVariant, finalists: 1, roof: null, dirty: tried.facts.dirty === true };
}

export function createFinals(context: TunerContext, runner: CandidateRunner, result: TuningResult, onFinal: (state: ProblemState, finalists: number) => void): Finals {
  const { worker, journal, probes, writer } = context;

  const idOf = (state: ProblemState, variant: Variant): string => candidateId(variant, state.family);
  const signature = (state: ProblemState): string => finalistsOf(state, CHALLENGERS).map((variant) => idOf(state, variant)).join(' ');

  /** The compiled finalists. Null when the default cannot be compiled. */
  async function enter(state: ProblemState, variants: readonly Variant[]): Promise<readonly Entrant[] | null> {
    const entrants: Entrant[] = [];
    for (const variant of variants) {
      const built = await runner.binaryOf(state, variant);
      if (built.ok) entrants.push({ variant, binary: built.binary, facts: { machineCode: built.machineCode, resources: built.resources } });
    }
    if (entrants[0] !== undefined && idOf(state, entrants[0].variant) === state.defaultId) return entrants;
    state.failure = 'the default variant does not compile';
    return null;
  }

  /** Rounds in which all entrants take turns; a kernel that kills the worker is failed and the reply is null. */
  async function compete(state: ProblemState, entrants: readonly Entrant[], stage: 'final' | 'held-out'): Promise<FinalReply | null> {
    const held = stage === 'held-out';
    const seed = held ? context.seed ^ HELD_OUT_SEED : context.seed;
    onFinal(state, entrants.length);
    await worker.prepare(state.tuning.problem, seed);
    const outcome = await worker.final(
      {
        problem: state.tuning.problem,
        kernels: entrants.map(({ binary }) => binary),
        control: probes.control,
        rounds: held ? HELD_OUT_ROUNDS : FINAL_ROUNDS,
        seed,
        launch: held ? 'replay' : 'rotation',
      },
      FINAL_PATIENCE * limitOf(state, context.candidateLimitMs),
    );
    if (outcome.state !== 'ok') {
      const culprit = entrants.find(({ binary }) => binary.kernelId === outcome.kernelId)?.variant ?? state.search.defaultVariant;
      runner.fail(state, culprit, { state: outcome.state, message: outcome.message });
      return null;
    }
    const { reply } = outcome;
    result.retaken += reply.retaken;
    if (reply.controlNs.length > 0) result.controlNs.push(median(reply.controlNs));
    journal.final({
      stage,
      defaultId: state.defaultId,
      kernels: entrants.map(({ variant, facts }, i) => ({ key: runner.keyOf(state, variant), samplesNs: reply.samplesNs[i] ?? [], ...facts })),
      controlNs: reply.controlNs,
      retaken: reply.retaken,
      dirty: reply.dirty,
      conditions: reply.conditions,
    });
    return reply;
  }

  /** The binary in its place in the library, verified anew. Null when it is right. */
  async function verifyShipped(state: ProblemState, { variant, binary }: Entrant): Promise<CandidateOutcome | null> {
    if (isVendor(variant)) return null;
    const { file } = writer.install(binary.path);
    const { problem } = state.tuning;
    const problems = [...state.family.raggedProblems(problem.params), oracleProblem(state.family, problem).problem];
    const candidate = { kernelId: binary.kernelId, path: join(writer.directory, 'kernels', file) };
    const reply = await worker.verify({ family: state.family.name, params: problem.params, candidate, problems, seed: HELD_OUT_SEED }, limitOf(state, context.candidateLimitMs));
    const failure = reply.failures[0];
    return failure === undefined ? null : { state: failure.state, message: `its final binary at ${failure.problem}, seed ${failure.seed}: ${failure.message}` };
  }

  /** What the journals say of today's kernels of the problem's form, and of the vendor's. */
  function decideNow(state: ProblemState): EvidenceDecision | null {
    const { deviceKey, compiler, problem } = runner.keyOf(state, state.search.defaultVariant);
    const isCurrent = ({ kernelId, sourceHash }: ResultKey): boolean => {
      const variant = state.rejected.has(kernelId) ? null : variantOf(state, kernelId);
      return variant !== null && runner.keyOf(state, variant).sourceHash === sourceHash;
    };
    return decideFromEvidence(journal.evidence, { problem, deviceKey, compiler, regime: context.regime, isCurrent }, state.defaultId);
  }

  /** A short run must not put the default in the place of what an earlier one has found. */
  async function standing(state: ProblemState): Promise<FinalResult | null> {
    const decided = decideNow(state);
    const winner = decided?.awaitingHeldOut === null ? variantOf(state, decided.decision.winnerId) : null;
    if (decided === null || winner === null || !(await runner.binaryOf(state, winner)).ok) return onlyDefault(state);
    return { decision: decided.decision, winner, finalists: decided.decision.standings.length, roof: null, dirty: decided.dirty };
  }

  async function settle(state: ProblemState): Promise<boolean> {
    let ran = false;
    for (;;) {
      if (state.failure !== null || state.tried.size === 0) return ran;
      const ids = signature(state);
      if (ids === state.finalOf) return ran;
      const variants = finalistsOf(state, CHALLENGERS);
      if (variants.length === 1) {
        state.final = await standing(state);
        state.finalOf = ids;
        return ran;
      }
      const entrants = await enter(state, variants);
      if (entrants === null) return ran;
      let roof: Roof | null = null;
      if (!isOnRecord(state, entrants)) {
        const reply = await compete(state, entrants, 'final');
        ran = true;
        if (reply === null) continue;
        roof = roofDuring(probes, reply.controlNs.length > 0 ? median(reply.controlNs) : null);
      }
      if (context.keepFinalists) for (const { variant, binary } of entrants) if (!isVendor(variant)) writer.install(binary.path);
      const standard = entrants[0] as Entrant;
      const decided = await prove(state, standard);
      const winner = decided === null ? null : variantOf(state, decided.decision.winnerId);
      if (decided === null || winner === null) continue; // a kernel failed: other finalists
      state.final = { decision: decided.decision, winner, finalists: entrants.length, roof, dirty: decided.dirty };
      state.finalOf = signature(state); // those that were refuted are finalists no more
      state.finalRatio = decided.decision.ratio.median;
      return ran;
    }
  }

  /** Whether finals of all of them are in the journals, calm ones: then there is nothing new to measure. */
  function isOnRecord(state: ProblemState, entrants: readonly Entrant[]): boolean {
    const known = decideNow(state);
    if (known === null || known.dirty) return false;
    const compared = new Set(known.decision.standings.map(({ kernelId }) => kernelId));
    return entrants.every(({ binary }) => compared.has(binary.kernelId));
  }

  /** Asks winners until one is proven, or the default is left. Null when a kernel failed on the way. */
  async function prove(state: ProblemState, standard: Entrant): Promise<EvidenceDecision | null> {
    for (;;) {
      const decided = decideNow(state);
      for (const { kernelId } of decided?.refuted ?? []) state.rejected.add(kernelId);
      const candidate = decided?.awaitingHeldOut ?? null;
      if (candidate === null) return decided;
      const variant = variantOf(state, candidate);
      const built = variant === null ? null : await runner.binaryOf(state, variant);
      if (variant === null || built?.ok !== true) {
        state.rejected.add(candidate); // a winner of an earlier run that cannot be compiled any more
        continue;
      }
      const entrant: Entrant = { variant, binary: built.binary, facts: { machineCode: built.machineCode, resources: built.resources } };
      const fault = await verifyShipped(state, entrant);
      if (fault !== null) {
        runner.fail(state, variant, fault);
        return null;
      }
      if ((await compete(state, [standard, entrant], 'held-out')) === null) return null;
    }
  }

  /** A finalist of this run or of an earlier one, by its id; null where the form does not have it any more. */
  function variantOf(state: ProblemState, kernelId: string): Variant | null {
    const tried = state.tried.get(kernelId);
    if (tried !== undefined) return tried.variant;
    try {
      return isVendorId(kernelId) ? state.vendor : parseKernelId(kernelId, [state.family]);
    } catch {
      return null;
    }
  }

  return { settle, standing, takesTime: (state) => finalistsOf(state, CHALLENGERS).length > 1, isDue: (state) => state.failure === null && state.tried.size > 0 && signature(state) !== state.finalOf };
}

/**
 * The tuning loop: rounds of propose → compile → verify and measure → final → write, until the budget is used or nothing is left to
 * try. Stopping at any moment leaves the best known library.
 */
import type { Family, Variant } from '../generator/types.js';
import type { FfStrategyDecision } from '../runtime/library/schema.js';
import { createEstimate, planRound, roundTime, type Clock } from './budget.js';
import { decide } from './decide.js';
import { decideFfStrategy } from './ff-strategy.js';
import type { Journal } from './journal.js';
import type { BuiltKernel, KernelBuilder } from './kernel-builder.js';
import type { LibraryWriter, NewWinner } from './library-writer.js';
import { dispatchDims } from './problems.js';
import { bestRatio, finalistsOf, recordOutcome, type FinalResult, type ProblemState } from './problem-state.js';
import type { WorkerInfo } from './protocol.js';
import { roofDuring, roofShare, type Probes } from './roof.js';
import { median } from './statistics.js';
import { isMeasured, type CandidateOutcome, type KernelBinary, type ResultKey } from './types.js';
import { candidateId, isVendor } from './vendor.js';
import type { TuningWorker } from './worker-client.js';

export interface TuneProgress {
  readonly phase: 'compile' | 'measure' | 'final';
  /** What is being worked on, for people. */
  readonly detail: string;
  readonly elapsedMs: number;
  /** Time until the budget is used. */
  readonly remainingMs: number;
  readonly tried: number;
}

export interface TunerContext {
  readonly worker: TuningWorker;
  readonly info: WorkerInfo;
  readonly builder: KernelBuilder;
  readonly journal: Journal;
  readonly writer: LibraryWriter;
  readonly probes: Probes;
  readonly clock: Clock;
  /** Clock time at which the run began, and how long it may take. */
  readonly startedMs: number;
  readonly budgetMs: number;
  readonly regime: string;
  readonly seed: number;
  /** A candidate is stopped after this long. */
  readonly candidateLimitMs: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TuneProgress) => void;
  /** The date for library entries. */
  readonly today: () => Date;
}

export interface TuningResult {
  readonly decisions: FfStrategyDecision[];
  /** Medians of the control kernel, one per final. */
  readonly controlNs: number[];
  droppedEntries: number;
}

/** Expected cost of things before they were observed. */
const EXPECTED = { compileMs: 350, evaluateMs: 150, finalMs: 250 } as const;
const CHALLENGERS = 3;
const FINAL_ROUNDS = 11;
/** The gather-or-compact decision takes four finals, each on buffers of its own. */
const STRATEGY_FINALS = 6;
/** No round tries more than this, the first far less: a library must be there soon, and results must come in between. */
const ROUND_CANDIDATES = { first: 48, most: 192 } as const;
/** A short run decides gather or compact at its end; a long one also when it has the kernels for it, in case it is stopped. */
const LONG_RUN_MS = 30_000;
/** Most kernels that are compiled before the clock is looked at again, and the share of a round after which compiling ends. */
const COMPILE_SLICE = 16;
const COMPILE_SHARE = 0.6;

interface Proposal {
  readonly state: ProblemState;
  readonly variants: readonly Variant[];
}

/** First variants of all proposals, then second ones, and so on. */
function interleaved(proposals: readonly Proposal[]): readonly { readonly state: ProblemState; readonly variant: Variant }[] {
  const longest = Math.max(0, ...proposals.map(({ variants }) => variants.length));
  return Array.from({ length: longest }, (_, i) =>
    proposals.flatMap(({ state, variants }) => {
      const variant = variants[i];
      return variant === undefined ? [] : [{ state, variant }];
    }),
  ).flat();
}

/** The result of a problem of which only the default variant was measured. */
function onlyDefault(state: ProblemState): FinalResult | null {
  const outcome = state.tried.get(state.defaultId)?.outcome;
  if (outcome === undefined || !isMeasured(outcome)) return null;
  const decision = decide([{ kernelId: state.defaultId, samplesNs: outcome.samplesNs }], state.defaultId);
  return { decision, winner: state.search.defaultVariant, finalists: 1, roof: null };
}

/**
 * Works on `states` and fills them in. `result` is filled as findings come, so that it holds them when this rejects (AbortedError when
 * the signal fires; FileError, CompilerError, TuneError, DeviceError).
 */
export async function runTuning(states: readonly ProblemState[], context: TunerContext, result: TuningResult): Promise<void> {
  const compileMs = createEstimate(EXPECTED.compileMs);
  const evaluateMs = new Map(states.map((state) => [state, createEstimate(EXPECTED.evaluateMs)]));
  const finalMs = createEstimate(EXPECTED.finalMs);
  /** Kernel id → outcome that holds for every problem of the form: verified there, or failed there. */
  const verified = new Set<string>();
  const condemned = new Map<string, CandidateOutcome>();
  const { clock, budgetMs, builder, worker, journal } = context;
  const elapsed = (): number => clock.now() - context.startedMs;
  const remaining = (): number => budgetMs - elapsed();
  let rounds = 0;
  let decidedOn = ''; // winners that the last gather-or-compact decision rests on

  try {
    progress('compile', 'default kernels');
    await builder.build(states.map((state) => ({ variant: state.search.defaultVariant, family: state.family })), context.signal);
    while (await oneRound());
    await decideStrategy();
    writeLibrary();
  } catch (error) {
    try {
      writeLibrary();
    } catch {
      // The first error is the one to report.
    }
    throw error;
  }

  /** Returns whether there may be more to do. */
  async function oneRound(): Promise<boolean> {
    const open = states.filter((state) => state.failure === null && state.search.remaining() > 0);
    const started = (state: ProblemState): boolean => state.tried.size > 0;
    if (open.length === 0 || (remaining() <= 0 && open.every(started))) return false;
    const reserve = finalMs.value * (open.length + STRATEGY_FINALS);
    const available = Math.max(0, roundTime(budgetMs, remaining(), Math.min(reserve, remaining() / 3)));
    const counts = planRound(
      open.map((state) => ({
        weight: state.weight,
        remaining: state.search.remaining(),
        spentMs: state.spentMs,
        // Problems of a form propose the same kernels in the same order: one compilation serves them all.
        candidateMs: compileMs.value / open.filter((other) => other.formId === state.formId).length + (evaluateMs.get(state)?.value ?? 0),
        firstMs: evaluateMs.get(state)?.value ?? 0,
        started: started(state),
      })),
      available,
    );
    const total = counts.reduce((a, b) => a + b, 0);
    if (total === 0) return false;
    const most = Math.min(ROUND_CANDIDATES.most, ROUND_CANDIDATES.first * 2 ** rounds++);
    const scale = Math.min(1, most / total);
    const proposals = open.map((state, i) => ({ state, variants: proposeNew(state, Math.ceil((counts[i] ?? 0) * scale)) }));
    const compiled = await compileRound(proposals, available * COMPILE_SHARE);
    for (const proposal of compiled) await workOn(proposal);
    if (result.decisions.length === 0 && elapsed() > LONG_RUN_MS) await decideStrategy();
    writeLibrary();
    return true;
  }

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

  /** `count` variants that nothing is known about; those that the journal or another problem answers are recorded on the way. */
  function proposeNew(state: ProblemState, count: number): readonly Variant[] {
    const fresh: Variant[] = [];
    while (fresh.length < count && state.failure === null) {
      const [variant] = state.search.propose(1);
      if (variant === undefined) break;
      const outcome = lookUp(state, variant);
      if (outcome === null) fresh.push(variant);
      else recordOutcome(state, variant, outcome, true);
    }
    return fresh;
  }

  function lookUp(state: ProblemState, variant: Variant): CandidateOutcome | null {
    const id = candidateId(variant, state.family);
    try {
      const known = journal.known(keyOf(state, variant));
      // A compiler may have failed for want of memory or disk; asking it again is cheap.
      if (known === null || known.state === 'compile-failed') return condemned.get(id) ?? null;
      learn(state, id, known);
      return known;
    } catch (error) {
      return { state: 'compile-failed', message: `cannot be rendered: ${error instanceof Error ? error.message : String(error)}` };
    }
  }

  /**
   * Compiles in slices until `limitMs` is over, every problem's first candidate before anyone's second. Returns what there was time
   * for; the rest goes back to the searches.
   */
  async function compileRound(proposals: readonly Proposal[], limitMs: number): Promise<readonly Proposal[]> {
    const from = clock.now();
    const queue = interleaved(proposals);
    let compiled = 0;
    let at = 0;
    while (at < queue.length && (at === 0 || clock.now() - from < limitMs)) {
      const affordable = Math.floor((limitMs - (clock.now() - from)) / compileMs.value);
      const slice = queue.slice(at, at + Math.max(2, Math.min(COMPILE_SLICE, affordable)));
      at += slice.length;
      const before = { ms: clock.now(), built: builder.builtCount() };
      await builder.build(slice.map(({ state, variant }) => ({ variant, family: state.family })), context.signal, () => {
        progress('compile', `${++compiled} kernels`);
      });
      const fresh = builder.builtCount() - before.built;
      if (fresh > 0) compileMs.observe((clock.now() - before.ms) / fresh);
    }
    return proposals.map(({ state, variants }) => {
      const isBuilt = (variant: Variant): boolean => builder.isBuilt(candidateId(variant, state.family));
      state.search.putBack(variants.filter((variant) => !isBuilt(variant)));
      return { state, variants: variants.filter(isBuilt) };
    });
  }

  async function workOn({ state, variants }: Proposal): Promise<void> {
    const from = clock.now();
    try {
      if (variants.length > 0) {
        await worker.prepare(state.tuning.problem, context.seed);
        for (const variant of variants) {
          const isDefault = candidateId(variant, state.family) === state.defaultId;
          if (state.failure !== null || (remaining() <= 0 && !isDefault)) break;
          await tryCandidate(state, variant);
        }
        const tried = variants.length;
        evaluateMs.get(state)?.observe((clock.now() - from) / Math.max(1, tried));
      }
      await tryVendor(state);
      const before = clock.now();
      if (await runFinal(state)) finalMs.observe(clock.now() - before);
    } finally {
      state.spentMs += clock.now() - from + variants.length * compileMs.value;
    }
    const hints = state.search.ranking().slice(0, 2).map(({ variant }) => variant);
    for (const other of states) if (other !== state && other.formId === state.formId) other.search.suggest(hints);
  }

  /** Once, after the default variant: it is one candidate, and often a good one. */
  async function tryVendor(state: ProblemState): Promise<void> {
    const { vendor } = state;
    if (vendor === null || state.failure !== null || !state.tried.has(state.defaultId) || state.tried.has(candidateId(vendor, state.family))) return;
    const known = lookUp(state, vendor);
    if (known !== null) {
      recordOutcome(state, vendor, known, true);
      return;
    }
    await worker.prepare(state.tuning.problem, context.seed);
    await tryCandidate(state, vendor);
  }

  async function tryCandidate(state: ProblemState, variant: Variant): Promise<void> {
    const id = candidateId(variant, state.family);
    const known = condemned.get(id);
    if (known !== undefined) {
      recordOutcome(state, variant, known, true);
      return;
    }
    progress('measure', `${state.tuning.label}: ${id}`);
    const key = keyOf(state, variant);
    const outcome = await outcomeOf(state, variant, id, key);
    journal.outcome(key, outcome);
    recordOutcome(state, variant, outcome, false);
    learn(state, id, outcome);
  }

  function learn(state: ProblemState, id: string, outcome: CandidateOutcome): void {
    if (isMeasured(outcome)) verified.add(id);
    else condemned.set(id, { state: outcome.state, message: `known from ${state.key}: ${outcome.message}` });
  }

  async function outcomeOf(state: ProblemState, variant: Variant, id: string, key: ResultKey): Promise<CandidateOutcome> {
    const candidate = await binaryOf(state, variant);
    if (!candidate.ok) return { state: candidate.reason === 'spills' ? 'spills' : 'compile-failed', message: candidate.message };
    const standard = await binaryOf(state, state.search.defaultVariant);
    if (!standard.ok) return { state: 'compile-failed', message: `the default variant: ${standard.message}` };
    journal.started(key);
    try {
      return await worker.evaluate(
        { problem: state.tuning.problem, candidate: candidate.binary, standard: standard.binary, formVerified: verified.has(id), bestRatio: bestRatio(state), seed: context.seed },
        context.candidateLimitMs,
      );
    } catch (error) {
      // Stopped, or a failure that is not the candidate's: it must not be quarantined.
      journal.abandoned(key);
      throw error;
    }
  }

  async function binaryOf(state: ProblemState, variant: Variant): Promise<BuiltKernel> {
    const built = await builder.build([{ variant, family: state.family }], context.signal);
    return built.get(candidateId(variant, state.family)) ?? { ok: false, message: 'was not compiled' };
  }

  /** Interleaved rounds among the best, if they have changed since the last final. Returns whether any were run. */
  async function runFinal(state: ProblemState): Promise<boolean> {
    for (;;) {
      if (state.failure !== null || state.tried.size === 0) return false;
      const finalists = finalistsOf(state, CHALLENGERS);
      const ids = finalists.map((variant) => candidateId(variant, state.family));
      if (ids.join(' ') === state.finalOf) return false;
      if (ids.length === 1) {
        state.final = onlyDefault(state);
        return false;
      }
      progress('final', `${state.tuning.label}: ${ids.length} finalists`);
      const kernels: KernelBinary[] = [];
      for (const variant of finalists) {
        const built = await binaryOf(state, variant);
        if (built.ok) kernels.push(built.binary);
      }
      if (kernels[0]?.kernelId !== state.defaultId) {
        state.failure = 'the default variant does not compile';
        return false;
      }
      await worker.prepare(state.tuning.problem, context.seed);
      const request = { problem: state.tuning.problem, kernels, control: context.probes.control, rounds: FINAL_ROUNDS, seed: context.seed };
      const outcome = await worker.final(request, context.candidateLimitMs * 3);
      if (outcome.state !== 'ok') {
        const culprit = finalists.find((variant) => candidateId(variant, state.family) === outcome.kernelId) ?? state.search.defaultVariant;
        const failed: CandidateOutcome = { state: outcome.state, message: outcome.message };
        journal.outcome(keyOf(state, culprit), failed);
        recordOutcome(state, culprit, failed, false);
        continue;
      }
      const { samplesNs, controlNs } = outcome.reply;
      kernels.forEach(({ kernelId: id }, i) => {
        const variant = finalists.find((candidate) => candidateId(candidate, state.family) === id);
        if (variant !== undefined) journal.final(keyOf(state, variant), samplesNs[i] ?? [], controlNs);
      });
      const decision = decide(kernels.map(({ kernelId: id }, i) => ({ kernelId: id, samplesNs: samplesNs[i] ?? [] })), state.defaultId);
      const winner = finalists.find((variant) => candidateId(variant, state.family) === decision.winner.kernelId) ?? state.search.defaultVariant;
      const control = controlNs.length > 0 ? median(controlNs) : null;
      if (control !== null) result.controlNs.push(control);
      state.final = { decision, winner, finalists: kernels.length, roof: roofDuring(context.probes, control) };
      state.finalOf = ids.join(' ');
      return true;
    }
  }

  async function decideStrategy(): Promise<void> {
    const winnerBinary = async (state: ProblemState): Promise<KernelBinary | null> => {
      if (state.final === null) return null;
      const built = await binaryOf(state, state.final.winner);
      return built.ok ? built.binary : null;
    };
    const rests = states.filter((state) => state.family.name.startsWith('ff_')).map((state) => state.final?.decision.winner.kernelId ?? '');
    if (rests.join(' ') === decidedOn) return;
    progress('final', 'gather or compact');
    decidedOn = rests.join(' ');
    const decision = await decideFfStrategy(states, { worker, control: context.probes.control, seed: context.seed, limitMs: context.candidateLimitMs * 3, winnerBinary });
    if (decision !== null) result.decisions.splice(0, result.decisions.length, decision);
  }

  function writeLibrary(): void {
    const winners = states.flatMap((state) => {
      const winner = newWinner(state);
      return winner === null ? [] : [winner];
    });
    result.droppedEntries += context.writer.update({ device: context.info.identity, winners, decisions: result.decisions }).dropped;
  }

  function newWinner(state: ProblemState): NewWinner | null {
    if (state.final === null) return null;
    const { decision, winner } = state.final;
    const path = builder.pathOf(decision.winner.kernelId);
    if (path === null && !isVendor(winner)) return null;
    const { problem } = state.tuning;
    const roof = state.final.roof ?? context.probes.roof;
    const family: Family = state.family;
    return {
      binaryPath: path,
      entry: {
        family: family.name,
        params: { ...problem.params },
        dims: { ...dispatchDims(family, problem) },
        isa: winner.isa,
        kernelId: decision.winner.kernelId,
        sourceHash: builder.sourceHash(winner, family),
        formHash: isVendor(winner) ? builder.sourceHash(winner, family) : builder.formHash(state.form, family),
        compiler: builder.compiler,
        regime: context.regime,
        medianNs: decision.medianNs,
        defaultNs: decision.defaultNs,
        ...(roof === null ? {} : { roofShare: roofShare(family, problem, decision.medianNs, roof) }),
        measuredAt: context.today().toISOString(),
      },
    };
  }

  function progress(phase: TuneProgress['phase'], detail: string): void {
    const tried = states.reduce((sum, state) => sum + state.tried.size, 0);
    context.onProgress?.({ phase, detail, elapsedMs: elapsed(), remainingMs: Math.max(0, remaining()), tried });
  }
}

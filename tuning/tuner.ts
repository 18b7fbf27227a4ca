/**
 * The tuning loop. Batches of candidates go down a short pipeline: while one is measured, the next ones compile. Whose batch comes next
 * is decided by weighted fair queueing over the problems, and a problem is settled by finals. Stopping at any moment leaves the best
 * known library.
 */
import type { Variant } from '../generator/types.js';
import { createEstimate, etaMs, pickProblem, type Estimate } from './budget.js';
import { createCandidateRunner } from './candidates.js';
import type { TuneProgress, TunerContext, TuningResult } from './context.js';
import { decideFfStrategy } from './ff-strategy.js';
import { createFinals } from './finals.js';
import { bestRatio, limitOf, remainingCandidates, type ProblemState } from './problem-state.js';
import type { Proposal } from './search/search.js';
import type { KernelBinary } from './types.js';
import { isVendor, candidateId } from './vendor.js';
import { winnerOf } from './winner-entry.js';

/** Expected cost of things before they were observed. */
const EXPECTED = { candidateMs: 500, finalMs: 800 } as const;
/** Candidates of a batch, and batches under way: enough to keep compilers busy, few enough for searches to learn in between; a batch shares the making of its problem's buffers. */
const BATCH = 12;
const LOOKAHEAD = 3;
/** The gather-or-compact decision takes four finals, each on buffers of its own. */
const STRATEGY_FINALS = 6;
/** Each may take so many times as long as a candidate. */
const STRATEGY_PATIENCE = 3;
/** A problem that found this much is settled again at once; the rest waits for the end. */
const WORTH_A_FINAL = 0.97;
/** The library is written when something was settled, and at least this often. */
const WRITE_EVERY_MS = 10_000;
/** Sample pairs of the default variant and of a vendor's kernel. */
const SAMPLES = 7;
/** After the finals, a rest of the budget below this share is not worth another round. */
const LEFT_OVER = 0.05;

interface Batch {
  readonly state: ProblemState;
  readonly proposals: readonly Proposal[];
}

/**
 * Works on `states` and fills them in. `result` is filled as findings come, so that it holds them when this rejects (AbortedError when
 * the signal fires; FileError, LibraryError, CompilerError, TuneError, DeviceError).
 */
export async function runTuning(states: readonly ProblemState[], context: TunerContext, result: TuningResult): Promise<void> {
  const { clock, budgetMs, builder, worker } = context;
  const runner = createCandidateRunner(context, (pairs) => {
    result.retaken += pairs;
  });
  const finals = createFinals(context, runner, result, (state, count) => progress('final', `${state.tuning.label}: ${count} finalists`));
  const candidateMs = new Map<ProblemState, Estimate>(states.map((state) => [state, createEstimate(EXPECTED.candidateMs)]));
  const finalMs = createEstimate(EXPECTED.finalMs);
  const pipeline: Batch[] = [];
  const elapsed = (): number => clock.now() - context.startedMs;
  const remaining = (): number => budgetMs - elapsed();
  let written = Number.NEGATIVE_INFINITY;
  let decidedOn = ''; // winners that the last gather-or-compact decision rests on

  try {
    await measureDefaults();
    for (;;) {
      await searchUntilReserve();
      await settleAll();
      const isOver = states.every((state) => remainingCandidates(state) === 0) || remaining() < Math.max(budgetMs * LEFT_OVER, reserveMs());
      if (isOver) break;
    }
    builder.cancelQueued();
    await decideStrategy();
    await writeLibrary();
  } catch (error) {
    await builder.stop();
    try {
      await writeLibrary();
    } catch {
      // The first error is the one to report.
    }
    throw error;
  }

  /** A library with something measured for every problem comes before anything else, however small the budget is. */
  async function measureDefaults(): Promise<void> {
    progress('compile', 'default kernels');
    await builder.build(states.map((state) => ({ variant: state.search.defaultVariant, family: state.family })), context.signal);
    const firsts = states.map((state) => ({ state, proposals: state.search.propose(1).filter((proposal) => !runner.answered(state, proposal)) }));
    fillPipeline(); // the first candidates compile meanwhile
    for (const { state, proposals } of firsts) {
      await work({ state, proposals });
      await tryVendor(state);
      if (state.failure === null) state.final = await finals.standing(state);
    }
    await writeLibrary();
    result.usableAfterMs = elapsed();
  }

  /** Once, after the default variant: it is one candidate, and often a good one. */
  async function tryVendor(state: ProblemState): Promise<void> {
    const { vendor } = state;
    if (vendor === null || state.failure !== null) return;
    const proposal = { variant: vendor, samples: SAMPLES };
    if (!runner.answered(state, proposal)) await work({ state, proposals: [proposal] });
  }

  async function searchUntilReserve(): Promise<void> {
    for (;;) {
      fillPipeline();
      const batch = pipeline.shift();
      if (batch === undefined) return;
      await work(batch);
      share(batch.state);
      if (isWorthAFinal(batch.state) && remaining() > reserveMs()) {
        await settle(batch.state);
        if (clock.now() - written > WRITE_EVERY_MS) await writeLibrary();
      }
    }
  }

  function fillPipeline(): void {
    while (pipeline.length < LOOKAHEAD && remaining() > reserveMs()) {
      const index = pickProblem(
        states.map((state) => ({
          weight: state.weight,
          expectedGain: state.search.expectedGain(),
          spentMs: state.spentMs,
          remaining: remainingCandidates(state),
          inFlight: state.inFlight,
        })),
      );
      const state = index === null ? undefined : states[index];
      if (state === undefined) return;
      const proposals = proposeNew(state, Math.min(BATCH, remainingCandidates(state)));
      if (proposals.length === 0) {
        state.exhausted = true;
        continue;
      }
      state.inFlight += proposals.length;
      builder.enqueue(proposals.map(({ variant }) => ({ variant, family: state.family })));
      pipeline.push({ state, proposals });
    }
  }

  /** Up to `count` proposals that need running; those that the journal or another problem answers are recorded on the way. */
  function proposeNew(state: ProblemState, count: number): readonly Proposal[] {
    const fresh: Proposal[] = [];
    while (fresh.length < count && state.failure === null) {
      const proposals = state.search.propose(count - fresh.length);
      if (proposals.length === 0) break;
      fresh.push(...proposals.filter((proposal) => !runner.answered(state, proposal)));
      const unseen = fresh.filter(({ variant }) => !state.tried.has(candidateId(variant, state.family))).length;
      if (state.tried.size + unseen >= state.limit) break; // more samples of the same are the finals' business
    }
    return fresh;
  }

  async function work({ state, proposals }: Batch): Promise<void> {
    const from = clock.now();
    let done = 0;
    try {
      // Whatever of the batch is still waiting for a compiler goes first now; each is awaited in its turn, errors included.
      builder.build(proposals.map(({ variant }) => ({ variant, family: state.family })), context.signal).catch(() => undefined);
      if (proposals.length > 0) await worker.prepare(state.tuning.problem, context.seed);
      for (const proposal of proposals) {
        const id = candidateId(proposal.variant, state.family);
        if (state.failure !== null || (remaining() <= 0 && id !== state.defaultId)) break;
        progress('measure', `${state.tuning.label}: ${id}`);
        await runner.run(state, proposal);
        done++;
      }
    } finally {
      state.inFlight = Math.max(0, state.inFlight - proposals.length);
      if (done < proposals.length) state.search.putBack(proposals.slice(done));
      state.spentMs += clock.now() - from;
      if (done > 0) candidateMs.get(state)?.observe((clock.now() - from) / done);
    }
  }

  /** What is good for one problem of a form is tried early for the others. */
  function share(state: ProblemState): void {
    const hints: Variant[] = state.search.ranking().slice(0, 2).map(({ variant }) => variant);
    for (const other of states) if (other !== state && other.formId === state.formId) other.search.suggest(hints);
  }

  function isWorthAFinal(state: ProblemState): boolean {
    const best = bestRatio(state);
    return best !== null && best < state.finalRatio * WORTH_A_FINAL && finals.isDue(state);
  }

  async function settle(state: ProblemState): Promise<void> {
    const from = clock.now();
    if (await finals.settle(state)) finalMs.observe(clock.now() - from);
    state.spentMs += clock.now() - from;
  }

  async function settleAll(): Promise<void> {
    const due = states.filter((state) => finals.isDue(state)).sort((a, b) => b.weight - a.weight);
    for (const state of due) {
      // Over the budget, a problem that has a winner keeps it.
      if (remaining() <= -finalMs.value && state.final !== null && finals.takesTime(state)) continue;
      await settle(state);
    }
  }

  /** Time that the finals still to come will take. */
  function reserveMs(): number {
    if (budgetMs === Number.POSITIVE_INFINITY) return 0;
    const due = states.filter((state) => finals.isDue(state)).length;
    const wanted = finalMs.value * (due + (states.some(({ family }) => family.name === 'ff_compact') ? STRATEGY_FINALS : 0));
    return Math.min(wanted, budgetMs / 3);
  }

  async function decideStrategy(): Promise<void> {
    const winnerBinary = async (state: ProblemState): Promise<KernelBinary | null> => {
      if (state.final === null) return null;
      const built = await runner.binaryOf(state, state.final.winner);
      return built.ok ? built.binary : null;
    };
    const rests = states.filter((state) => state.family.name.startsWith('ff_')).map((state) => state.final?.decision.winnerId ?? '');
    if (rests.join(' ') === decidedOn) return;
    progress('final', 'gather or compact');
    decidedOn = rests.join(' ');
    const limitMs = STRATEGY_PATIENCE * Math.max(...states.map((state) => limitOf(state, context.candidateLimitMs)));
    const decision = await decideFfStrategy(states, { worker, control: context.probes.control, seed: context.seed, limitMs, winnerBinary });
    if (decision !== null) result.decisions.splice(0, result.decisions.length, decision);
  }

  async function writeLibrary(): Promise<void> {
    written = clock.now();
    const winners = states.flatMap((state) => {
      if (state.final === null) return [];
      const path = builder.pathOf(state.final.decision.winnerId);
      return path === null && !isVendor(state.final.winner) ? [] : [winnerOf(state, state.final, path, context)];
    });
    result.dirty = states.some((state) => state.final?.dirty === true);
    const { dropped } = await context.writer.update({ device: context.info.identity, winners, decisions: result.decisions });
    result.droppedEntries = Math.max(result.droppedEntries, dropped);
  }

  function progress(phase: TuneProgress['phase'], detail: string): void {
    if (context.onProgress === undefined) return;
    const tried = states.reduce((sum, state) => sum + state.tried.size, 0);
    const leftMs = states.reduce((sum, state) => sum + (remainingCandidates(state) + state.inFlight) * (candidateMs.get(state)?.value ?? 0), 0);
    const improved = states.filter(({ final, defaultId }) => final !== null && final.decision.winnerId !== defaultId).length;
    context.onProgress({ phase, detail, elapsedMs: elapsed(), remainingMs: etaMs(1, leftMs, finalMs.value * states.length, remaining()), tried, improved });
  }
}

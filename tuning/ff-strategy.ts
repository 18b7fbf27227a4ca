/**
 * Gather or compact? Measures a decode step's feed-forward block both ways: the winners on the selected rows in place, and the same
 * kernels on rows packed beforehand, plus what packing costs once.
 */
import type { FfStrategyDecision } from '../runtime/library/schema.js';
import type { ControlRequest } from './protocol.js';
import type { ProblemState } from './problem-state.js';
import { median } from './statistics.js';
import type { KernelBinary } from './types.js';
import type { TuningWorker } from './worker-client.js';

/** Packing must win by this much: it costs memory, and a new selection costs it again. */
export const COMPACT_MARGIN = 0.02;
const ROUNDS = 11;

export interface StrategyOptions {
  readonly worker: TuningWorker;
  readonly control: ControlRequest | null;
  readonly seed: number;
  readonly limitMs: number;
  /** The compiled winner of a problem. */
  readonly winnerBinary: (state: ProblemState) => Promise<KernelBinary | null>;
}

/** Null while one of the problems that it rests on has no winner yet, or when a kernel fails on packed rows. */
export async function decideFfStrategy(states: readonly ProblemState[], options: StrategyOptions): Promise<FfStrategyDecision | null> {
  const gateUp = fastest(states.filter((state) => state.family.name === 'ff_gate_up_gather' && state.tuning.problem.dims['dense'] === 0));
  const down = fastest(states.filter((state) => state.family.name === 'ff_down_gather' && state.tuning.problem.dims['dense'] === 0));
  const packings = states.filter((state) => state.family.name === 'ff_compact');
  const packing = packings.filter((state) => state === fastest(packings.filter(({ key }) => key === state.key)));
  if (gateUp === undefined || down === undefined || packing.length === 0) return null;
  if ([gateUp, down, ...packing].some((state) => state.final === null)) return null;
  const { hidden = 0, intermediate = 0, k = 0 } = gateUp.tuning.problem.dims;
  if (k === 0) return null;
  const times = [await timeBothWays(gateUp, options), await timeBothWays(down, options)];
  let gatherNs = 0;
  let compactNs = 0;
  for (const time of times) {
    if (time === null) return null;
    gatherNs += time.gatherNs;
    compactNs += time.compactNs;
  }
  // Two problems where the widths of W_in and W_out differ (gated), one problem that is run twice where they are equal.
  const compactionNs = packing.reduce((sum, state) => sum + (state.final?.decision.medianNs ?? 0) * (packing.length === 1 ? 2 : 1), 0);
  return {
    kind: 'ff_strategy',
    dims: { hidden, intermediate, k },
    dtype: gateUp.tuning.problem.params['dtype'] ?? '',
    choice: compactNs < gatherNs * (1 - COMPACT_MARGIN) ? 'compact' : 'gather',
    gatherNs,
    compactNs,
    compactionNs,
  };
}

/** Of states of one problem, one per instruction set, that with the fastest winner: it is what the runtime takes. */
function fastest(states: readonly ProblemState[]): ProblemState | undefined {
  return [...states].sort((a, b) => (a.final?.decision.medianNs ?? Number.POSITIVE_INFINITY) - (b.final?.decision.medianNs ?? Number.POSITIVE_INFINITY))[0];
}

/** The winner on the gather problem and on the packed one; times are per launch, scaled by the control so that drift between the two cancels. */
async function timeBothWays(state: ProblemState, options: StrategyOptions): Promise<{ gatherNs: number; compactNs: number } | null> {
  const binary = await options.winnerBinary(state);
  if (binary === null) return null;
  const { problem } = state.tuning;
  const packed = { ...problem, dims: { ...problem.dims, intermediate: problem.dims['k'] ?? 0, dense: 1 } };
  const gather = await time(problem);
  const compact = await time(packed);
  if (gather === null || compact === null) return null;
  const drift = gather.controlNs === null || compact.controlNs === null ? 1 : gather.controlNs / compact.controlNs;
  return { gatherNs: gather.ns, compactNs: compact.ns * drift };

  async function time(target: typeof problem): Promise<{ ns: number; controlNs: number | null } | null> {
    const { worker, control, seed, limitMs } = options;
    await worker.prepare(target, seed);
    const outcome = await worker.final({ problem: target, kernels: [binary as KernelBinary], control, rounds: ROUNDS, seed, launch: 'replay' }, limitMs);
    if (outcome.state !== 'ok') return null;
    const { samplesNs, controlNs } = outcome.reply;
    return { ns: median(samplesNs[0] ?? []), controlNs: controlNs.length === 0 ? null : median(controlNs) };
  }
}

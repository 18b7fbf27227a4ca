/** Words of the tuner: what is tuned, what can happen to a candidate, and the keys under which results are remembered. */
import type { AxisValues, Dims, Params, Problem } from '../generator/types.js';

/** A problem of a model, with how often the model runs it. */
export interface TuningProblem {
  readonly problem: Problem;
  /** For people, e.g. `decode qkv`. */
  readonly label: string;
  /** Launches per generated token. */
  readonly callsPerToken: number;
  /** Launches per prompt chunk of `prefillChunk` tokens. */
  readonly callsPerChunk: number;
}

/**
 * What became of a candidate. Every state but `ok` carries a message that a report can print; only `ok` candidates can win.
 *
 * - `compile-failed`: the compiler or the loader refused it.
 * - `spills`: it keeps registers in memory, and its target does not say that it may.
 * - `wrong`: an output differs from the reference by more than its bound, was left unwritten, an input was changed, or thread counts disagree.
 * - `out-of-bounds`: bytes beside a buffer were written.
 * - `crashed`: its process died. `timed-out`: its process was stopped at the time limit.
 * - `too-slow`: correct, but so far behind the best that measuring was stopped early.
 */
export type CandidateOutcome = MeasuredOutcome | { readonly state: FailedState; readonly message: string };
export interface MeasuredOutcome {
  readonly state: 'ok' | 'too-slow';
  readonly message: string;
  /** Nanoseconds per launch. */
  readonly samplesNs: readonly number[];
  /** The default variant's, taken in turn with them: what they are compared with, since machines drift. */
  readonly referenceNs: readonly number[];
}
export type FailedState = 'compile-failed' | 'spills' | 'wrong' | 'out-of-bounds' | 'crashed' | 'timed-out';
export type OutcomeState = CandidateOutcome['state'];
export const OUTCOME_STATES = ['ok', 'too-slow', 'compile-failed', 'spills', 'wrong', 'out-of-bounds', 'crashed', 'timed-out'] as const satisfies readonly OutcomeState[];

export function isMeasured(outcome: CandidateOutcome): outcome is MeasuredOutcome {
  return outcome.state === 'ok' || outcome.state === 'too-slow';
}

/** What a kernel takes of the machine beside time. Of two that are equally fast, the one that takes less is the better one. */
export interface KernelResources {
  /** Registers per thread (GPU). */
  readonly registers?: number;
  /** Static and dynamic shared memory of a block (GPU), bytes. */
  readonly sharedBytes?: number;
  /** Machine code, bytes. */
  readonly codeBytes?: number;
}

/** The state of the machine while samples were taken. What could not be read is absent. */
export interface Conditions {
  /** Shares of all processors' time, 0 to 1: taken by the hypervisor for other machines, and by other processes of this one. */
  readonly stealShare?: number;
  readonly otherShare?: number;
  /** Processor clock, the mean over cores. */
  readonly cpuMhz?: number;
  readonly smClockMhz?: number;
  readonly memClockMhz?: number;
  readonly powerW?: number;
  readonly temperatureC?: number;
  /** Why a GPU's clocks were lowered, e.g. `power cap`. */
  readonly throttle?: readonly string[];
}

/** What is known of a candidate beside its outcome. */
export interface CandidateFacts {
  /** SHA-256 of its machine code: equal code is timed once. */
  readonly machineCode?: string;
  readonly resources?: KernelResources;
  /** Its time was not measured but taken over from this kernel, whose machine code is the same. */
  readonly sameCodeAs?: string;
  /** Wall time that it took to compile (its share of its batch), and to verify and measure. */
  readonly compileMs?: number;
  readonly evaluateMs?: number;
  readonly conditions?: Conditions;
  /** Pairs of samples that were thrown away because the machine was disturbed, and whether the kept ones still look disturbed. */
  readonly retaken?: number;
  readonly dirty?: boolean;
}

/** A compiled kernel: a shared object and the id inside it. */
export interface KernelBinary {
  readonly kernelId: string;
  /** Path of the shared object. */
  readonly path: string;
}

/** A candidate of one problem. */
export interface Candidate {
  readonly axes: AxisValues;
  readonly kernelId: string;
  /** SHA-256 of the rendered source. */
  readonly sourceHash: string;
}

/** Everything that must be equal for an old result to answer for a new one. */
export interface ResultKey {
  readonly problem: string;
  readonly kernelId: string;
  readonly sourceHash: string;
  readonly deviceKey: string;
  readonly compiler: string;
  readonly regime: string;
}

export function resultKeyText(key: ResultKey): string {
  return [key.problem, key.kernelId, key.sourceHash, key.deviceKey, key.compiler, key.regime].join('\u0000');
}

/** A problem as one line, equal for equal problems whatever the order of their keys, e.g. `linear_gemv[dtype=bf16](in=256,out=512,rows=1)`. */
export function problemKey(problem: Problem): string {
  return `${problem.family}[${listing(problem.params)}](${listing(problem.dims)})`;
}

function listing(values: Params | Dims): string {
  return Object.entries(values)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

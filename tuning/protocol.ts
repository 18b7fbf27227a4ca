/** Messages between the tuner and its worker process. Plain JSON. */
import type { Params, Problem } from '../generator/types.js';
import type { DeviceIdentity } from '../runtime/device/types.js';
import type { CandidateOutcome, Conditions, FailedState, KernelBinary } from './types.js';
import type { VendorInfo } from './vendor.js';

export interface WorkerInfo {
  readonly identity: DeviceIdentity;
  readonly threads: number;
  readonly isa: string;
  /** What the device has of a vendor's library. */
  readonly vendor?: VendorInfo;
}

export interface EvaluateRequest {
  readonly problem: Problem;
  readonly candidate: KernelBinary;
  /** The default variant of the same problem. */
  readonly standard: KernelBinary;
  /** The candidate has passed its form's ragged problems before. */
  readonly formVerified: boolean;
  /** Best median of candidate / default so far. */
  readonly bestRatio: number | null;
  /** Pairs of samples to take now. */
  readonly samples: number;
  /** It was verified for this problem before: only time it. */
  readonly verified: boolean;
  /** Runs between pairs of samples: tells whether the machine was disturbed. Null: the default variant's own samples tell. */
  readonly control: ControlRequest | null;
  readonly seed: number;
}

/** How an evaluation was taken; the outcome is the candidate's. */
export interface EvaluateReply {
  readonly outcome: CandidateOutcome;
  readonly conditions: Conditions | null;
  /** Pairs that were thrown away and taken again. */
  readonly retaken: number;
  /** The kept samples still look disturbed: the machine did not come to rest. */
  readonly dirty: boolean;
}

export interface ControlRequest {
  readonly kernel: KernelBinary;
  readonly problem: Problem;
}

export interface FinalRequest {
  readonly problem: Problem;
  readonly kernels: readonly KernelBinary[];
  readonly control: ControlRequest | null;
  /** Calm rounds wanted. */
  readonly rounds: number;
  /** Of the contents. A held-out final uses another than the search. */
  readonly seed: number;
  /** `rotation`: a sample is some launches over the next buffer sets. `replay`: one recorded plan over all sets, replayed whole, as a model's step. */
  readonly launch: 'rotation' | 'replay';
}

export interface FinalReply {
  /** Per kernel, in the order of the request. Calm rounds only, unless `dirty`. */
  readonly samplesNs: readonly (readonly number[])[];
  readonly controlNs: readonly number[];
  /** Rounds that were thrown away and run again. */
  readonly retaken: number;
  /** Calm rounds did not come: disturbed ones are among the samples. */
  readonly dirty: boolean;
  readonly conditions: Conditions | null;
}

export interface VerifyRequest {
  readonly family: string;
  readonly params: Params;
  readonly candidate: KernelBinary;
  readonly problems: readonly Problem[];
  readonly seed: number;
}

export interface CaseFailure {
  readonly problem: string;
  readonly seed: number;
  readonly state: FailedState;
  readonly message: string;
}

export interface VerifyReply {
  /** Launches that were compared with the reference. */
  readonly cases: number;
  /** Of those, how many failed; the first few are in `failures`. */
  readonly failed: number;
  readonly failures: readonly CaseFailure[];
  /** Largest error as a share of its bound. */
  readonly worst: number;
  /** The device reported a fault and must not be used any more; the cases after it were not run. */
  readonly deviceLost: boolean;
}

/** `prepare` computes oracles and fills buffers, which runs no kernel and so has no candidate to blame for its time. */
export type WorkerJob =
  | { readonly type: 'prepare'; readonly problem: Problem; readonly seed: number }
  | { readonly type: 'evaluate'; readonly request: EvaluateRequest }
  | { readonly type: 'final'; readonly request: FinalRequest }
  | { readonly type: 'verify'; readonly request: VerifyRequest };

export type ToWorker =
  | { readonly id: number; readonly job: WorkerJob }
  /** Answers `quiet`: compilers are stopped. `groups` are their process groups, which the worker must end if the tuner dies before `loud`. */
  | { readonly quietFor: number; readonly groups: readonly number[] };

export type FromWorker =
  | { readonly type: 'ready'; readonly info: WorkerInfo }
  /** The worker could not start, or a job failed for a reason that is not the candidate's. */
  | { readonly type: 'failed'; readonly id: number | null; readonly name: string; readonly message: string }
  /** A kernel is about to run: who is to blame if the worker dies now. */
  | { readonly type: 'running'; readonly id: number; readonly kernelId: string; readonly detail?: string }
  | { readonly type: 'prepared'; readonly id: number }
  /** Samples are about to be taken: nothing else may run until `loud`. The worker waits for the answer. Sent only where the host's load shows in timings. */
  | { readonly type: 'quiet'; readonly id: number }
  | { readonly type: 'loud'; readonly id: number }
  | { readonly type: 'evaluated'; readonly id: number; readonly reply: EvaluateReply; readonly deviceLost?: true }
  | { readonly type: 'finished'; readonly id: number; readonly reply: FinalReply }
  | { readonly type: 'verified'; readonly id: number; readonly reply: VerifyReply };

/** Messages between the tuner and its worker process. Plain JSON. */
import type { Params, Problem } from '../generator/types.js';
import type { DeviceIdentity } from '../runtime/device/types.js';
import type { CandidateOutcome, FailedState, KernelBinary } from './types.js';
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
  readonly seed: number;
}

export interface ControlRequest {
  readonly kernel: KernelBinary;
  readonly problem: Problem;
}

export interface FinalRequest {
  readonly problem: Problem;
  readonly kernels: readonly KernelBinary[];
  readonly control: ControlRequest | null;
  readonly rounds: number;
  readonly seed: number;
}

export interface FinalReply {
  /** Per kernel, in the order of the request. */
  readonly samplesNs: readonly (readonly number[])[];
  readonly controlNs: readonly number[];
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

export type ToWorker = { readonly id: number; readonly job: WorkerJob };

export type FromWorker =
  | { readonly type: 'ready'; readonly info: WorkerInfo }
  /** The worker could not start, or a job failed for a reason that is not the candidate's. */
  | { readonly type: 'failed'; readonly id: number | null; readonly name: string; readonly message: string }
  /** A kernel is about to run: who is to blame if the worker dies now. */
  | { readonly type: 'running'; readonly id: number; readonly kernelId: string; readonly detail?: string }
  | { readonly type: 'prepared'; readonly id: number }
  | { readonly type: 'evaluated'; readonly id: number; readonly outcome: CandidateOutcome; readonly deviceLost?: true }
  | { readonly type: 'finished'; readonly id: number; readonly reply: FinalReply }
  | { readonly type: 'verified'; readonly id: number; readonly reply: VerifyReply };

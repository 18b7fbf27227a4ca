/** The shape of a benchmark's result: what `griffin bench --json` prints and what the reports are rendered from. */
import type { GpuIdentity, GpuSensors } from '../device/types.js';
import type { PeerResult } from './peer.js';
import type { Ratio, Spread } from './rounds.js';

export interface RoofResult {
  /** Bytes per second read, or floating-point operations per second. */
  readonly perSecond: number;
  /** Median absolute deviation as a share of the median. */
  readonly spread: number;
  /** How it was measured. */
  readonly how: string;
}

export interface PrefillResult {
  readonly promptTokens: number;
  readonly ms: Spread;
  readonly tokensPerSecond: number;
  readonly flops: number;
  /** Achieved floating-point rate of the whole prefill as a share of the measured FMA roof. */
  readonly shareOfFmaRoof: number;
  /** The same for the matrix products alone (from the profile of one chunk); null when there is no profile. */
  readonly gemmShareOfFmaRoof: number | null;
  /** Time of GRIFFIN's statistic (activation norms and column sums) and selection as a share of prefill; null when not measured. */
  readonly statisticShare: number | null;
  readonly selectMs: number | null;
  /** Where the time of one chunk goes. */
  readonly steps: readonly PrefillStep[];
}

export interface PrefillStep {
  readonly operation: string;
  readonly kernel: string;
  readonly calls: number;
  readonly usPerChunk: number;
  readonly shareOfChunk: number;
  /** Null where arithmetic is not the limit. */
  readonly shareOfFmaRoof: number | null;
}

export type Strategy = 'gather' | 'compact';

export interface DecodeResult {
  readonly density: number;
  /** How the kept neurons are read; `dense` for the full model. */
  readonly strategy: Strategy | 'dense';
  readonly keptNeurons: number;
  /** Device time per token. */
  readonly msPerToken: Spread;
  /** Wall-clock time per token over device time per token: what the host adds. */
  readonly wallOverDevice: number;
  readonly tokensPerSecond: number;
  readonly bytesPerToken: number;
  readonly bytesPerSecond: number;
  readonly shareOfReadRoof: number;
  /** Of the bandwidth that memory clock and bus width allow; null where the device does not tell them. */
  readonly shareOfDataSheet: number | null;
  /** Against the full model, round by round; null for the full model itself or when it was not measured. */
  readonly speedup: Ratio | null;
  readonly idealSpeedup: number;
  /** Time of gather over time of compact, round by round; only on the `gather` entry when both were measured. */
  readonly gatherOverCompact: Ratio | null;
}

export interface StepProfile {
  /** Operation, e.g. `gate_up`. */
  readonly operation: string;
  readonly kernel: string;
  readonly callsPerToken: number;
  readonly usPerToken: number;
  readonly shareOfToken: number;
  /** Bytes per token that the operation must read; null where that is not the limit. */
  readonly bytesPerToken: number | null;
  readonly shareOfReadRoof: number | null;
}

export interface DecodeProfile {
  readonly density: number;
  readonly strategy: Strategy | 'dense';
  readonly steps: readonly StepProfile[];
}

export interface FfKernelResult {
  /** `gate_up` or `down`. */
  readonly operation: string;
  readonly variant: 'dense' | 'gather' | 'compact';
  readonly kernel: string;
  readonly origin: string;
  readonly k: number;
  readonly bytes: number;
  readonly us: Spread;
  readonly bytesPerSecond: number;
  /** Against the read roof measured in the same rounds. */
  readonly shareOfReadRoof: Ratio;
  /** Time over the time of the compacted form in the same rounds; null for the other variants. */
  readonly overCompact: Ratio | null;
}

export interface KernelOrigin {
  readonly use: string;
  readonly kernel: string;
  /** winner, nearest, or default; with what it was measured on where that is known. */
  readonly origin: string;
}

export interface BenchResult {
  readonly schema: 1;
  readonly name: string;
  readonly date: string;
  readonly model: {
    readonly name: string;
    readonly weights: 'checkpoint' | 'random';
    readonly layers: number;
    readonly hidden: number;
    readonly intermediate: number;
    readonly heads: number;
    readonly kvHeads: number;
    readonly headDim: number;
    readonly vocab: number;
    readonly dtype: string;
    readonly weightBytes: number;
  };
  readonly device: { readonly kind: string; readonly name: string; readonly key: string; readonly isa: string; readonly threads: number; readonly cacheBytes: number; readonly gpu: GpuIdentity | null };
  readonly library: string | null;
  readonly settings: { readonly promptTokens: number; readonly newTokens: number; readonly rounds: number; readonly meanContext: number };
  readonly roofs: { readonly read: RoofResult; readonly fma: RoofResult };
  /** Clocks and state of a GPU right after the measured rounds, while it was warm. */
  readonly sensors: GpuSensors | null;
  /** What other programs need for the same work, measured in the same session on the same device. */
  readonly peers: readonly PeerResult[];
  readonly prefill: PrefillResult | null;
  readonly decode: readonly DecodeResult[];
  readonly profiles: readonly DecodeProfile[];
  readonly ffKernels: readonly FfKernelResult[];
  readonly kernels: readonly KernelOrigin[];
  readonly notes: readonly string[];
}

/** A kernel library as a report tells it: plain data, the same for HTML, Markdown and CSV. Times in nanoseconds unless named otherwise. */
import type { DeviceWinners, FfStrategyDecision } from '../../runtime/library/schema.js';
import type { CandidateOutcome, KernelResources, OutcomeState } from '../types.js';

/** A kernel's time / the default variant's: the median over pairs taken in turn, and the 95 % confidence interval of that median. */
export interface Ratio {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export interface ReportData {
  readonly library: string;
  /** ISO 8601. */
  readonly writtenAt: string;
  /** By device and regime; the one with most problems first. */
  readonly sections: readonly SectionReport[];
  readonly runs: readonly RunSummary[];
  readonly journals: readonly JournalFile[];
  /** Library entries that could not be read, each with the reason. */
  readonly badEntries: readonly string[];
}

export interface JournalFile {
  readonly name: string;
  readonly lines: number;
  /** Unreadable; of another schema version. */
  readonly badLines: number;
  readonly oldLines: number;
}

export interface RunSummary {
  readonly run: string;
  readonly deviceKey: string;
  readonly regime: string;
  readonly startedAt: string;
  /** Of its last line. */
  readonly lastAt: string;
  /** `killed`: it did not end in good order (or is still going). */
  readonly end: 'done' | 'interrupted' | 'failed' | 'killed';
  readonly dirty: boolean;
  readonly strategy: string;
  readonly effort: string;
  readonly shard: string | null;
  readonly seed: number;
  readonly toolVersion: string;
  readonly host: string;
  /** Candidates that it ran, and finals. */
  readonly candidates: number;
  readonly finals: number;
}

/** One device in one regime. */
export interface SectionReport {
  /** Usable as a fragment of an address. */
  readonly id: string;
  readonly deviceKey: string;
  readonly deviceName: string;
  readonly identity: DeviceWinners['device'] | null;
  readonly regime: string;
  readonly drivers: readonly string[];
  readonly compilers: readonly string[];
  readonly problems: readonly ProblemDetail[];
  readonly decisions: readonly FfStrategyDecision[];
  readonly outcomes: OutcomeCounts;
  readonly messages: readonly MessageGroup[];
  readonly conditions: ConditionsSummary;
  readonly headline: Headline;
  /** What the reader should do next, most urgent first; each with a command where there is one. */
  readonly advice: readonly Advice[];
}

export type OutcomeCounts = Readonly<Record<OutcomeState, number>>;

export interface Headline {
  /** Problems with a winner in the library, and all that were tried. */
  readonly decided: number;
  readonly problems: number;
  /** The default's time / the winner's, over decided problems (1 where the default stays). Null without any. */
  readonly medianSpeedUp: number | null;
  readonly bestSpeedUp: number | null;
  /** Problems whose default variant stays. */
  readonly defaults: number;
  readonly medianRoofShare: number | null;
  readonly candidates: number;
  readonly failed: number;
  /** Wall time in compiling and in measuring, seconds. */
  readonly compileSeconds: number;
  readonly evaluateSeconds: number;
  /** Problems whose decision was taken while the machine was disturbed. */
  readonly dirty: number;
}

export interface Advice {
  readonly level: 'warning' | 'hint' | 'good';
  readonly text: string;
  readonly command: string | null;
}

/** Candidates that ended alike: their messages with numbers left out. */
export interface MessageGroup {
  readonly state: OutcomeState;
  readonly message: string;
  readonly count: number;
  /** One of them, and the label of the problem that it was tried for. */
  readonly kernelId: string;
  readonly problem: string;
}

export interface ConditionsSummary {
  /** Evaluations and finals. */
  readonly measurements: number;
  readonly dirty: number;
  /** Pairs of samples that were thrown away because the machine was disturbed. */
  readonly retaken: number;
  /** What was recorded, e.g. steal share, processor clock. */
  readonly readings: readonly Reading[];
  /** How many measurements saw each reason for lowered clocks. */
  readonly throttle: readonly { readonly reason: string; readonly count: number }[];
}

export interface Reading {
  readonly name: string;
  readonly unit: 'share' | 'MHz' | 'W' | '°C';
  readonly count: number;
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

/** One problem in one instruction set. */
export interface ProblemDetail {
  readonly id: string;
  /** Short; tells it from the section's other problems. */
  readonly label: string;
  /** `problemKey` of it. */
  readonly problem: string;
  readonly family: string;
  readonly params: Readonly<Record<string, string>>;
  readonly dims: Readonly<Record<string, number>>;
  readonly isa: string;
  readonly summary: string | null;
  readonly defaultId: string | null;
  readonly winner: WinnerDetail | null;
  /** Why this winner, or why there is none. */
  readonly reason: string;
  /** All finalists, fastest first. */
  readonly standings: readonly Standing[];
  readonly candidates: readonly CandidateDetail[];
  /** Valid variants, where they could be counted in short time. */
  readonly spaceSize: number | null;
  readonly axes: readonly AxisEffect[];
  readonly convergence: readonly ConvergencePoint[];
  readonly outcomes: OutcomeCounts;
  readonly messages: readonly MessageGroup[];
  readonly compileSeconds: number;
  readonly evaluateSeconds: number;
  /** What the problem asks of the machine, from the family's own account. */
  readonly cost: { readonly readBytes: number; readonly writeBytes: number; readonly flops: number } | null;
}

export interface WinnerDetail {
  readonly kernelId: string;
  readonly isDefault: boolean;
  readonly medianNs: number;
  readonly defaultNs: number;
  /** The default's time / the winner's, with its interval where one was recorded. */
  readonly speedUp: number;
  readonly speedUpLow: number | null;
  readonly speedUpHigh: number | null;
  /** Share of the machine's measured limit (read bandwidth or multiply-adds, the nearer one), and what the default reached. */
  readonly roofShare: number | null;
  readonly defaultRoofShare: number | null;
  /** Finalists that cannot be told from it. */
  readonly tied: readonly string[];
  readonly dirty: boolean;
  readonly measuredAt: string;
  readonly run: string;
  readonly driver: string;
  readonly compiler: string;
}

export interface Standing {
  readonly kernelId: string;
  readonly isDefault: boolean;
  readonly medianNs: number;
  readonly ratio: Ratio;
  readonly samples: number;
  readonly tied: boolean;
  /** It beat the default in the final, but not on held-out contents. */
  readonly refuted: boolean;
  /** On other contents than the search saw, in a replayed plan; null where it did not run there. */
  readonly heldOut: Ratio | null;
}

export interface CandidateDetail {
  readonly kernelId: string;
  readonly isDefault: boolean;
  /** Null for a kernel of a vendor's library, which has none. */
  readonly axes: Readonly<Record<string, number>> | null;
  readonly state: CandidateOutcome['state'];
  readonly message: string;
  /** Median of its time / the default's; null when it was not measured. */
  readonly ratio: number | null;
  readonly medianNs: number | null;
  readonly samples: number;
  readonly resources: KernelResources;
  readonly sameCodeAs: string | null;
  readonly compileMs: number | null;
  readonly evaluateMs: number | null;
  readonly retaken: number;
  readonly dirty: boolean;
  /** When it was first tried. */
  readonly at: string;
  readonly run: string;
}

export interface AxisEffect {
  readonly axis: string;
  readonly doc: string;
  /** Share of the variance of log time that this axis alone explains (ω², 0 to 1); null with too few candidates to say. */
  readonly share: number | null;
  /** By value, ascending; only those that were measured. */
  readonly values: readonly AxisValueEffect[];
}

export interface AxisValueEffect {
  readonly value: number;
  readonly count: number;
  /** Of the candidates' ratios to the default. */
  readonly best: number;
  readonly lowQuartile: number;
  readonly median: number;
  readonly highQuartile: number;
  readonly isWinner: boolean;
}

export interface ConvergencePoint {
  /** Candidates tried so far, this one included; failed ones count. */
  readonly tried: number;
  /** Wall time spent on compiling and measuring this problem so far. */
  readonly seconds: number;
  /** Best ratio to the default so far. */
  readonly best: number;
  readonly kernelId: string;
}

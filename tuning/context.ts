/** What a tuning run works with, and what it says about itself while it goes. */
import type { FfStrategyDecision } from '../runtime/library/schema.js';
import type { Clock } from './budget.js';
import type { Journal } from './journal/journal.js';
import type { KernelBuilder } from './kernel-builder.js';
import type { LibraryWriter } from './library/writer.js';
import type { WorkerInfo } from './protocol.js';
import type { Probes } from './roof.js';
import type { TuningWorker } from './worker-client.js';

export interface TuneProgress {
  readonly phase: 'compile' | 'measure' | 'final';
  /** What is being worked on, for people. */
  readonly detail: string;
  readonly elapsedMs: number;
  /** Expected time until the run is over. */
  readonly remainingMs: number;
  readonly tried: number;
  /** Problems whose winner beats the default, so far. */
  readonly improved: number;
}

export interface TunerContext {
  readonly worker: TuningWorker;
  readonly info: WorkerInfo;
  readonly builder: KernelBuilder;
  readonly journal: Journal;
  readonly writer: LibraryWriter;
  readonly probes: Probes;
  readonly clock: Clock;
  /** Clock time at which the run began, and how long it may take: infinite where only the effort limits it. */
  readonly startedMs: number;
  readonly budgetMs: number;
  readonly regime: string;
  readonly driver: string;
  readonly seed: number;
  /** Finalists' binaries go into the library too: a merge of shards may choose any of them. */
  readonly keepFinalists: boolean;
  /** Candidates that were running when an earlier run died get another chance. The default variant always does. */
  readonly retryQuarantined: boolean;
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
  /** Milliseconds after which the library first had a measured winner for every problem. */
  usableAfterMs: number | null;
  /** Samples that were thrown away because the machine was disturbed; those of finals are rounds. */
  retaken: number;
  /** Problems whose final was disturbed to the end. */
  dirty: boolean;
}

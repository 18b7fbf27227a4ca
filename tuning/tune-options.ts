/** What can be asked of `tune`, and what is filled in where nothing was asked. */
import { join } from 'node:path';
import { FAMILIES } from '../generator/families/index.js';
import type { Family, Isa } from '../generator/types.js';
import { readModelConfig } from '../runtime/checkpoint/config.js';
import type { ModelConfig } from '../runtime/checkpoint/types.js';
import type { DeviceIdentity } from '../runtime/device/types.js';
import { UsageError } from '../runtime/errors.js';
import { EFFORTS, type Clock, type Effort } from './budget.js';
import type { TuneProgress } from './context.js';
import { DEVICE_ENVIRONMENT_URL } from './device-environment.js';
import type { DeviceRequest } from './environment.js';
import { candidateDirectory, createKernelBuilder, type KernelBuilder } from './kernel-builder.js';
import { compilerFor } from './kernel-compilers.js';
import { modelProblems } from './problems.js';
import type { QuietGate } from './quiet.js';
import type { Restriction } from './restrict.js';
import { DEFAULT_STRATEGY, STRATEGIES, type StrategyName } from './search/index.js';
import type { TuningProblem } from './types.js';

export interface TuneOptions {
  /** A name as `openDevice` takes it: `cpu`, `cpu:avx2`, `cuda:0`, `emulated`. Default `cpu`. */
  readonly device?: string;
  /** The model's shape: this, or `modelDir`. */
  readonly config?: ModelConfig;
  /** A checkpoint directory; only its `config.json` is read. */
  readonly modelDir?: string;
  /**
   * Milliseconds. Every problem gets at least its default variant measured, even if that takes longer. Default: 30 000, or no limit
   * where `effort` is given.
   */
  readonly budgetMs?: number;
  /** How many candidates a problem may try: a few, a good sample, all. Default `normal`. */
  readonly effort?: Effort;
  /** How candidates are chosen. Default: the strategy that did best on replayed spaces. */
  readonly strategy?: StrategyName;
  /** Only these kernel families. Default: all that the model needs. */
  readonly families?: readonly string[];
  /** Only these values on these axes. */
  readonly restriction?: Restriction;
  /** Search one of `of` equal parts of every space, `index` from 0. Results go into a journal of its own, to be merged. */
  readonly shard?: { readonly index: number; readonly of: number };
  /** A file of recorded expert lists, as `generate --record-experts` writes it: gathers are then timed on these and on uniform lists. */
  readonly experts?: string;
  /** Try candidates again that were running when an earlier run was killed. Default false: they may have been the reason. */
  readonly retryQuarantined?: boolean;
  /** Library directory. Default: `$GRIFFIN_KERNELS_HOME`, else a per-user cache directory. */
  readonly library?: string;
  /** Threads of the kernels. Default: the device's. Winners are for this number of threads. */
  readonly threads?: number;
  /** Share of the FF neurons kept, for the sparse problems. Default 0.5. */
  readonly density?: number;
  /** Seed of the search order and of contents. Default 0. */
  readonly seed?: number;
  /** Stops cleanly: what was measured is kept, winners so far are written, and the report says `interrupted`. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TuneProgress) => void;
  /** For another kind of device, and for tests. */
  readonly parts?: Partial<TuneParts>;
}

/** What a device kind brings. */
export interface TuneParts {
  readonly families: readonly Family[];
  /** URL of the module that workers load: exports `environment`. */
  readonly environmentUrl: string;
  readonly createBuilder: (library: string, device: DeviceIdentity, gate: QuietGate) => Promise<KernelBuilder>;
  readonly problems: (config: ModelConfig, isa: Isa) => readonly TuningProblem[];
  readonly clock: Clock;
  readonly today: () => Date;
  /** Time after which a candidate is stopped. Default: a sixth of the budget, 4 to 20 s. */
  readonly candidateLimitMs: number;
}

/** The options with every default filled in. */
export interface TuneSettings {
  readonly config: ModelConfig;
  /** Infinite where only the effort limits the run. */
  readonly budgetMs: number;
  readonly effort: Effort;
  readonly strategy: StrategyName;
  readonly seed: number;
  readonly device: DeviceRequest;
  readonly parts: TuneParts;
}

const DEFAULT_BUDGET_MS = 30_000;
const EMULATED_LIMIT_MS = 300_000;

/** Throws UsageError for what contradicts itself, CheckpointError for a config that cannot be read. */
export function settingsOf(options: TuneOptions): TuneSettings {
  const effort = options.effort ?? 'normal';
  if (!EFFORTS.includes(effort)) throw new UsageError(`unknown effort "${String(effort)}"; expected one of ${EFFORTS.join(', ')}`);
  const strategy = options.strategy ?? (effort === 'exhaustive' ? 'exhaustive' : DEFAULT_STRATEGY);
  if (!STRATEGIES.includes(strategy)) throw new UsageError(`unknown search strategy "${String(strategy)}"; expected one of ${STRATEGIES.join(', ')}`);
  const budgetMs = options.budgetMs ?? (options.effort === undefined ? DEFAULT_BUDGET_MS : Number.POSITIVE_INFINITY);
  if (!(budgetMs > 0)) throw new UsageError(`the budget must be a positive number of milliseconds, found ${budgetMs}`);
  const { shard } = options;
  if (shard !== undefined && !(Number.isInteger(shard.index) && Number.isInteger(shard.of) && shard.index >= 0 && shard.index < shard.of)) {
    throw new UsageError(`there is no part ${shard.index + 1} of ${shard.of}; expected i/n with 1 ≤ i ≤ n`);
  }
  const device: DeviceRequest = {
    device: options.device ?? 'cpu',
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.experts === undefined ? {} : { experts: options.experts }),
  };
  return { config: configOf(options), budgetMs, effort, strategy, seed: options.seed ?? 0, device, parts: partsOf(options, budgetMs) };
}

function configOf(options: TuneOptions): ModelConfig {
  if (options.config !== undefined && options.modelDir === undefined) return options.config;
  if (options.modelDir !== undefined && options.config === undefined) return readModelConfig(join(options.modelDir, 'config.json'));
  throw new UsageError('tune needs either a model directory or a model shape, not both');
}

function partsOf(options: TuneOptions, budgetMs: number): TuneParts {
  return {
    families: FAMILIES,
    environmentUrl: DEVICE_ENVIRONMENT_URL,
    createBuilder: async (library, device, gate) => createKernelBuilder(candidateDirectory(library), await compilerFor(device), { gate }),
    problems: (config, isa) => modelProblems(config, { isa, ...(options.density === undefined ? {} : { density: options.density }) }),
    clock: { now: () => performance.now() },
    today: () => new Date(),
    // Nothing is hung on the emulated device because it is slow.
    candidateLimitMs: options.device?.startsWith('emulated') === true ? EMULATED_LIMIT_MS : Math.min(20_000, Math.max(4_000, budgetMs / 6)),
    ...options.parts,
  };
}

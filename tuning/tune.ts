/** `tune()`: finds the fastest kernels of this machine for a model, and writes them to a library that the runtime overlays. */
import { join } from 'node:path';
import { GeneratorError } from '../generator/errors.js';
import { FAMILIES } from '../generator/families/index.js';
import { isasOf, isIsa } from '../generator/targets.js';
import type { Family, Isa } from '../generator/types.js';
import { readModelConfig } from '../runtime/checkpoint/config.js';
import type { ModelConfig } from '../runtime/checkpoint/types.js';
import type { DeviceIdentity } from '../runtime/device/types.js';
import { AbortedError, TuneError, UsageError } from '../runtime/errors.js';
import { readManifest, type Manifest } from '../runtime/library/manifest.js';
import { libraryDirectory } from '../runtime/paths.js';
import type { Clock } from './budget.js';
import { DEVICE_ENVIRONMENT_URL } from './device-environment.js';
import type { DeviceRequest } from './environment.js';
import { openJournal } from './journal.js';
import { candidateDirectory, createKernelBuilder, type KernelBuilder } from './kernel-builder.js';
import { compilerFor } from './kernel-compilers.js';
import { openLibraryWriter } from './library-writer.js';
import { createProblemState, countStates, type ProblemState } from './problem-state.js';
import { modelProblems } from './problems.js';
import { failuresOf, formatMarkdown, reportProblem, type TuneReport } from './report.js';
import { measureRoof } from './roof.js';
import { runTuning, type TuneProgress, type TunerContext, type TuningResult } from './tuner.js';
import type { TuningProblem } from './types.js';
import type { WorkerInfo } from './protocol.js';
import { withVendor } from './vendor.js';
import { createWorker } from './worker-client.js';

export interface TuneOptions {
  /** A name as `openDevice` takes it: `cpu`, `cpu:avx2`, `cuda:0`, `emulated`. Default `cpu`. */
  readonly device?: string;
  /** The model's shape: this, or `modelDir`. */
  readonly config?: ModelConfig;
  /** A checkpoint directory; only its `config.json` is read. */
  readonly modelDir?: string;
  /** Milliseconds. Every problem gets at least its default variant measured, even if that takes longer. Default 30 000. */
  readonly budgetMs?: number;
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
  readonly createBuilder: (library: string, device: DeviceIdentity) => Promise<KernelBuilder>;
  readonly problems: (config: ModelConfig, isa: Isa) => readonly TuningProblem[];
  readonly clock: Clock;
  readonly today: () => Date;
  /** Time after which a candidate is stopped. Default: a sixth of the budget, 4 to 20 s. */
  readonly candidateLimitMs: number;
}

const DEFAULT_BUDGET_MS = 30_000;
const EMULATED_LIMIT_MS = 300_000;

/**
 * Tunes and writes the library. Resolves with the report, also after an abort (`interrupted: true`). Throws UsageError (options),
 * CheckpointError (config), CompilerError (no compiler), FileError and LibraryError (library directory), TuneError.
 */
export async function tune(options: TuneOptions): Promise<TuneReport> {
  const config = configOf(options);
  const parts = partsOf(options);
  const budgetMs = options.budgetMs ?? DEFAULT_BUDGET_MS;
  if (!(budgetMs > 0)) throw new UsageError(`the budget must be a positive number of milliseconds, found ${budgetMs}`);
  const seed = options.seed ?? 0;
  const startedMs = parts.clock.now();
  const directory = libraryDirectory(options.library);
  const writer = openLibraryWriter(directory);
  const journal = openJournal(join(directory, 'journal.jsonl'), parts.today);
  const request = deviceRequest(options);
  const worker = createWorker({ environmentUrl: parts.environmentUrl, device: request, ...(options.signal === undefined ? {} : { signal: options.signal }) });
  try {
    const info = await worker.info();
    const compiled = await parts.createBuilder(directory, info.identity);
    const builder = info.vendor === undefined ? compiled : withVendor(compiled, info.vendor);
    const isas = isasToTune(info);
    const states = parts.problems(config, isas[0]).flatMap((problem) => {
      const family = familyOf(parts.families, problem);
      return isas
        .filter((isa) => isasOf(family).includes(isa))
        .map((isa) => asTuneError(() => createProblemState(problem, family, isa, seed, info.identity.gpu?.capability, info.vendor)));
    });
    const result: TuningResult = { decisions: [], controlNs: [], droppedEntries: 0 };
    let probes: TunerContext['probes'] = { control: null, roof: null, controlBytes: 0 };
    let interrupted = false;
    try {
      probes = await measureRoof(worker, builder, parts.families, isas, info, seed, options.signal);
      await runTuning(
        states,
        {
          worker,
          info,
          builder,
          journal,
          writer,
          probes,
          clock: parts.clock,
          startedMs,
          budgetMs,
          regime: regimeOf(info, request),
          seed,
          candidateLimitMs: parts.candidateLimitMs,
          today: parts.today,
          ...(options.signal === undefined ? {} : { signal: options.signal }),
          ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
        },
        result,
      );
    } catch (error) {
      if (!(error instanceof AbortedError) && options.signal?.aborted !== true) throw error;
      interrupted = true;
    }
    const report: TuneReport = {
      device: info.identity,
      threads: info.threads,
      isa: isas.join(', '),
      compiler: builder.compiler,
      library: directory,
      budgetMs,
      elapsedMs: parts.clock.now() - startedMs,
      interrupted,
      roof: probes.roof,
      controlSpread: result.controlNs.length === 0 ? null : Math.max(...result.controlNs) / Math.min(...result.controlNs),
      problems: states.map((state) => reportProblem(state, probes.roof)),
      decisions: result.decisions,
      outcomes: countStates(states),
      failures: failuresOf(states),
      warnings: staleForms(states, builder),
      skipped: { journalLines: journal.badLines, libraryEntries: result.droppedEntries },
    };
    writer.writeText('report.json', `${JSON.stringify(report, null, 1)}\n`);
    writer.writeText('report.md', formatMarkdown(report));
    requireResult(states, interrupted);
    return report;
  } finally {
    await worker.close();
    journal.close();
  }
}

/**
 * The runtime takes a winner only if the form's default source in `generated/` is the one that it was measured with: where templates were
 * changed and `generated/` was not, it will ignore what was tuned.
 */
function staleForms(states: readonly ProblemState[], builder: KernelBuilder): readonly string[] {
  let forms: Manifest['forms'];
  try {
    ({ forms } = readManifest());
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
  const stale = new Set(states.filter((state) => (forms[state.formId]?.sha256 ?? null) !== null && forms[state.formId]?.sha256 !== builder.formHash(state.form, state.family)).map((state) => state.formId));
  if (stale.size === 0) return [];
  return [`generated/ is older than the templates for ${[...stale].join(', ')}: the runtime will ignore these winners until \`npm run generate && npm run build\``];
}

/** A run in which no problem has even a working default is a failure, not a report. */
function requireResult(states: readonly ProblemState[], interrupted: boolean): void {
  if (interrupted || states.length === 0 || states.some((state) => state.failure === null)) return;
  throw new TuneError(`no problem could be tuned; the first: ${states[0]?.key ?? ''}: ${states[0]?.failure ?? ''}`, { remedy: 'griffin doctor' });
}

/** Errors of the generator room are its own; a caller of the tuner gets the runtime's typed ones. */
function asTuneError<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof GeneratorError)) throw error;
    throw new TuneError(error.message, { remedy: 'griffin kernels list', cause: error });
  }
}

function configOf(options: TuneOptions): ModelConfig {
  if (options.config !== undefined && options.modelDir === undefined) return options.config;
  if (options.modelDir !== undefined && options.config === undefined) return readModelConfig(join(options.modelDir, 'config.json'));
  throw new UsageError('tune needs either a model directory or a model shape, not both');
}

function partsOf(options: TuneOptions): TuneParts {
  const budgetMs = options.budgetMs ?? DEFAULT_BUDGET_MS;
  return {
    families: FAMILIES,
    environmentUrl: DEVICE_ENVIRONMENT_URL,
    createBuilder: async (library, device) => createKernelBuilder(candidateDirectory(library), await compilerFor(device)),
    problems: (config, isa) => modelProblems(config, { isa, ...(options.density === undefined ? {} : { density: options.density }) }),
    clock: { now: () => performance.now() },
    today: () => new Date(),
    // Nothing is hung on the emulated device because it is slow.
    candidateLimitMs: options.device?.startsWith('emulated') === true ? EMULATED_LIMIT_MS : Math.min(20_000, Math.max(4_000, budgetMs / 6)),
    ...options.parts,
  };
}

function deviceRequest(options: TuneOptions): DeviceRequest {
  return { device: options.device ?? 'cpu', ...(options.threads === undefined ? {} : { threads: options.threads }) };
}

/** A GPU runs all of its sets, and a family may have forms for several: each is a space of its own. A CPU runs the one that the device stands for. */
function isasToTune({ identity, isa }: WorkerInfo): readonly [Isa, ...Isa[]] {
  const names = identity.gpu === undefined ? [isa] : identity.isas;
  const [first, ...rest] = names.filter(isIsa);
  if (first === undefined || rest.length + 1 < names.length) throw new TuneError(`the device runs kernels for "${names.join(', ')}", which the generator does not know`);
  return [first, ...rest];
}

/** What timings depend on beside kernel and device: how plans are launched, and how many threads run them. */
function regimeOf({ identity, threads }: WorkerInfo, request: DeviceRequest): string {
  if (identity.gpu === undefined) return `plan-cold-t${threads}`;
  return /[:,]eager\b/.test(request.device ?? '') ? 'eager-cold' : 'graph-cold';
}

function familyOf(families: readonly Family[], { problem }: TuningProblem): Family {
  const family = families.find((candidate) => candidate.name === problem.family);
  if (family === undefined) throw new TuneError(`unknown kernel family ${problem.family}; there are: ${families.map((f) => f.name).join(', ')}`);
  return family;
}

/** `tune()`: finds the fastest kernels of this machine for a model, and writes them to a library that the runtime overlays. */
import { join } from 'node:path';
import { GeneratorError } from '../generator/errors.js';
import { isasOf } from '../generator/targets.js';
import type { Family } from '../generator/types.js';
import { AbortedError, TuneError, UsageError } from '../runtime/errors.js';
import { readManifest, type Manifest } from '../runtime/library/manifest.js';
import { libraryDirectory, packageVersion } from '../runtime/paths.js';
import type { TunerContext, TuningResult } from './context.js';
import { expertTraceFits, readExpertTrace } from './expert-trace.js';
import { journalName, journalPaths } from './journal/files.js';
import { openJournal, type Journal } from './journal/journal.js';
import type { KernelBuilder } from './kernel-builder.js';
import { openLibraryWriter, type LibraryWriter } from './library/writer.js';
import { createProblemState, countStates, type ProblemState } from './problem-state.js';
import type { WorkerInfo } from './protocol.js';
import { createQuietGate } from './quiet.js';
import { failuresOf, formatMarkdown, reportProblem, type TuneReport } from './report/run-report.js';
import { measureRoof } from './roof.js';
import { driverOf, isasToTune, regimeOf } from './run-identity.js';
import { seedsFor } from './seeds.js';
import { settingsOf, type TuneOptions, type TuneSettings } from './tune-options.js';
import { runTuning } from './tuner.js';
import type { TuningProblem } from './types.js';
import { withVendor } from './vendor.js';
import { createWorker, type TuningWorker } from './worker-client.js';

export type { TuneOptions, TuneParts } from './tune-options.js';

/**
 * Tunes and writes the library. Resolves with the report, also after an abort (`interrupted: true`). Throws UsageError (options),
 * CheckpointError (config), CompilerError (no compiler), FileError and LibraryError (library directory), TuneError.
 */
export async function tune(options: TuneOptions): Promise<TuneReport> {
  const settings = settingsOf(options);
  const { parts, device } = settings;
  const startedMs = parts.clock.now();
  const directory = libraryDirectory(options.library);
  // Shards share a directory: one that has found less than another must not take its winner's place.
  const writer = openLibraryWriter(directory, { partial: options.shard !== undefined });
  const gate = createQuietGate();
  const worker = createWorker({ environmentUrl: parts.environmentUrl, device, gate, ...(options.signal === undefined ? {} : { signal: options.signal }) });
  try {
    const info = await worker.info();
    const compiled = await parts.createBuilder(directory, info.identity, gate);
    const builder = info.vendor === undefined ? compiled : withVendor(compiled, info.vendor);
    const journal = openRunJournal(directory, options, settings, info, builder);
    try {
      return await run({ options, settings, startedMs, directory, writer, worker, info, builder, journal });
    } finally {
      journal.close();
    }
  } finally {
    await worker.close();
  }
}

interface Parts {
  readonly options: TuneOptions;
  readonly settings: TuneSettings;
  readonly startedMs: number;
  readonly directory: string;
  readonly writer: LibraryWriter;
  readonly worker: TuningWorker;
  readonly info: WorkerInfo;
  readonly builder: KernelBuilder;
  readonly journal: Journal;
}

async function run({ options, settings, startedMs, directory, writer, worker, info, builder, journal }: Parts): Promise<TuneReport> {
  const { parts, budgetMs, seed } = settings;
  const isas = isasToTune(info);
  const states = statesOf(options, settings, info);
  const evidence = journal.evidence;
  for (const state of states) state.search.suggest(seedsFor(state, evidence));
  const result: TuningResult = { decisions: [], controlNs: [], droppedEntries: 0, usableAfterMs: null, retaken: 0, dirty: false };
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
        regime: regimeOf(info, settings.device),
        driver: driverOf(info.identity),
        seed,
        retryQuarantined: options.retryQuarantined === true,
        keepFinalists: options.shard !== undefined,
        candidateLimitMs: parts.candidateLimitMs,
        today: parts.today,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
      },
      result,
    );
  } catch (error) {
    if (!(error instanceof AbortedError) && options.signal?.aborted !== true) {
      endQuietly(journal, result.dirty);
      throw error;
    }
    interrupted = true;
  }
  journal.end(interrupted ? 'interrupted' : 'done', result.dirty);
  const report: TuneReport = {
    device: info.identity,
    threads: info.threads,
    isa: isas.join(', '),
    compiler: builder.compiler,
    library: directory,
    strategy: settings.strategy,
    effort: settings.effort,
    budgetMs: Number.isFinite(budgetMs) ? budgetMs : null,
    elapsedMs: parts.clock.now() - startedMs,
    usableAfterMs: result.usableAfterMs,
    interrupted,
    dirty: result.dirty,
    retaken: result.retaken,
    roof: probes.roof,
    controlSpread: result.controlNs.length === 0 ? null : Math.max(...result.controlNs) / Math.min(...result.controlNs),
    problems: states.map((state) => reportProblem(state, probes.roof)),
    decisions: result.decisions,
    outcomes: countStates(states),
    failures: failuresOf(states),
    warnings: staleForms(states, builder),
    skipped: { journalLines: journal.badLines, oldLines: journal.oldLines, libraryEntries: result.droppedEntries },
    quarantined: journal.quarantined,
  };
  writer.writeText('report.json', `${JSON.stringify(report, null, 1)}\n`);
  writer.writeText('report.md', formatMarkdown(report));
  requireResult(states, interrupted);
  return report;
}

/** What ended the run is the error to report, not that the journal cannot say so. */
function endQuietly(journal: Journal, dirty: boolean): void {
  try {
    journal.end('failed', dirty);
  } catch {
    // The first error is the one to report.
  }
}

/** A shard writes a journal of its own, so that a fleet on one network file system never appends to one file. */
function openRunJournal(directory: string, options: TuneOptions, settings: TuneSettings, info: WorkerInfo, builder: KernelBuilder): Journal {
  const { shard } = options;
  const name = journalName(shard === undefined ? undefined : { index: shard.index + 1, count: shard.of });
  return openJournal(join(directory, name), {
    now: settings.parts.today,
    readAlso: journalPaths(directory),
    header: {
      deviceKey: info.identity.key,
      deviceName: info.identity.name,
      driver: driverOf(info.identity),
      compiler: builder.compiler,
      regime: regimeOf(info, settings.device),
      seed: settings.seed,
      strategy: settings.strategy,
      effort: settings.effort,
      toolVersion: packageVersion(),
      ...(shard === undefined ? {} : { shard: `${shard.index + 1}/${shard.of}` }),
    },
  });
}

function statesOf(options: TuneOptions, settings: TuneSettings, info: WorkerInfo): readonly ProblemState[] {
  const { parts, seed, strategy, effort } = settings;
  const isas = isasToTune(info);
  const { families: wanted } = options;
  const problems = parts.problems(settings.config, isas[0]);
  const names = new Set(problems.map(({ problem }) => problem.family));
  const unknown = wanted?.filter((name) => !names.has(name)) ?? [];
  if (unknown.length > 0) throw new UsageError(`the model has no problem of the family ${unknown.join(', ')} to tune; it has ${[...names].sort().join(', ')}`);
  if (options.experts !== undefined) requireFittingTrace(options.experts, problems);
  const capability = info.identity.gpu?.capability;
  return problems
    .filter(({ problem }) => wanted?.includes(problem.family) !== false)
    .flatMap((problem) => {
      const family = familyOf(parts.families, problem);
      return isas
        .filter((isa) => isasOf(family).includes(isa))
        .map((isa) =>
          asTuneError(() =>
            createProblemState(problem, family, isa, {
              seed,
              strategy,
              effort,
              ...(capability === undefined ? {} : { capability }),
              ...(info.vendor === undefined ? {} : { vendor: info.vendor }),
              ...(options.shard === undefined ? {} : { shard: options.shard }),
              ...(options.restriction === undefined ? {} : { restriction: options.restriction }),
            }),
          ),
        );
    });
}

/** A trace of another model would be left aside without a word. */
function requireFittingTrace(path: string, problems: readonly TuningProblem[]): void {
  const trace = readExpertTrace(path);
  if (problems.some(({ problem }) => expertTraceFits(trace, problem))) return;
  const sizes = [...new Set(problems.flatMap(({ problem }) => problem.dims['intermediate'] ?? []))];
  throw new UsageError(`${path} holds expert lists of ${trace.model}, with ${trace.intermediate} neurons per layer; the model to tune has ${sizes.join(', ') || 'no feed-forward blocks'}`, {
    remedy: 'griffin generate --model DIR --prompt TEXT --record-experts FILE, with that model',
  });
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

function familyOf(families: readonly Family[], { problem }: TuningProblem): Family {
  const family = families.find((candidate) => candidate.name === problem.family);
  if (family === undefined) throw new TuneError(`unknown kernel family ${problem.family}; there are: ${families.map((f) => f.name).join(', ')}`);
  return family;
}

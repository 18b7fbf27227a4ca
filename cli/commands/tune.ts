/** `griffin tune`: finds the fastest kernels of this machine for a model. */
import { statSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { readModelConfig } from '../../runtime/checkpoint/config.js';
import { SYNTHETIC_NAMES, syntheticConfig } from '../../runtime/checkpoint/synthetic.js';
import type { ModelConfig } from '../../runtime/checkpoint/types.js';
import { UsageError } from '../../runtime/errors.js';
import { EFFORTS, type Effort } from '../../tuning/budget.js';
import type { TuneProgress } from '../../tuning/context.js';
import { formatTable, type TuneReport } from '../../tuning/report/run-report.js';
import { parseRestriction, type Restriction } from '../../tuning/restrict.js';
import { DEFAULT_STRATEGY, STRATEGIES, type StrategyName } from '../../tuning/search/index.js';
import { tune, type TuneOptions } from '../../tuning/tune.js';
import { withInterrupt } from '../interrupt.js';
import { collect, density, duration, integer, nameList, shard, usage } from '../options.js';
import { note, printJson, statusLine, writeTextFile } from '../output.js';
import { deviceOption, jsonOption, libraryOption, threadsOption } from '../shared-options.js';

/** Where standard error is not a terminal, progress is a line every so often. */
const LOG_EVERY_MS = 3000;

interface TuneFlags {
  readonly device: string;
  readonly model?: string;
  readonly synthetic?: string;
  /** Seconds. */
  readonly budget?: number;
  readonly effort?: Effort;
  readonly strategy?: StrategyName;
  readonly families?: readonly string[];
  readonly axes?: Restriction;
  readonly shard?: { readonly index: number; readonly of: number };
  readonly experts?: string;
  readonly retryQuarantined: boolean;
  readonly compareStrategies: boolean;
  readonly replay?: readonly string[];
  readonly seeds: number;
  readonly out?: string;
  readonly density: number;
  readonly threads?: number;
  readonly seed: number;
  readonly library?: string;
  readonly json: boolean;
}

export function registerTune(program: Command): void {
  program
    .command('tune')
    .description('find the fastest kernels of this machine for a model, and write them to the kernel library')
    .addOption(deviceOption())
    .option('--model <dir>', 'checkpoint: a folder with config.json (weights are not read)')
    .option('--synthetic <name>', `a known shape (${SYNTHETIC_NAMES.join(', ')}) or the path of a config.json`)
    .addOption(new Option('--budget <time>', 'how long to tune, e.g. 30s, 2m, 500ms; a longer or later run extends the same library (default: 30s, or no limit with --effort)').argParser(duration))
    .addOption(new Option('--effort <effort>', 'how many candidates a problem may try: quick a few, normal a good sample, exhaustive all (default: normal)').choices(EFFORTS))
    .addOption(new Option('--strategy <name>', `how candidates are chosen (default: ${DEFAULT_STRATEGY}; exhaustive with --effort exhaustive)`).choices(STRATEGIES))
    .addOption(new Option('--families <names>', 'only these kernel families, separated by commas').argParser(nameList))
    .addOption(new Option('--axes <values>', 'only these values of these tuning axes, e.g. "span=64,128 rows=4"').argParser(usage(parseRestriction)))
    .addOption(new Option('--shard <i/n>', 'search one of n equal parts of every space, for a fleet; griffin library merge joins the results').argParser(shard))
    .option('--experts <file>', 'expert lists recorded by generate --record-experts: gathers are timed on these and on uniform lists')
    .addOption(new Option('--density <share>', 'share of the feed-forward neurons that the sparse kernels are tuned for').argParser(density).default(0.5))
    .addOption(threadsOption())
    .addOption(new Option('--seed <n>', 'seed of the search order and of the test contents').argParser(integer(0, 2 ** 31 - 1)).default(0))
    .addOption(libraryOption())
    .option('--retry-quarantined', 'try candidates again that were running when an earlier run was killed', false)
    .option('--compare-strategies', 'tune nothing: replay exhaustive journals (--replay) and compare the search strategies on them', false)
    .addOption(new Option('--replay <file>', 'a journal of an exhaustive run, for --compare-strategies; may be given several times').argParser(collect))
    .addOption(new Option('--seeds <n>', 'runs of every strategy in a comparison').argParser(integer(1, 10_000)).default(50))
    .option('--out <file>', 'write the comparison, as Markdown, here instead of to standard output')
    .addOption(jsonOption())
    .addHelpText('after', '\nCtrl-C stops cleanly: what was measured is kept, and the winners so far are written (exit code 130).')
    .action((flags: TuneFlags) => runTune(flags));
}

/** What `--replay`, `--seeds` and `--out` are for, and nothing else. */
async function compareOnReplays(flags: TuneFlags): Promise<void> {
  const journals = flags.replay ?? [];
  if (journals.length === 0) throw new UsageError('--compare-strategies needs at least one --replay FILE', { remedy: 'griffin tune --effort exhaustive --families linear_gemm --synthetic NAME --library DIR; its DIR/journal.jsonl is such a file' });
  const { compareStrategies, formatComparison } = await import('../../tuning/search/compare.js');
  const status = statusLine();
  try {
    const report = await compareStrategies({ journals, seeds: flags.seeds, ...(flags.strategy === undefined ? {} : { strategies: [flags.strategy] }), onProgress: (text) => status.update(text) });
    status.clear();
    if (flags.json) printJson(report);
    const text = formatComparison(report);
    if (flags.out !== undefined) writeTextFile(flags.out, text);
    else if (!flags.json) process.stdout.write(text);
  } finally {
    status.clear();
  }
}

async function runTune(flags: TuneFlags): Promise<void> {
  if (flags.compareStrategies) {
    await compareOnReplays(flags);
    return;
  }
  if (flags.replay !== undefined || flags.out !== undefined) throw new UsageError('--replay and --out belong to --compare-strategies');
  const config = configOf(flags);
  const status = statusLine();
  let report: TuneReport | undefined;
  let shownMs = Number.NEGATIVE_INFINITY;
  const onProgress = (progress: TuneProgress): void => {
    status.update(progressText(progress));
    if (process.stderr.isTTY || progress.elapsedMs - shownMs < LOG_EVERY_MS) return;
    shownMs = progress.elapsedMs;
    note(progressText(progress));
  };
  try {
    await withInterrupt(async (signal) => {
      report = await tune({ ...tuneOptions(flags, config), signal, onProgress });
    });
  } catch (error) {
    // Interrupted after a clean stop: the report is there, and it is the command's result.
    if (report?.interrupted !== true) throw error;
    process.exitCode = 130;
  } finally {
    status.clear();
  }
  if (report === undefined) return;
  if (flags.json) printJson(report);
  else process.stdout.write(`${formatTable(report)}\n`);
  note(closingText(report));
}

function configOf(flags: TuneFlags): ModelConfig {
  if ((flags.model === undefined) === (flags.synthetic === undefined)) {
    throw new UsageError(`give either --model DIR or --synthetic NAME${flags.model === undefined ? '; found neither' : '; found both'}`);
  }
  if (flags.synthetic !== undefined) return syntheticConfig(flags.synthetic);
  const model = flags.model as string;
  return readModelConfig(statSync(model, { throwIfNoEntry: false })?.isDirectory() === false ? model : `${model}/config.json`);
}

function tuneOptions(flags: TuneFlags, config: ModelConfig): TuneOptions {
  return {
    device: flags.device,
    config,
    ...(flags.budget === undefined ? {} : { budgetMs: flags.budget * 1000 }),
    ...(flags.effort === undefined ? {} : { effort: flags.effort }),
    ...(flags.strategy === undefined ? {} : { strategy: flags.strategy }),
    ...(flags.families === undefined ? {} : { families: flags.families }),
    ...(flags.axes === undefined ? {} : { restriction: flags.axes }),
    ...(flags.shard === undefined ? {} : { shard: flags.shard }),
    ...(flags.experts === undefined ? {} : { experts: flags.experts }),
    density: flags.density,
    seed: flags.seed,
    retryQuarantined: flags.retryQuarantined,
    ...(flags.threads === undefined ? {} : { threads: flags.threads }),
    ...(flags.library === undefined ? {} : { library: flags.library }),
  };
}

function progressText({ phase, detail, elapsedMs, remainingMs, tried, improved }: TuneProgress): string {
  return `tune: ${lengthText(elapsedMs)}, about ${lengthText(remainingMs)} left; ${tried} tried, ${improved} problems improved; ${phase} ${detail}`;
}

function lengthText(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function closingText(report: TuneReport): string {
  const { interrupted, elapsedMs, roof, outcomes, library, skipped, decisions, warnings } = report;
  const counts = Object.entries(outcomes).map(([state, count]) => `${count} ${state}`).join(', ');
  const lines = [
    `${interrupted ? 'interrupted after' : 'done in'} ${(elapsedMs / 1000).toFixed(1)} s; candidates: ${counts || 'none'}${roof === null ? '' : `; roof ${roof.readBytesPerNs.toFixed(1)} GB/s read`}`,
    ...decisions.map(({ choice, gatherNs, compactNs }) => `feed-forward: ${choice} (gather ${Math.round(gatherNs / 1000)} µs, packed ${Math.round(compactNs / 1000)} µs per step and layer)`),
    ...warnings.map((warning) => `warning: ${warning}`),
    ...(report.dirty ? ['the machine was disturbed in some finals to the end: those winners are marked dirty; griffin tune again on a quieter machine'] : []),
    ...(report.quarantined > 0 ? [`${report.quarantined} candidates were running when an earlier run was killed, and are not tried again (--retry-quarantined does)`] : []),
    ...(skipped.oldLines > 0 ? [`${skipped.oldLines} journal lines of an older version were left aside`] : []),
    ...(skipped.journalLines > 0 ? [`${skipped.journalLines} unreadable journal lines were skipped`] : []),
    ...(skipped.libraryEntries > 0 ? [`${skipped.libraryEntries} unreadable library entries were dropped`] : []),
    `library: ${library} (griffin report shows why each winner won; report.md has the failed candidates)`,
  ];
  return lines.join('\n');
}

/** `griffin tune`: finds the fastest kernels of this machine for a model. */
import { statSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { readModelConfig } from '../../runtime/checkpoint/config.js';
import { SYNTHETIC_NAMES, syntheticConfig } from '../../runtime/checkpoint/synthetic.js';
import type { ModelConfig } from '../../runtime/checkpoint/types.js';
import { UsageError } from '../../runtime/errors.js';
import { formatTable, type TuneReport } from '../../tuning/report.js';
import { tune, type TuneOptions } from '../../tuning/tune.js';
import type { TuneProgress } from '../../tuning/tuner.js';
import { withInterrupt } from '../interrupt.js';
import { density, duration, integer } from '../options.js';
import { note, printJson, statusLine } from '../output.js';
import { deviceOption, jsonOption, libraryOption, threadsOption } from '../shared-options.js';

/** Where standard error is not a terminal, progress is a line every so often. */
const LOG_EVERY_MS = 3000;

interface TuneFlags {
  readonly device: string;
  readonly model?: string;
  readonly synthetic?: string;
  /** Seconds. */
  readonly budget: number;
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
    .addOption(new Option('--budget <time>', 'how long to tune, e.g. 30s, 2m, 500ms; a longer or later run extends the same library').argParser(duration).default(30, '30s'))
    .addOption(new Option('--density <share>', 'share of the feed-forward neurons that the sparse kernels are tuned for').argParser(density).default(0.5))
    .addOption(threadsOption())
    .addOption(new Option('--seed <n>', 'seed of the search order and of the test contents').argParser(integer(0, 2 ** 31 - 1)).default(0))
    .addOption(libraryOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nCtrl-C stops cleanly: what was measured is kept, and the winners so far are written (exit code 130).')
    .action((flags: TuneFlags) => runTune(flags));
}

async function runTune(flags: TuneFlags): Promise<void> {
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
    budgetMs: flags.budget * 1000,
    density: flags.density,
    seed: flags.seed,
    ...(flags.threads === undefined ? {} : { threads: flags.threads }),
    ...(flags.library === undefined ? {} : { library: flags.library }),
  };
}

function progressText({ phase, detail, elapsedMs, remainingMs, tried }: TuneProgress): string {
  return `tune: ${(elapsedMs / 1000).toFixed(0)} s, ${Math.ceil(remainingMs / 1000)} s left, ${tried} tried; ${phase} ${detail}`;
}

function closingText(report: TuneReport): string {
  const { interrupted, elapsedMs, roof, outcomes, library, skipped, decisions, warnings } = report;
  const counts = Object.entries(outcomes).map(([state, count]) => `${count} ${state}`).join(', ');
  const lines = [
    `${interrupted ? 'interrupted after' : 'done in'} ${(elapsedMs / 1000).toFixed(1)} s; candidates: ${counts || 'none'}${roof === null ? '' : `; roof ${roof.readBytesPerNs.toFixed(1)} GB/s read`}`,
    ...decisions.map(({ choice, gatherNs, compactNs }) => `feed-forward: ${choice} (gather ${Math.round(gatherNs / 1000)} µs, packed ${Math.round(compactNs / 1000)} µs per step and layer)`),
    ...warnings.map((warning) => `warning: ${warning}`),
    ...(skipped.journalLines > 0 ? [`${skipped.journalLines} unreadable journal lines were skipped`] : []),
    ...(skipped.libraryEntries > 0 ? [`${skipped.libraryEntries} unreadable library entries were dropped`] : []),
    `library: ${library} (report.md has the failed candidates and why)`,
  ];
  return lines.join('\n');
}

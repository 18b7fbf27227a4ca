/** `griffin verify`: every kernel family against the fp64 reference on a device. */
import { availableParallelism } from 'node:os';
import { Option, type Command } from 'commander';
import type { VerifyProgress } from '../../tuning/verify-run.js';
import { SCHEDULES, type Schedule } from '../../tuning/verify-schedules.js';
import { withInterrupt } from '../interrupt.js';
import { integer, oneOf } from '../options.js';
import { note, printJson, statusLine, writeJsonFile } from '../output.js';
import { deviceOption, threadsOption } from '../shared-options.js';

/** Where standard error is not a terminal, progress is a line every so often. */
const LOG_EVERY_MS = 5000;

interface VerifyFlags {
  readonly device: string;
  readonly families?: readonly string[];
  readonly variants?: number;
  readonly all: boolean;
  readonly kernel?: string;
  readonly seed: number;
  readonly schedules?: readonly Schedule[];
  readonly threads?: number;
  readonly jobs?: number;
  readonly keep?: string;
  readonly json?: string | true;
}

export function registerVerify(program: Command): void {
  program
    .command('verify')
    .description('check every kernel family on a device against the fp64 reference: default and sampled variants, ragged shapes; exit code 1 on any failure')
    .addOption(deviceOption())
    .addOption(new Option('--families <list>', 'only these families, separated by commas').argParser((text) => text.split(',').map((name) => name.trim())))
    .addOption(new Option('--variants <n>', 'sampled variants per form beside the default one (default: 3; 1 on the emulated device)').argParser(integer(0)))
    .addOption(new Option('--all', 'every variant that there is: hours').default(false).conflicts('variants'))
    .addOption(new Option('--kernel <id>', 'only this kernel').conflicts(['families', 'variants', 'all']))
    .addOption(new Option('--seed <n>', 'seed of contents and of the sample').argParser(integer(0, 2 ** 30)).default(0))
    .addOption(
      new Option('--schedules <list>', 'emulated device: orders in which threads run (default: forward,reverse,random)').argParser((text) => text.split(',').map(oneOf(SCHEDULES, 'schedule'))),
    )
    .addOption(threadsOption())
    .addOption(new Option('--jobs <n>', 'worker processes at a time (default: 1; on the emulated device one per core)').argParser(integer(1, 64)))
    .option('--keep <dir>', 'keep compiled kernels here, for the next run (default: a temporary folder)')
    .option('--json [file]', 'the report as JSON, into a file or to standard output')
    .action((flags: VerifyFlags) => runVerify(flags));
}

async function runVerify(flags: VerifyFlags): Promise<void> {
  const { verify } = await import('../../tuning/verify-run.js');
  const { countFailures, formatVerification } = await import('../../tuning/verify-report.js');
  const status = statusLine();
  let shownMs = Number.NEGATIVE_INFINITY;
  const onProgress = (progress: VerifyProgress): void => {
    status.update(progressText(progress));
    const now = performance.now();
    if (process.stderr.isTTY || now - shownMs < LOG_EVERY_MS) return;
    shownMs = now;
    note(progressText(progress));
  };
  try {
    const report = await withInterrupt((signal) =>
      verify({
        device: flags.device,
        seed: flags.seed,
        jobs: flags.jobs ?? (flags.device.startsWith('emulated') ? availableParallelism() : 1),
        signal,
        onProgress,
        ...(flags.families === undefined ? {} : { families: flags.families }),
        ...(flags.all ? { variants: 'all' as const } : flags.variants === undefined ? {} : { variants: flags.variants }),
        ...(flags.kernel === undefined ? {} : { kernel: flags.kernel }),
        ...(flags.schedules === undefined ? {} : { schedules: flags.schedules }),
        ...(flags.threads === undefined ? {} : { threads: flags.threads }),
        ...(flags.keep === undefined ? {} : { directory: flags.keep }),
      }),
    );
    status.clear();
    if (flags.json === true) printJson(report);
    else process.stdout.write(formatVerification(report));
    if (typeof flags.json === 'string') writeJsonFile(flags.json, report);
    if (countFailures(report) > 0) process.exitCode = 1;
  } finally {
    status.clear();
  }
}

function progressText({ phase, done, total, failures, detail }: VerifyProgress): string {
  const failed = failures === 0 ? '' : `, ${failures} FAILED`;
  return `verify: ${phase === 'compile' ? 'compiled' : 'ran'} ${done} of ${total}${failed}; ${detail}`;
}

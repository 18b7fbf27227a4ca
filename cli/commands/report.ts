/** `griffin report`: what the feed-forward kernels ask of a GPU, computed without one. */
import { writeFileSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { FileError } from '../../runtime/errors.js';
import { withInterrupt } from '../interrupt.js';
import { density, integer } from '../options.js';
import { note, printJson } from '../output.js';
import { jsonOption, libraryOption } from '../shared-options.js';

const SHAPES = ['llama-2-7b', 'llama-2-13b', 'gemma-7b', 'mistral-7b', 'llama-3-8b'];

interface ReportFlags {
  readonly synthetic: readonly string[];
  readonly capability: readonly number[];
  readonly density: number;
  readonly library?: string;
  readonly out?: string;
  readonly json: boolean;
}

const list = (text: string): string[] => text.split(',').map((part) => part.trim());

export function registerReport(program: Command): void {
  program
    .command('report')
    .description('what the feed-forward kernels ask of a GPU, on paper: bytes, registers, occupancy, bytes in flight against Little’s law; needs no GPU')
    .addOption(new Option('--synthetic <list>', 'shapes, separated by commas').argParser(list).default(SHAPES, SHAPES.join(',')))
    .addOption(new Option('--capability <list>', 'compute capabilities, each with the data sheet of one GPU').argParser((text) => list(text).map(integer(80))).default([90], '90'))
    .addOption(new Option('--density <share>', 'share of the neurons kept').argParser(density).default(0.5))
    .addOption(libraryOption())
    .option('--out <file>', 'write the Markdown here instead of to standard output')
    .addOption(jsonOption())
    .action((flags: ReportFlags) => report(flags));
}

async function report(flags: ReportFlags): Promise<void> {
  const { paperReports } = await import('../../tuning/paper-run.js');
  const { paperMarkdown } = await import('../../tuning/paper-report.js');
  const { synthetic: shapes, capability: capabilities } = flags;
  const command = ['npx griffin report', `--synthetic ${shapes.join(',')}`, `--capability ${capabilities.join(',')}`, ...(flags.density === 0.5 ? [] : [`--density ${flags.density}`]), ...(flags.out === undefined ? [] : [`--out ${flags.out}`])].join(' ');
  await withInterrupt(async (signal) => {
    const reports = await paperReports({ shapes, capabilities, density: flags.density, command, signal, ...(flags.library === undefined ? {} : { library: flags.library }) });
    if (flags.json) printJson(reports);
    const text = paperMarkdown(reports);
    if (flags.out !== undefined) writeReport(flags.out, text);
    else if (!flags.json) process.stdout.write(text);
  });
}

function writeReport(path: string, text: string): void {
  try {
    writeFileSync(path, text);
    note(`written: ${path}`);
  } catch (error) {
    throw new FileError(`cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** `griffin report`: what tuning found, for people (HTML, Markdown) and for tools (CSV); with --paper, what the kernels ask of a GPU, computed without one. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { FileError, UsageError } from '../../runtime/errors.js';
import { libraryDirectory } from '../../runtime/paths.js';
import { withInterrupt } from '../interrupt.js';
import { density, integer, oneOf } from '../options.js';
import { note, printJson } from '../output.js';
import { jsonOption, libraryOption } from '../shared-options.js';

const SHAPES = ['llama-2-7b', 'llama-2-13b', 'gemma-7b', 'mistral-7b', 'llama-3-8b'];
const TABLES = ['problems', 'candidates'] as const;

interface ReportFlags {
  readonly library?: string;
  readonly out?: string;
  readonly markdown: boolean;
  readonly csv?: true | (typeof TABLES)[number];
  readonly device?: string;
  readonly json: boolean;
  readonly paper: boolean;
  readonly synthetic: readonly string[];
  readonly capability: readonly number[];
  readonly density: number;
}

const list = (text: string): string[] => text.split(',').map((part) => part.trim());

export function registerReport(program: Command): void {
  program
    .command('report')
    .description('what tuning found, as one HTML page that needs no network: winners and why, shares of the roof, effects of the axes, the search, failures')
    .addOption(libraryOption())
    .option('--out <file>', 'where to write it (default: report.html in the library; Markdown, CSV and --paper go to standard output)')
    .option('--markdown', 'the tables as Markdown', false)
    .addOption(new Option('--csv [table]', `comma-separated values: a row per problem, or per candidate with its axes as columns (${TABLES.join(', ')})`).argParser(oneOf(TABLES, 'table')))
    .option('--device <key>', 'only this device: a key as the report names it')
    .addOption(jsonOption())
    .option('--paper', 'instead: what the feed-forward kernels ask of a GPU, on paper: bytes, registers, occupancy, bytes in flight against Little’s law; needs no GPU', false)
    .addOption(new Option('--synthetic <list>', 'with --paper: shapes, separated by commas').argParser(list).default(SHAPES, SHAPES.join(',')))
    .addOption(new Option('--capability <list>', 'with --paper: compute capabilities, each with the data sheet of one GPU').argParser((text) => list(text).map(integer(80))).default([90], '90'))
    .addOption(new Option('--density <share>', 'with --paper: share of the neurons kept').argParser(density).default(0.5))
    .action((flags: ReportFlags, command: Command) => {
      const given = (name: string): boolean => command.getOptionValueSource(name) === 'cli';
      const kinds = [flags.paper ? ['--paper'] : [], flags.markdown ? ['--markdown'] : [], flags.csv === undefined ? [] : ['--csv'], flags.json ? ['--json'] : []].flat();
      const analysis = (['synthetic', 'capability', 'density'] as const).filter(given);
      if (!flags.paper && analysis.length > 0) throw new UsageError(`--${analysis[0] ?? ''} belongs to the analysis on paper: griffin report --paper --${analysis[0] ?? ''} …`);
      if (flags.paper && flags.device !== undefined) throw new UsageError('--device names a tuned device and means nothing with --paper; --capability chooses the GPU there');
      if (kinds.filter((kind) => !(flags.paper && kind === '--json')).length > 1) throw new UsageError(`${kinds.join(' and ')} exclude each other: choose one`);
      return flags.paper ? paper(flags) : report(flags);
    });
}

async function report(flags: ReportFlags): Promise<void> {
  const { buildReport } = await import('../../tuning/report/data.js');
  const directory = libraryDirectory(flags.library);
  const data = buildReport(directory, flags.device === undefined ? {} : { device: flags.device });
  if (flags.json) {
    printJson(data);
    if (flags.out === undefined) return;
  }
  if (flags.markdown) {
    const { reportMarkdown } = await import('../../tuning/report/markdown.js');
    deliver(reportMarkdown(data), flags.out);
  } else if (flags.csv !== undefined) {
    const { reportCsv } = await import('../../tuning/report/csv.js');
    deliver(reportCsv(data, flags.csv === true ? 'problems' : flags.csv), flags.out);
  } else {
    const { reportHtml } = await import('../../tuning/report/html.js');
    const path = resolve(flags.out ?? join(directory, 'report.html'));
    writeText(path, reportHtml(data));
    if (!flags.json) process.stdout.write(`${path}\n`);
  }
}

async function paper(flags: ReportFlags): Promise<void> {
  const { paperReports } = await import('../../tuning/paper-run.js');
  const { paperMarkdown } = await import('../../tuning/paper-report.js');
  const { synthetic: shapes, capability: capabilities } = flags;
  const command = ['npx griffin report --paper', `--synthetic ${shapes.join(',')}`, `--capability ${capabilities.join(',')}`, ...(flags.density === 0.5 ? [] : [`--density ${flags.density}`]), ...(flags.out === undefined ? [] : [`--out ${flags.out}`])].join(' ');
  await withInterrupt(async (signal) => {
    const reports = await paperReports({ shapes, capabilities, density: flags.density, command, signal, ...(flags.library === undefined ? {} : { library: flags.library }) });
    if (flags.json) printJson(reports);
    if (flags.out !== undefined || !flags.json) deliver(paperMarkdown(reports), flags.out);
  });
}

function deliver(text: string, out: string | undefined): void {
  if (out === undefined) {
    process.stdout.write(text);
    return;
  }
  writeText(resolve(out), text);
  note(`written: ${out}`);
}

/** Whole or not at all: a reader never sees half a report. */
function writeText(path: string, text: string): void {
  const partial = `${path}.${process.pid}.partial`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(partial, text);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw new FileError(`cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`, { remedy: 'choose a writable place with --out FILE', cause: error });
  }
}

/** The analysis on paper as Markdown. */
import { LATENCY_NS, neededInFlight, type PaperRow } from './paper.js';
import type { GpuDataSheet } from './gpus.js';

export interface PaperReport {
  readonly gpu: GpuDataSheet;
  readonly density: number;
  /** Where registers come from. */
  readonly compiler: string;
  readonly rows: readonly PaperRow[];
  /** Rewrites the file. */
  readonly command: string;
}

const COLUMNS = ['product', 'kernel', 'MB', 'µs at the data sheet', 'registers', 'threads', 'shared, KiB', 'blocks', 'blocks / SM', 'occupancy', 'waves', 'in flight / thread', 'in flight / SM', 'of what is asked'] as const;

export function paperMarkdown(reports: readonly PaperReport[]): string {
  const lines = [
    '# Feed-forward kernels on paper',
    '',
    `<!-- Written by \`${reports[0]?.command ?? ''}\`; do not edit. -->`,
    '',
    'What one row of activations asks of the gathered feed-forward kernels, computed from their launch expressions and the compiler’s figures; nothing here was timed.',
    '',
    `Little’s law: a memory that answers after a latency L gives the bandwidth B only while B × L bytes are asked for. L is assumed to be ${LATENCY_NS} ns, loaded; B is the data sheet’s.`,
    '“In flight / SM” is the bytes that a thread asks for before it uses the first, times the threads of the blocks that are resident (no more than the grid gives a multiprocessor). From about 100 % of what is asked on, latency is covered;',
    'far above it nothing is won. Bytes are the weights alone.',
  ];
  for (const report of reports) {
    const { gpu, density, compiler } = report;
    lines.push(
      '',
      `## ${gpu.name}, compute capability ${(gpu.capability / 10).toFixed(1)}`,
      '',
      `${gpu.multiprocessors} multiprocessors, ${(gpu.bandwidth / 1e9).toFixed(0)} GB/s: ${(neededInFlight(gpu) / 1024).toFixed(1)} KiB must be in flight per multiprocessor. Density ${density}. Registers: ${compiler}.`,
    );
    for (const model of new Set(report.rows.map((row) => row.model))) {
      lines.push('', `### ${model}`, '', row(COLUMNS), row(COLUMNS.map((_, i) => (i < 2 ? '---' : '---:'))));
      for (const entry of report.rows.filter((candidate) => candidate.model === model)) lines.push(row(cells(entry)));
    }
  }
  return `${lines.join('\n')}\n`;
}

const row = (values: readonly string[]): string => `| ${values.join(' | ')} |`;
const known = (value: number | null, text: (value: number) => string): string => (value === null ? '–' : text(value));

function cells(entry: PaperRow): readonly string[] {
  const spills = entry.spillBytes === null || entry.spillBytes === 0 ? '' : ` (spills ${entry.spillBytes} B)`;
  return [
    entry.problem,
    `${entry.origin}: ${entry.kernelId.split('__').slice(2).join(' ')}`,
    (entry.bytes / 1e6).toFixed(1),
    (entry.roofNs / 1e3).toFixed(1),
    known(entry.registers, (value) => `${value}${spills}`),
    String(entry.threads),
    (entry.sharedBytes / 1024).toFixed(1),
    String(entry.blocks),
    known(entry.blocksPerSm, String),
    known(entry.occupancy, (value) => `${Math.round(value * 100)} %`),
    known(entry.waves, (value) => value.toFixed(2)),
    known(entry.bytesPerThread, (value) => `${value} B`),
    known(entry.inFlight, (value) => `${(value / 1024).toFixed(1)} KiB`),
    known(entry.inFlight, (value) => `${Math.round((value / entry.needed) * 100)} %`),
  ];
}

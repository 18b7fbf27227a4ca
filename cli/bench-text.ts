import { reportView, type Table } from '../runtime/bench/report-view.js';
import type { BenchResult } from '../runtime/bench/result.js';

/** A benchmark as plain text: facts, then one aligned table after another. The full per-kernel tables are in the reports too. */
export function terminalReport(result: BenchResult): string {
  const view = reportView(result);
  const nameWidth = Math.max(...view.facts.map(({ name }) => name.length));
  return [
    view.title,
    view.headline,
    '',
    ...view.facts.map(({ name, value }) => `  ${name.padEnd(nameWidth)}  ${value}`),
    '',
    ...view.tables.filter((table) => table.title !== 'Kernels').flatMap((table) => [table.title, alignedTable(table), '']),
    ...view.notes.map((text) => `Note: ${text}`),
    '',
  ].join('\n');
}

/** First column and kernel names left, the numbers right. */
export function alignedTable({ columns, rows }: Pick<Table, 'columns' | 'rows'>): string {
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const left = (index: number): boolean => index === 0 || columns[index] === 'kernel' || columns[index] === 'origin';
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((cell, index) => (left(index) ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0))).join('  ')}`.trimEnd();
  return [line(columns), ...rows.map(line)].join('\n');
}

/** A library's report for spreadsheets and data frames (RFC 4180): a row per problem, or a row per candidate with its axes as columns. */
import { OUTCOME_STATES } from '../types.js';
import { visibleText } from './format.js';
import type { CandidateDetail, ProblemDetail, ReportData, SectionReport } from './types.js';

export const CSV_TABLES = ['problems', 'candidates'] as const;
export type CsvTable = (typeof CSV_TABLES)[number];
type Cell = string | number | boolean | null | undefined;

export function reportCsv(data: ReportData, table: CsvTable = 'problems'): string {
  const rows = data.sections.flatMap((section) => section.problems.map((problem) => ({ section, problem })));
  return table === 'problems' ? csv(PROBLEM_COLUMNS, rows) : candidatesCsv(rows);
}

interface ProblemRow {
  readonly section: SectionReport;
  readonly problem: ProblemDetail;
}
type Columns<T> = readonly (readonly [string, (row: T) => Cell])[];

const COMMON: Columns<ProblemRow> = [
  ['device_key', ({ section }) => section.deviceKey],
  ['regime', ({ section }) => section.regime],
  ['problem', ({ problem }) => problem.problem],
  ['family', ({ problem }) => problem.family],
  ['isa', ({ problem }) => problem.isa],
];

const PROBLEM_COLUMNS: Columns<ProblemRow> = [
  ...COMMON,
  ['label', ({ problem }) => problem.label],
  ['winner', ({ problem }) => problem.winner?.kernelId],
  ['default', ({ problem }) => problem.defaultId],
  ['median_ns', ({ problem }) => problem.winner?.medianNs],
  ['default_ns', ({ problem }) => problem.winner?.defaultNs],
  ['speed_up', ({ problem }) => problem.winner?.speedUp],
  ['speed_up_low', ({ problem }) => problem.winner?.speedUpLow],
  ['speed_up_high', ({ problem }) => problem.winner?.speedUpHigh],
  ['near_ties', ({ problem }) => problem.winner?.tied.join(' ')],
  ['roof_share', ({ problem }) => problem.winner?.roofShare],
  ['dirty', ({ problem }) => problem.winner?.dirty],
  ['reason', ({ problem }) => problem.reason],
  ['tried', ({ problem }) => problem.candidates.length],
  ['space', ({ problem }) => problem.spaceSize],
  ...OUTCOME_STATES.map((state): Columns<ProblemRow>[number] => [state.replaceAll('-', '_'), ({ problem }) => problem.outcomes[state]]),
  ['compile_seconds', ({ problem }) => problem.compileSeconds],
  ['evaluate_seconds', ({ problem }) => problem.evaluateSeconds],
  ['read_bytes', ({ problem }) => problem.cost?.readBytes],
  ['write_bytes', ({ problem }) => problem.cost?.writeBytes],
  ['flops', ({ problem }) => problem.cost?.flops],
  ['compiler', ({ problem }) => problem.winner?.compiler],
  ['driver', ({ problem }) => problem.winner?.driver],
  ['measured_at', ({ problem }) => problem.winner?.measuredAt],
  ['run', ({ problem }) => problem.winner?.run],
];

function candidatesCsv(problems: readonly ProblemRow[]): string {
  const rows = problems.flatMap((row) => row.problem.candidates.map((candidate) => ({ ...row, candidate })));
  const axes = [...new Set(rows.flatMap(({ candidate }) => Object.keys(candidate.axes ?? {})))];
  const of = (value: (candidate: CandidateDetail) => Cell) => (row: { readonly candidate: CandidateDetail }) => value(row.candidate);
  return csv<(typeof rows)[number]>(
    [
      ...COMMON,
      ['kernel', of(({ kernelId }) => kernelId)],
      ['is_default', of(({ isDefault }) => isDefault)],
      ['state', of(({ state }) => state)],
      ['ratio', of(({ ratio }) => ratio)],
      ['median_ns', of(({ medianNs }) => medianNs)],
      ['samples', of(({ samples }) => samples)],
      ...axes.map((axis): Columns<(typeof rows)[number]>[number] => [`axis_${axis}`, of((candidate) => candidate.axes?.[axis])]),
      ['registers', of(({ resources }) => resources.registers)],
      ['shared_bytes', of(({ resources }) => resources.sharedBytes)],
      ['code_bytes', of(({ resources }) => resources.codeBytes)],
      ['same_code_as', of(({ sameCodeAs }) => sameCodeAs)],
      ['compile_ms', of(({ compileMs }) => compileMs)],
      ['evaluate_ms', of(({ evaluateMs }) => evaluateMs)],
      ['retaken', of(({ retaken }) => retaken)],
      ['dirty', of(({ dirty }) => dirty)],
      ['at', of(({ at }) => at)],
      ['run', of(({ run }) => run)],
      ['message', of(({ message }) => message)],
    ],
    rows,
  );
}

function csv<T>(columns: Columns<T>, rows: readonly T[]): string {
  return [columns.map(([name]) => name), ...rows.map((row) => columns.map(([, value]) => value(row)))].map((cells) => `${cells.map(cell).join(',')}\r\n`).join('');
}

function cell(value: Cell): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'string') return String(value);
  const text = visibleText(value);
  // A spreadsheet would take these for formulas; the apostrophe makes them text.
  const safe = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

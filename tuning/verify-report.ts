/** What a verification found, as a table for the terminal. */
import type { VerifyReport } from './verify-run.js';

const COLUMNS = ['family', 'forms', 'variants', 'cases', 'failures', 'worst error / bound', 'time'] as const;

export function countFailures(report: VerifyReport): number {
  return report.families.reduce((sum, { failures }) => sum + failures, 0);
}

export function formatVerification(report: VerifyReport): string {
  const { families } = report;
  const sum = (key: 'forms' | 'variants' | 'cases' | 'failures' | 'elapsedMs'): number => families.reduce((total, family) => total + family[key], 0);
  const rows = [
    [...COLUMNS],
    ...families.map(({ family, forms, variants, cases, failures, worst, elapsedMs }) => [
      family, String(forms), String(variants), String(cases), String(failures), cases === 0 ? '–' : ratio(worst), seconds(elapsedMs),
    ]),
    ['all', String(sum('forms')), String(sum('variants')), String(sum('cases')), String(sum('failures')), ratio(Math.max(0, ...families.map(({ worst }) => worst))), seconds(sum('elapsedMs'))],
  ];
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const table = rows.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ').trimEnd());
  return [
    `${report.device.name} as ${report.runs.join(', ')}; kernels compiled by ${report.compiler}; seed ${report.seed}`,
    '',
    ...table,
    '',
    ...report.notes.map((note) => `Note: ${note}`),
    ...failureLines(report),
    countFailures(report) === 0 ? `Verified in ${seconds(report.elapsedMs)}.` : `FAILED: ${countFailures(report)} of ${sum('cases')} cases, in ${seconds(report.elapsedMs)}.`,
    '',
  ].join('\n');
}

const SHOWN = 20;

/** One kernel's failures share a cause more often than not, so the first of each is shown. */
function failureLines({ failures }: VerifyReport): readonly string[] {
  const first = failures.filter((failure, i) => failures.findIndex((other) => other.kernelId === failure.kernelId && other.device === failure.device) === i);
  return [
    ...first.slice(0, SHOWN).flatMap(({ kernelId, state, problem, seed, message, command }) => [`${kernelId}: ${state}`, `  ${problem}, seed ${seed}: ${message}`, `  again: ${command}`]),
    ...(first.length > SHOWN ? [`… and ${first.length - SHOWN} more kernels; --json FILE has them`] : []),
  ];
}

function ratio(value: number): string {
  return value.toFixed(3);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

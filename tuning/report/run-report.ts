/** What a tuning run found, as data, as Markdown and as a table for the terminal. */
import type { DeviceIdentity } from '../../runtime/device/types.js';
import type { FfStrategyDecision } from '../../runtime/library/schema.js';
import type { ProblemState } from '../problem-state.js';
import { roofShare, type Roof } from '../roof.js';
import { problemKey, type OutcomeState } from '../types.js';
import { formatNs, shortKernel } from './format.js';

export { formatNs } from './format.js';

export interface ProblemReport {
  readonly problem: string;
  readonly label: string;
  readonly formId: string;
  /** Kernel id of the winner; null when even the default variant failed. */
  readonly winner: string | null;
  readonly medianNs: number | null;
  readonly defaultNs: number | null;
  /** The default's time / the winner's: from the median of paired ratios, and its 95 % interval. 1 where the default stays. */
  readonly speedUp: number | null;
  readonly speedUpInterval: { readonly low: number; readonly high: number } | null;
  /** Kernels that cannot be told from the winner. */
  readonly tied: readonly string[];
  /** The machine did not come to rest while it was decided: do not ship. */
  readonly dirty: boolean;
  readonly roofShare: number | null;
  readonly spaceSize: number;
  readonly tried: number;
  /** Of those, known from the journal or from another problem of the form. */
  readonly reused: number;
  readonly failed: number;
  /** Why this winner, or why none. */
  readonly reason: string;
}

export interface FailedCandidate {
  readonly problem: string;
  readonly kernelId: string;
  readonly state: OutcomeState;
  readonly message: string;
}

export interface TuneReport {
  readonly device: DeviceIdentity;
  readonly threads: number;
  readonly isa: string;
  readonly compiler: string;
  readonly library: string;
  readonly strategy: string;
  readonly effort: string;
  /** Null where only the effort limited the run. */
  readonly budgetMs: number | null;
  readonly elapsedMs: number;
  /** When the library first had something measured for every problem; null when it never did. */
  readonly usableAfterMs: number | null;
  /** Stopped by the caller before the budget was used. */
  readonly interrupted: boolean;
  /** The machine did not come to rest in some final: those winners are marked, and not exported. */
  readonly dirty: boolean;
  /** Samples that were thrown away and taken again because the machine was disturbed. */
  readonly retaken: number;
  readonly roof: Roof | null;
  /** Spread of the control kernel over the run's finals: how steady the machine was. */
  readonly controlSpread: number | null;
  readonly problems: readonly ProblemReport[];
  readonly decisions: readonly FfStrategyDecision[];
  readonly outcomes: Readonly<Partial<Record<OutcomeState, number>>>;
  readonly failures: readonly FailedCandidate[];
  /** What the user should know, each with the command that mends it. */
  readonly warnings: readonly string[];
  /** Journal lines and library entries that could not be read, and journal lines of an older version. */
  readonly skipped: { readonly journalLines: number; readonly oldLines: number; readonly libraryEntries: number };
  /** Candidates that were running when an earlier run was killed: they are not tried again. */
  readonly quarantined: number;
}

export function reportProblem(state: ProblemState, roof: Roof | null): ProblemReport {
  const tried = [...state.tried.values()];
  const decision = state.final?.decision ?? null;
  const limits = state.final?.roof ?? roof;
  return {
    problem: problemKey(state.tuning.problem),
    label: state.tuning.label,
    formId: state.formId,
    winner: decision?.winnerId ?? null,
    medianNs: decision?.medianNs ?? null,
    defaultNs: decision?.defaultNs ?? null,
    speedUp: decision === null ? null : 1 / decision.ratio.median,
    speedUpInterval: decision === null ? null : { low: 1 / decision.ratio.high, high: 1 / decision.ratio.low },
    tied: decision?.tied.map(({ kernelId }) => kernelId) ?? [],
    dirty: state.final?.dirty ?? false,
    roofShare: decision === null || limits === null ? null : roofShare(state.family, state.tuning.problem, decision.medianNs, limits),
    spaceSize: state.search.size(),
    tried: tried.length,
    reused: tried.filter((candidate) => candidate.reused).length,
    failed: tried.filter(({ outcome }) => outcome.state !== 'ok' && outcome.state !== 'too-slow').length,
    reason: state.failure ?? decision?.reason ?? 'not measured in this run: the default variant is used',
  };
}

export function failuresOf(states: readonly ProblemState[]): readonly FailedCandidate[] {
  return states.flatMap((state) =>
    [...state.tried.values()].flatMap(({ kernelId, outcome }) =>
      outcome.state === 'ok' || outcome.state === 'too-slow' ? [] : [{ problem: state.key, kernelId, state: outcome.state, message: outcome.message }],
    ),
  );
}

const COLUMNS = ['problem', 'winner', 'time', 'of roof', 'vs default', 'tried', 'failed'] as const;

function cells(problem: ProblemReport): readonly string[] {
  return [
    problem.label,
    problem.winner === null ? '–' : shortKernel(problem.winner),
    problem.medianNs === null ? '–' : formatNs(problem.medianNs),
    problem.roofShare === null ? '–' : `${Math.round(problem.roofShare * 100)} %`,
    problem.speedUp === null ? '–' : `${problem.speedUp.toFixed(2)}×${problem.dirty ? '?' : ''}`,
    `${problem.tried}/${problem.spaceSize}`,
    String(problem.failed),
  ];
}

/** The table that the command prints. */
export function formatTable(report: TuneReport): string {
  const rows = [COLUMNS as readonly string[], ...report.problems.map(cells)];
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) => row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ').trimEnd()).join('\n');
}

export function formatMarkdown(report: TuneReport): string {
  const { device, roof } = report;
  const row = (values: readonly string[]): string => `| ${values.join(' | ')} |`;
  const lines = [
    '# Tuning report',
    '',
    'Generated by `griffin tune`; do not edit.',
    '',
    `- Device: ${device.name} (\`${device.key}\`), ${report.threads} threads, kernels for ${report.isa}`,
    `- Compiler: ${report.compiler}`,
    `- Time: ${(report.elapsedMs / 1000).toFixed(1)} s${report.budgetMs === null ? '' : ` of a budget of ${(report.budgetMs / 1000).toFixed(1)} s`}${report.interrupted ? '; interrupted' : ''}`,
    `- Search: ${report.strategy}, effort ${report.effort}; ${report.retaken} disturbed samples taken again${report.dirty ? '; **dirty**: some finals stayed disturbed' : ''}`,
  ];
  if (roof !== null) {
    lines.push(`- Roof with the same threads: ${roof.readBytesPerNs.toFixed(1)} GB/s read${roof.flopsPerNs === null ? '' : `, ${roof.flopsPerNs.toFixed(0)} GFLOP/s fused multiply-add`}`);
  }
  if (report.controlSpread !== null) lines.push(`- Control kernel: slowest over fastest final ${report.controlSpread.toFixed(2)}`);
  lines.push(...report.warnings.map((warning) => `- Warning: ${warning}`));
  lines.push('', row(COLUMNS), row(COLUMNS.map(() => '---')), ...report.problems.map((problem) => row(cells(problem))));
  for (const decision of report.decisions) {
    lines.push(
      '',
      `Feed-forward at k = ${decision.dims['k'] ?? 0} of ${decision.dims['intermediate'] ?? 0}: **${decision.choice}** (gather ${formatNs(decision.gatherNs)}, ` +
        `packed ${formatNs(decision.compactNs)} per step and layer; packing ${formatNs(decision.compactionNs)} once per layer).`,
    );
  }
  if (report.failures.length > 0) {
    lines.push('', '## Candidates that failed', '', row(['problem', 'kernel', 'state', 'why']), row(['---', '---', '---', '---']));
    for (const failure of report.failures) lines.push(row([failure.problem, failure.kernelId, failure.state, failure.message.replace(/\s+/g, ' ').replaceAll('|', '\\|').slice(0, 300)]));
  }
  return `${lines.join('\n')}\n`;
}

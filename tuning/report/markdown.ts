/** A library's report as Markdown: the tables without the charts. */
import { OUTCOME_STATES } from '../types.js';
import { formatCount, formatNs, formatRange, formatSeconds, formatShare, formatTimes, plural, shortKernel, visibleText } from './format.js';
import type { ProblemDetail, ReportData, SectionReport } from './types.js';

const MESSAGES_SHOWN = 20;

export function reportMarkdown(data: ReportData): string {
  const lines = ['# Tuning report', '', `Library \`${visibleText(data.library)}\`, read ${data.writtenAt.slice(0, 16).replace('T', ' ')} UTC, by \`griffin report --markdown\`.`];
  for (const section of data.sections) lines.push('', ...sectionLines(section));
  if (data.runs.length > 0) {
    lines.push('', '## Runs', '', ...markdownTable(['run', 'started', 'end', 'candidates', 'finals', 'search'], data.runs.map((run) => [run.run, run.startedAt, `${run.end}${run.dirty ? ', dirty' : ''}`, String(run.candidates), String(run.finals), `${run.strategy}, ${run.effort}, seed ${run.seed}`])));
  }
  lines.push('', '## Journals', '', ...markdownTable(['journal', 'lines', 'unreadable', 'of other versions'], data.journals.map(({ name, lines: count, badLines, oldLines }) => [name, String(count), String(badLines), String(oldLines)])));
  lines.push(...data.badEntries.map((entry) => `- Unreadable entry: ${plain(entry)}`));
  return `${lines.join('\n')}\n`;
}

function sectionLines(section: SectionReport): string[] {
  const { headline, conditions, problems } = section;
  const lines = [
    `## ${plain(section.deviceName)}, ${section.regime}`,
    '',
    `- Device key: \`${section.deviceKey}\`; driver: ${plain(section.drivers.join('; '))}; compiler: ${plain(section.compilers.join('; '))}`,
    `- Decided: ${headline.decided} of ${plural(headline.problems, 'problem')}${headline.medianSpeedUp === null ? '' : `; median speed-up over the default ${formatTimes(headline.medianSpeedUp)}`}${headline.dirty === 0 ? '' : `; ${plural(headline.dirty, 'decision')} on a disturbed machine`}`,
    `- Candidates: ${formatCount(headline.candidates)}, of which ${formatCount(headline.failed)} failed; ${formatSeconds(headline.compileSeconds)} compiling, ${formatSeconds(headline.evaluateSeconds)} measuring`,
    `- Measurements: ${formatCount(conditions.measurements)}; ${formatCount(conditions.retaken)} pairs of samples retaken, ${formatCount(conditions.dirty)} left disturbed`,
    ...conditions.readings.map(({ name, unit, low, median, high }) => `- ${name}: median ${reading(median, unit)} (5 % to 95 %: ${reading(low, unit)} to ${reading(high, unit)})`),
    '',
    ...section.advice.map(({ level, text, command }) => `- **${level}**: ${plain(text)}${command === null ? '' : ` \`${visibleText(command)}\``}`),
    '',
    ...markdownTable(['problem', 'winner', 'time', 'speed-up', '95 % interval', 'of the limit', 'near-ties', 'tried', 'why'], problems.map(problemRow)),
    '',
    '### Axes',
    '',
    ...markdownTable(['problem', 'axis', 'explains', 'best ratio to the default by value'], problems.flatMap(axisRows)),
    '',
    '### Outcomes',
    '',
    ...markdownTable(['problem', ...OUTCOME_STATES], problems.map(({ label, outcomes }) => [label, ...OUTCOME_STATES.map((state) => String(outcomes[state]))])),
  ];
  if (section.messages.length > 0) {
    lines.push('', ...markdownTable(['state', 'count', 'message', 'an example'], section.messages.slice(0, MESSAGES_SHOWN).map(({ state, count, message, kernelId }) => [state, String(count), message.slice(0, 300), kernelId])));
  }
  return lines;
}

function problemRow({ label, winner, reason, candidates, spaceSize }: ProblemDetail): string[] {
  const tried = `${candidates.length}${spaceSize === null ? '' : `/${spaceSize}`}`;
  if (winner === null) return [label, '–', '–', '–', '–', '–', '–', tried, reason];
  const interval = winner.speedUpLow === null || winner.speedUpHigh === null ? '–' : formatRange(winner.speedUpLow, winner.speedUpHigh);
  return [label, `${winner.isDefault ? 'default: ' : ''}${shortKernel(winner.kernelId)}${winner.dirty ? ' (dirty)' : ''}`, formatNs(winner.medianNs), formatTimes(winner.speedUp), interval, winner.roofShare === null ? '–' : formatShare(winner.roofShare), String(winner.tied.length), tried, reason];
}

function axisRows({ label, axes }: ProblemDetail): string[][] {
  return axes.filter(({ values }) => values.length > 1).map(({ axis, share, values }) => [label, axis, share === null ? '–' : formatShare(share), values.map(({ value, best, isWinner }) => `${isWinner ? '**' : ''}${value}: ${best.toFixed(3)}${isWinner ? '**' : ''}`).join(', ')]);
}

const reading = (value: number, unit: string): string => (unit === 'share' ? formatShare(value) : `${Math.round(value)} ${unit}`);
/** Text that Markdown does not act on. */
const plain = (text: string): string => visibleText(text).replace(/[\\|<>`]/g, (character) => `\\${character}`);

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...rows.map((cells) => row(cells.map(plain)))];
}

/** What `griffin library` prints. */
import { bytesText } from '../../runtime/bench/format.js';
import type { WinnerEntry } from '../../runtime/library/schema.js';
import type { EntryHealth, LibraryHealth } from '../../tuning/library/doctor.js';
import type { ExportReport } from '../../tuning/library/export.js';
import type { ListedWinner, ShownWinner } from '../../tuning/library/list.js';
import type { MergeReport } from '../../tuning/library/merge.js';
import type { PruneReport } from '../../tuning/library/prune.js';

const SHOWN = 20;

export function listText(directory: string, winners: readonly ListedWinner[], now: Date): string {
  if (winners.length === 0) return `${directory}: nothing tuned yet\n  try: griffin tune --model DIR --library ${directory}\n`;
  const rows = winners.map(({ problem, entry }) => [problem, entry.kernelId, ratioText(entry), entry.regime, `${ageText(entry.measuredAt, now)}${entry.dirty ? ', dirty' : ''}`]);
  const head = ['problem', 'winner', 'of the default', 'regime', 'age'];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string => cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ').trimEnd();
  const lines = [`${directory}: ${winners.length} ${winners.length === 1 ? 'winner' : 'winners'}`];
  let device = '';
  winners.forEach((winner, i) => {
    if (winner.device !== device) lines.push('', `${winner.deviceName} (${winner.device})`, line(head));
    device = winner.device;
    lines.push(line(rows[i] ?? []));
  });
  return `${lines.join('\n')}\n`;
}

/** `0.812 (0.801–0.823)`; `default` where nothing else was measured. */
export function ratioText({ ratio }: Pick<WinnerEntry, 'ratio'>): string {
  return ratio === undefined ? 'default' : `${ratio.median.toFixed(3)} (${ratio.low.toFixed(3)}–${ratio.high.toFixed(3)})`;
}

/** `3 h`, `12 d`, from an ISO date. */
export function ageText(at: string, now: Date): string {
  const minutes = (now.getTime() - Date.parse(at)) / 60_000;
  if (!Number.isFinite(minutes)) return 'unknown';
  if (minutes < 60) return `${Math.max(0, Math.floor(minutes))} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60 / 24)} d`;
}

export function showText({ problem, device, deviceName, entry, binary, source, evidence }: ShownWinner): string {
  const { run, finalPairs, heldOutPairs, finalRuns, measured, failures } = evidence;
  const rows: [string, string][] = [
    ['winner', entry.kernelId],
    ['time', `${Math.round(entry.medianNs)} ns; the default: ${Math.round(entry.defaultNs)} ns; ratio ${ratioText(entry)}${entry.roofShare === undefined ? '' : `; ${(entry.roofShare * 100).toFixed(1)} % of the roof`}`],
    ['device', `${deviceName} (${device}), driver ${entry.driver || 'unknown'}`],
    ['regime', `${entry.regime}${entry.dirty ? '; dirty: the machine was disturbed' : ''}`],
    ['measured', `${entry.measuredAt}, run ${entry.run}${run === null ? '' : ` on ${run.host}, strategy ${run.strategy}, effort ${run.effort}, version ${run.toolVersion}`}`],
    ['compiler', entry.compiler],
    ['binary', entry.binary === undefined ? 'comes with a vendor’s library' : `${binary ?? `${entry.binary.file} (missing)`}, SHA-256 ${entry.binary.sha256}`],
    ['source', `${source ?? 'not kept beside the binary (a default kernel: griffin kernels show --variant)'}, SHA-256 ${entry.sourceHash}`],
    ['evidence', `${finalPairs} pairs of samples in finals, ${heldOutPairs} on held-out contents, of ${finalRuns.length} ${finalRuns.length === 1 ? 'run' : 'runs'}; measured for ${measured} problems`],
    ...failures.map((failure): [string, string] => ['failed', failure]),
  ];
  return `${problem}\n${rows.map(([name, value]) => `  ${name.padEnd(9)} ${value}`).join('\n')}\n`;
}

const MARKS: Readonly<Record<EntryHealth['state'], string>> = {
  ok: 'ok', unreadable: 'UNREADABLE', foreign: 'FOREIGN', stale: 'STALE', binary: 'BINARY', dirty: 'dirty', driver: 'driver', compiler: 'compiler', 'other-device': 'other device',
};

export function healthText({ library, entries, journal, leftovers, mendedBy }: LibraryHealth): string {
  const lines = [`${library}: ${entries.length} entries`];
  for (const device of new Set(entries.map((entry) => entry.device))) {
    lines.push('', device, ...entries.filter((entry) => entry.device === device).map(({ state, what, reason }) => `  ${MARKS[state].padEnd(12)}  ${what}: ${reason}`));
  }
  lines.push('', `journal: ${journal.lines} lines in ${journal.files} ${journal.files === 1 ? 'file' : 'files'}; ${journal.unreadable} unreadable, ${journal.old} of another version: skipped`);
  lines.push(...shortened(journal.quarantined.map(({ kernelId, problem }) => `  quarantined   ${kernelId} at ${problem}: a run ended while it was running`)));
  lines.push(...shortened(journal.killed.map((run) => `  killed        run ${run} did not end in good order; what it measured is kept`)));
  lines.push(...journal.torn.map((name) => `  torn          ${name} ends in the middle of a line: the next run begins a new one`));
  const unreferenced = leftovers.filter(({ kind }) => kind === 'unreferenced');
  lines.push(...leftovers.filter(({ kind }) => kind !== 'unreferenced').map(({ path, kind, note }) => `  ${kind.padEnd(12)}  ${path}: ${note}`));
  if (unreferenced.length > 0) lines.push(`  ${unreferenced.length} binaries (${bytesText(unreferenced.reduce((sum, { bytes }) => sum + bytes, 0))}) are of no winner; \`griffin library prune\` removes them`);
  const mend = [
    ...(mendedBy.tune > 0 ? [`${mendedBy.tune} mended by: griffin tune --model DIR --library ${library}`] : []),
    ...(mendedBy.prune > 0 ? [`${mendedBy.prune} mended by: griffin library prune --library ${library}`] : []),
  ];
  return `${[...lines, '', ...(mend.length > 0 ? mend : ['Nothing is wrong.'])].join('\n')}\n`;
}

export function mergeText({ library, sources, lines, devices, undecided }: MergeReport): string {
  return `${[
    ...sources.flatMap(({ path, journals, entries, leftOut }) => [
      `${path}: ${entries} winners, ${journals} ${journals === 1 ? 'journal' : 'journals'}${leftOut.length > 0 ? `; ${leftOut.length} left out:` : ''}`,
      ...shortened(leftOut.map(({ what, reason }) => `  ${what}: ${reason}`)),
    ]),
    `journals: ${lines.read} lines; ${lines.bad} unreadable and ${lines.old} of another version skipped, ${lines.duplicate} known already`,
    ...shortened(undecided.map((reason) => `not written: ${reason}`)),
    ...Object.entries(devices).map(([key, { winners, decided }]) => `${key}: ${winners} winners, ${decided} of them decided from all measurements`),
    `library: ${library}`,
  ].join('\n')}\n`;
}

export function exportText({ out, device, winners, binaries, bytes }: ExportReport): string {
  return `${out}: ${winners} winners for ${device.name} (${device.key}), ${binaries} binaries, ${bytesText(bytes)}\n`;
}

export function pruneText({ library, dryRun, entries, files, bytes, live }: PruneReport): string {
  return `${[
    `${library}: ${dryRun ? 'would remove' : 'removed'} ${entries.length} entries and ${files.length} files (${bytesText(bytes)})`,
    ...shortened(entries.map(({ what, reason }) => `  ${what}: ${reason}`)),
    ...shortened(files.map((file) => `  ${file}`)),
    ...(live.length > 0 ? [`runs are tuning into it (${live.join(', ')}): candidates and binaries of no winner are left alone`] : []),
  ].join('\n')}\n`;
}

function shortened(lines: readonly string[]): readonly string[] {
  return lines.length <= SHOWN ? lines : [...lines.slice(0, SHOWN), `  … and ${lines.length - SHOWN} more`];
}

/** The winners of a library for people: as rows, and one of them with everything that is known. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../runtime/errors.js';
import type { WinnerEntry } from '../../runtime/library/schema.js';
import { foldJournal } from '../journal/evidence.js';
import { readJournals } from '../journal/files.js';
import type { LineOf } from '../journal/lines.js';
import { isMeasured } from '../types.js';
import { readWinners } from './contents.js';
import { describeEntry } from './doctor.js';
import { KERNELS_FOLDER, SOURCE_ENDINGS, WINNERS_FILE, withEnding } from './files.js';

export interface ListedWinner {
  /** Key and name of the section's device. */
  readonly device: string;
  readonly deviceName: string;
  readonly problem: string;
  readonly entry: WinnerEntry;
}

export interface ShownWinner extends ListedWinner {
  /** Paths, where they are there. */
  readonly binary: string | null;
  readonly source: string | null;
  readonly evidence: {
    /** Pairs of samples in finals and held-out finals, and the runs that took them. */
    readonly finalPairs: number;
    readonly heldOutPairs: number;
    readonly finalRuns: readonly string[];
    /** Measurements of the kernel for any problem of this device, and the newest failure of each that failed. */
    readonly measured: number;
    readonly failures: readonly string[];
    /** What the journal says of the run that wrote the entry; null where no journal has it. */
    readonly run: LineOf<'run'> | null;
  };
}

/** Sorted by device, then problem. Throws LibraryError when winners.json is damaged as a whole. */
export function listWinners(directory: string): readonly ListedWinner[] {
  const { contents } = readWinners(join(directory, WINNERS_FILE));
  return Object.entries(contents.devices)
    .flatMap(([device, section]) => section.entries.map((entry) => ({ device, deviceName: section.device.name, problem: describeProblem(entry), entry })))
    .sort((a, b) => (`${a.device} ${a.problem} ${a.entry.isa}` < `${b.device} ${b.problem} ${b.entry.isa}` ? -1 : 1));
}

/** E.g. `linear_gemv[dtype=bf16](in=256,out=1024,rows=1)`. */
export function describeProblem({ family, params, dims }: Pick<WinnerEntry, 'family' | 'params' | 'dims'>): string {
  const listing = (values: Readonly<Record<string, string | number>>): string =>
    Object.entries(values)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `${name}=${value}`)
      .join(',');
  return `${family}[${listing(params)}](${listing(dims)})`;
}

/** The winners whose problem or kernel id matches a pattern: a part of it, where `*` stands for anything. Throws UsageError when none does. */
export function showWinners(directory: string, pattern: string): readonly ShownWinner[] {
  const expression = new RegExp(pattern.split('*').map(escaped).join('.*'), 'i');
  const all = listWinners(directory);
  const found = all.filter(({ entry, problem }) => expression.test(problem) || expression.test(describeEntry(entry)));
  if (found.length === 0) {
    throw new UsageError(`no winner of ${directory} matches "${pattern}"; it has ${all.length} winners`, { remedy: 'griffin library list' });
  }
  const evidence = foldJournal(readJournals(directory).lines);
  return found.map((winner): ShownWinner => {
    const { entry, device } = winner;
    const key = { kernelId: entry.kernelId, sourceHash: entry.sourceHash, deviceKey: device, regime: entry.regime };
    const finals = evidence.finals(key);
    const pairs = (stage: 'final' | 'held-out'): number => finals.filter((line) => line.stage === stage).reduce((sum, line) => sum + line.samplesNs.length, 0);
    const candidates = evidence.candidates(key);
    const binary = entry.binary === undefined ? null : join(directory, KERNELS_FOLDER, entry.binary.file);
    const source = binary === null ? undefined : SOURCE_ENDINGS.map((ending) => withEnding(binary, ending)).find((path) => existsSync(path));
    return {
      ...winner,
      binary: binary !== null && existsSync(binary) ? binary : null,
      source: source ?? null,
      evidence: {
        finalPairs: pairs('final'),
        heldOutPairs: pairs('held-out'),
        finalRuns: [...new Set(finals.map(({ run }) => run))].sort(),
        measured: candidates.filter(({ outcome }) => isMeasured(outcome)).length,
        failures: candidates.flatMap(({ outcome, key: { problem } }) => (isMeasured(outcome) ? [] : [`${problem}: ${outcome.state}: ${outcome.message}`])),
        run: evidence.runs.get(entry.run) ?? null,
      },
    };
  });
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

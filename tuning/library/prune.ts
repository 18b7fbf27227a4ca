/** Removes from a library what nothing uses: entries that the runtime refuses, binaries of no winner, compiled candidates, leftovers. */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { emptyWinners } from '../../runtime/library/schema.js';
import { fileErrorFrom } from '../file-errors.js';
import { foldJournal } from '../journal/evidence.js';
import { readJournals } from '../journal/files.js';
import { isRunAlive } from '../journal/liveness.js';
import { readWinners } from './contents.js';
import { describeEntry, leftoversOf } from './doctor.js';
import { LOCK_FILE, SOURCE_ENDINGS, WINNERS_FILE, withEnding } from './files.js';
import { withLock, type LockOptions } from './lock.js';
import type { FormHash } from './redecide.js';
import { binaryFault, staleness } from './source.js';
import { writeWinners } from './writer.js';

export interface PruneOptions {
  /** Only says what would be removed. */
  readonly dryRun?: boolean;
  /** Leaves `candidates/`, so that the next run need not compile them again. */
  readonly keepCandidates?: boolean;
  readonly formHash: FormHash;
  readonly lock?: LockOptions;
  /** Milliseconds since 1970. Default: now. */
  readonly now?: number;
}

export interface PruneReport {
  readonly library: string;
  readonly dryRun: boolean;
  /** Entries that were taken out, with the reason. */
  readonly entries: readonly { readonly what: string; readonly reason: string }[];
  readonly files: readonly string[];
  readonly bytes: number;
  /** Runs that tune into the library right now: their candidates, and binaries that may win yet, are left alone. */
  readonly live: readonly string[];
}

/** Journals stay as they are. Throws LibraryError (winners.json damaged as a whole; a lock) and FileError. */
export async function pruneLibrary(directory: string, options: PruneOptions): Promise<PruneReport> {
  const work = (stillMine?: () => void): PruneReport => prune(directory, options, stillMine);
  // A library that is only looked at may lie where nothing can be written.
  return options.dryRun === true ? work() : await withLock(join(directory, LOCK_FILE), work, options.lock);
}

function prune(directory: string, { dryRun = false, keepCandidates = false, formHash, now = Date.now() }: PruneOptions, stillMine?: () => void): PruneReport {
  const path = join(directory, WINNERS_FILE);
  const { contents, unreadable } = readWinners(path);
  const removed = unreadable.map(({ where, reason }) => ({ what: where, reason }));
  const devices = Object.fromEntries(
    Object.entries(contents.devices).map(([key, section]) => {
      const entries = section.entries.filter((entry) => {
        const reason = entry.deviceKey !== key ? `measured on ${entry.deviceKey}` : (staleness(entry, formHash) ?? binaryFault(directory, entry));
        if (reason !== null) removed.push({ what: `${describeEntry(entry)} of ${key}`, reason });
        return reason === null;
      });
      return [key, { ...section, entries }];
    }),
  );
  const referenced = new Set(Object.values(devices).flatMap(({ entries }) => entries.flatMap(({ binary }) => binary?.file ?? [])));
  const live = liveRuns(directory);
  const files = leftoversOf(directory, referenced, now).flatMap((leftover) => {
    if (leftover.kind === 'unreferenced') return live.length > 0 ? [] : withBeside(leftover.path);
    return [leftover.path];
  });
  if (!keepCandidates && live.length === 0) files.push(...candidatesIn(directory));
  const bytes = files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
  if (!dryRun) {
    if (removed.length > 0) writeWinners(path, { ...emptyWinners(), devices }, stillMine);
    files.forEach(remove);
  }
  return { library: directory, dryRun, entries: removed, files, bytes, live };
}

function liveRuns(directory: string): readonly string[] {
  const { runs, ends } = foldJournal(readJournals(directory).lines);
  return [...runs.values()].filter((run) => !ends.has(run.run) && isRunAlive(run)).map(({ run }) => run);
}

/** A binary with its source and what the compiler said of it. */
function withBeside(path: string): readonly string[] {
  return [path, ...[...SOURCE_ENDINGS, '.json'].map((ending) => withEnding(path, ending)).filter((beside) => existsSync(beside))];
}

function candidatesIn(directory: string): readonly string[] {
  const folder = join(directory, 'candidates');
  if (!existsSync(folder)) return [];
  try {
    return readdirSync(folder).sort().map((name) => join(folder, name));
  } catch (error) {
    throw fileErrorFrom(error, 'list the compiled candidates', folder);
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true, recursive: true });
  } catch (error) {
    throw fileErrorFrom(error, 'remove', path);
  }
}

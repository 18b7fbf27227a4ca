/** Looks at a library entry by entry and says what is wrong with it, and what mends it. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { WinnerEntry } from '../../runtime/library/schema.js';
import { fileErrorFrom } from '../file-errors.js';
import { foldJournal } from '../journal/evidence.js';
import { readJournals } from '../journal/files.js';
import { isRunAlive } from '../journal/liveness.js';
import { readWinners } from './contents.js';
import { isTemporary, KERNELS_FOLDER, LOCK_FILE, WINNERS_FILE } from './files.js';
import { describeHolder, holderOf, lockState } from './lock.js';
import type { FormHash } from './redecide.js';
import { binariesIn, binaryFault, staleness } from './source.js';

/**
 * - `unreadable`, `foreign` (copied into another device's section), `stale` (templates changed), `binary` (missing or damaged): the runtime leaves it out.
 * - `dirty`: measured on a machine that did not come to rest. `driver`: measured with another driver.
 * - `compiler`: another compiler is installed now. `other-device`: of another machine than this. Nothing is wrong with these.
 */
export type EntryState = 'ok' | 'unreadable' | 'foreign' | 'stale' | 'binary' | 'dirty' | 'driver' | 'compiler' | 'other-device';

/** What mends it; `none`: nothing needs to be mended. */
export type Mending = 'none' | 'tune' | 'prune';

export interface EntryHealth {
  /** Key of the section. */
  readonly device: string;
  readonly what: string;
  readonly state: EntryState;
  readonly reason: string;
  readonly mending: Mending;
}

export interface JournalHealth {
  readonly files: number;
  readonly lines: number;
  readonly unreadable: number;
  readonly old: number;
  /** Candidates that a run died of, with what is known of it. */
  readonly quarantined: readonly { readonly kernelId: string; readonly problem: string; readonly message: string }[];
  /** Runs that did not end in good order, and are not at work. */
  readonly killed: readonly string[];
  /** Files whose last line is not whole: a run was killed, or is writing right now. */
  readonly torn: readonly string[];
}

export interface Leftover {
  readonly path: string;
  readonly kind: 'temporary' | 'lock' | 'unreferenced';
  readonly bytes: number;
  readonly note: string;
}

export interface LibraryHealth {
  readonly library: string;
  readonly entries: readonly EntryHealth[];
  readonly journal: JournalHealth;
  readonly leftovers: readonly Leftover[];
  /** How much is wrong that each command mends. */
  readonly mendedBy: { readonly tune: number; readonly prune: number };
}

/** A device of this machine. */
export interface DeviceFacts {
  readonly key: string;
  readonly driver: string;
  /** First line of the version of the compiler that would be used now; null when there is none. */
  readonly compiler: string | null;
}

export interface DoctorOptions {
  readonly devices: readonly DeviceFacts[];
  readonly formHash: FormHash;
  /** Milliseconds since 1970. Default: now. */
  readonly now?: number;
}

/** A file that is being written is younger than this. */
const TEMPORARY_AGE_MS = 600_000;

/** Throws LibraryError when winners.json is damaged as a whole, FileError when something cannot be read. */
export function examineLibrary(directory: string, options: DoctorOptions): LibraryHealth {
  const { contents, unreadable } = readWinners(join(directory, WINNERS_FILE));
  const entries: EntryHealth[] = unreadable.map(({ where, reason }) => ({ device: where.split(' of ')[1] ?? '', what: where.split(' of ')[0] ?? where, state: 'unreadable', reason, mending: 'prune' }));
  for (const [key, section] of Object.entries(contents.devices)) entries.push(...section.entries.map((entry) => examineEntry(directory, key, entry, options)));
  const referenced = new Set(Object.values(contents.devices).flatMap((section) => section.entries.flatMap(({ binary }) => binary?.file ?? [])));
  const leftovers = leftoversOf(directory, referenced, options.now ?? Date.now());
  return {
    library: directory,
    entries,
    journal: examineJournals(directory),
    leftovers,
    mendedBy: {
      tune: entries.filter(({ mending }) => mending === 'tune').length,
      prune: entries.filter(({ mending }) => mending === 'prune').length + leftovers.filter(({ kind }) => kind !== 'unreferenced').length,
    },
  };
}

function examineEntry(directory: string, key: string, entry: WinnerEntry, { devices, formHash }: DoctorOptions): EntryHealth {
  const device = devices.find((known) => known.key === key);
  const health = (state: EntryState, reason: string, mending: Mending): EntryHealth => ({ device: key, what: describeEntry(entry), state, reason, mending });
  // What was measured elsewhere can be measured again there only.
  const again: Mending = device === undefined ? 'prune' : 'tune';
  if (entry.deviceKey !== key) return health('foreign', `measured on ${entry.deviceKey}, and copied into this section`, 'prune');
  const stale = staleness(entry, formHash);
  if (stale !== null) return health('stale', stale.replace('stale: ', ''), again);
  const fault = binaryFault(directory, entry);
  if (fault !== null) return health('binary', fault, again);
  if (entry.dirty) return health('dirty', 'the machine was disturbed while it was measured', device === undefined ? 'none' : 'tune');
  if (device === undefined) return health('other-device', 'whole; of another device than this machine has', 'none');
  if (entry.driver !== device.driver) return health('driver', `measured with driver ${entry.driver || 'unknown'}; this machine has ${device.driver || 'unknown'}`, 'tune');
  if (device.compiler !== null && entry.compiler !== device.compiler) return health('compiler', `compiled by ${entry.compiler}; installed is ${device.compiler}`, 'none');
  return health('ok', `ratio ${(entry.ratio?.median ?? 1).toFixed(3)} to the default`, 'none');
}

/** E.g. `linear_gemv__bf16__avx2__rows4 at in=256 out=1024 rows=1`. */
export function describeEntry(entry: WinnerEntry): string {
  const dims = Object.entries(entry.dims).map(([name, value]) => `${name}=${value}`);
  return `${entry.kernelId} at ${dims.join(' ')}`;
}

function examineJournals(directory: string): JournalHealth {
  const { lines, badLines, oldLines, paths } = readJournals(directory);
  const evidence = foldJournal(lines, (run) => isRunAlive(run));
  const killed = [...evidence.runs.values()].filter((run) => !evidence.ends.has(run.run) && !isRunAlive(run));
  return {
    files: paths.length,
    lines: lines.length,
    unreadable: badLines,
    old: oldLines,
    quarantined: evidence.quarantined().map(({ key, outcome }) => ({ kernelId: key.kernelId, problem: key.problem, message: outcome.message })),
    killed: killed.map((run) => `${run.run} (${run.host}, process ${run.pid}, begun ${run.at})`).sort(),
    torn: paths.filter((path) => endsMidLine(path)).map((path) => basename(path)),
  };
}

function endsMidLine(path: string): boolean {
  try {
    const bytes = readFileSync(path);
    return bytes.length > 0 && bytes.at(-1) !== 0x0a;
  } catch (error) {
    throw fileErrorFrom(error, 'read the tuning journal', path);
  }
}

/** Files that nothing needs: of writers that were killed, locks of processes that are gone, binaries that no winner uses. */
export function leftoversOf(directory: string, referenced: ReadonlySet<string>, now: number): readonly Leftover[] {
  const found: Leftover[] = [];
  for (const folder of [directory, join(directory, KERNELS_FOLDER)]) {
    for (const name of namesIn(folder).filter(isTemporary)) {
      const path = join(folder, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat !== undefined && now - stat.mtimeMs > TEMPORARY_AGE_MS) found.push({ path, kind: 'temporary', bytes: stat.size, note: 'its writer was killed' });
    }
  }
  const lock = join(directory, LOCK_FILE);
  if (existsSync(lock) && lockState(holderOf(lock)) === 'left') found.push({ path: lock, kind: 'lock', bytes: 0, note: `held by ${describeHolder(holderOf(lock))}, which is gone` });
  for (const path of binariesIn(directory)) {
    if (!referenced.has(basename(path))) found.push({ path, kind: 'unreferenced', bytes: statSync(path, { throwIfNoEntry: false })?.size ?? 0, note: 'no winner uses it; merging may' });
  }
  return found;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileErrorFrom(error, 'list', folder);
  }
}

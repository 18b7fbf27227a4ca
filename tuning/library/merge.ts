/** Joins libraries and journals of many runs and machines into one library. The order of the sources does not matter. */
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Family } from '../../generator/types.js';
import { emptyWinners, type DeviceWinners, type WinnerEntry, type Winners } from '../../runtime/library/schema.js';
import { formHash, readManifest } from '../../runtime/library/manifest.js';
import { makeDirectory } from '../../runtime/paths.js';
import { fileErrorFrom } from '../file-errors.js';
import { foldJournal, type Evidence } from '../journal/evidence.js';
import { isRunAlive } from '../journal/liveness.js';
import { journalPaths, journalText, readJournalFiles } from '../journal/files.js';
import { canonical, compareDecisions, decisionKey } from './contents.js';
import { installBinary, KERNELS_FOLDER, LOCK_FILE, WINNERS_FILE, writeAtomically, type InstalledBinary } from './files.js';
import { withLock, type LockOptions } from './lock.js';
import { redecide, settleEntries, type FormHash } from './redecide.js';
import { binariesBySource, readSource, type LeftOut, type LibrarySource } from './source.js';
import { writeWinners } from './writer.js';

export interface MergeOptions {
  /** Families by which the journals' problems are read. Default: the registry. */
  readonly families?: readonly Family[];
  /** SHA-256 of a form's default source today. Default: of the package's manifest. */
  readonly formHash?: FormHash;
  readonly lock?: LockOptions;
}

export interface MergeReport {
  readonly library: string;
  readonly sources: readonly {
    readonly path: string;
    readonly journals: number;
    readonly entries: number;
    readonly leftOut: readonly LeftOut[];
  }[];
  /** Lines of all journals: read, unreadable, of another version, and read more than once. */
  readonly lines: { readonly read: number; readonly bad: number; readonly old: number; readonly duplicate: number };
  /** By device key: how many winners there are now, and how many of them the journals decided. */
  readonly devices: Readonly<Record<string, { readonly winners: number; readonly decided: number }>>;
  /** Problems that the journals decide but that could not be written, with the reason. */
  readonly undecided: readonly string[];
}

/** Where merged lines go: a file that no tuner appends to, so that nothing is lost when it is replaced. */
export const MERGED_JOURNAL = 'journal.merged.jsonl';

/**
 * Merges `sources` (library directories, or single journal files) into `target`, which is made when it does not exist and is one of the
 * sources when it does. Journals are united line by line; kernels are copied under names that say what is in them; winners are decided
 * per device section, from all the finals of the journals where there are any (`redecide`), else the best entry stays (`compareEntries`).
 * Foreign, stale and damaged entries are left out, each with its reason. Sources are only read.
 *
 * Throws UsageError (nothing to merge at a path), LibraryError (a winners.json that is damaged as a whole; a lock), FileError.
 */
export async function mergeLibraries(paths: readonly string[], target: string, options: MergeOptions = {}): Promise<MergeReport> {
  const hash = options.formHash ?? manifestHash();
  const others = distinct(paths).filter((path) => !isSame(path, target));
  const sources = others.map((path) => readSource(path, hash));
  const wasLibrary = hasLibrary(target);
  const kernels = join(target, KERNELS_FOLDER);
  try {
    makeDirectory(kernels);
  } catch (error) {
    throw fileErrorFrom(error, 'create the kernel library', kernels);
  }
  const installed = new Map<string, InstalledBinary>();
  for (const source of sources) for (const path of binariesOf(source)) installed.set(path, installBinary(target, path));
  const lines = readJournalFiles([...sources.flatMap(({ journals }) => journals), ...journalPaths(target)]);
  if (sources.length > 0) uniteJournals(sources.flatMap(({ journals }) => journals), target);

  return await withLock(
    join(target, LOCK_FILE),
    (stillMine) => {
      // The target as it is now: another process may have written into it meanwhile.
      const own = hasLibrary(target) ? [readSource(target, hash)] : [];
      const all = [...sources, ...own];
      const contents = readJournalFiles(journalPaths(target));
      const evidence = foldJournal(contents.lines, (run) => isRunAlive(run));
      const bySource = binariesBySource(all);
      const findBinary = (sourceHash: string): InstalledBinary | undefined => {
        const path = bySource.get(sourceHash);
        return path === undefined ? undefined : (installed.get(path) ?? installBinary(target, path));
      };
      const settled = settleSections(all.map((source) => withInstalled(source, installed, target)), evidence, { ...options, formHash: hash, findBinary });
      const path = join(target, WINNERS_FILE);
      if (Object.keys(settled.winners.devices).length > 0 || existsSync(path)) writeWinners(path, settled.winners, stillMine);
      return {
        library: target,
        sources: (wasLibrary ? all : sources).map((source) => ({
          path: source.path,
          journals: source.journals.length,
          entries: Object.values(source.sections).reduce((sum, { entries }) => sum + entries.length, 0),
          leftOut: source.leftOut,
        })),
        lines: { read: lines.lines.length, bad: lines.badLines, old: lines.oldLines, duplicate: lines.duplicates },
        devices: settled.counts,
        undecided: settled.undecided,
      };
    },
    options.lock,
  );
}

/** How today's templates hash, by the package's manifest. */
export function manifestHash(): FormHash {
  const manifest = readManifest();
  return (family, params, isa) => formHash(manifest, family, params, isa);
}

type SettleOptions = Parameters<typeof redecide>[3];

function settleSections(
  sources: readonly Pick<LibrarySource, 'sections'>[],
  evidence: Evidence,
  options: SettleOptions,
): { readonly winners: Winners; readonly counts: MergeReport['devices']; readonly undecided: readonly string[] } {
  const keys = [...new Set(sources.flatMap(({ sections }) => Object.keys(sections)))].sort();
  const devices: Record<string, DeviceWinners> = {};
  const counts: Record<string, { winners: number; decided: number }> = {};
  const undecided: string[] = [];
  for (const key of keys) {
    const sections = sources.flatMap((source) => source.sections[key] ?? []);
    const candidates = sections.flatMap((section) => section.entries);
    const decided = redecide(key, evidence, candidates, options);
    undecided.push(...decided.flatMap(({ entry, reason }) => (entry === null ? [`${key}: ${reason}`] : [])));
    const entries = settleEntries(candidates, decided);
    // Equal for equal devices, but for what differs from machine to machine (the size of the memory): any of them, as long as it is always the same.
    const [device] = sections.map((section) => section.device).sort((a, b) => (canonical(a) < canonical(b) ? -1 : 1));
    if (device === undefined) continue;
    devices[key] = { device, entries, decisions: bestDecisions(sections) };
    counts[key] = { winners: entries.length, decided: decided.filter(({ entry }) => entry !== null && entries.includes(entry)).length };
  }
  return { winners: { ...emptyWinners(), devices }, counts, undecided };
}

function bestDecisions(sections: readonly DeviceWinners[]): DeviceWinners['decisions'] {
  const best = new Map<string, DeviceWinners['decisions'][number]>();
  for (const decision of sections.flatMap(({ decisions }) => decisions).sort(compareDecisions)) if (!best.has(decisionKey(decision))) best.set(decisionKey(decision), decision);
  return [...best].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, decision]) => decision);
}

/** Binaries that say what they are, and those that entries refer to by their hash. */
function binariesOf({ path, binaries, sections }: LibrarySource): readonly string[] {
  const referred = Object.values(sections).flatMap(({ entries }) => entries.flatMap(({ binary }) => (binary === undefined ? [] : [join(path, KERNELS_FOLDER, binary.file)])));
  return [...new Set([...binaries, ...referred])].sort();
}

/** The source's entries with the names that their binaries have in the target. */
function withInstalled(source: LibrarySource, installed: Map<string, InstalledBinary>, target: string): Pick<LibrarySource, 'sections'> {
  const rename = (entry: WinnerEntry): WinnerEntry => {
    if (entry.binary === undefined) return entry;
    const path = join(source.path, KERNELS_FOLDER, entry.binary.file);
    const known = installed.get(path) ?? installBinary(target, path);
    installed.set(path, known);
    return { ...entry, binary: known };
  };
  return { sections: Object.fromEntries(Object.entries(source.sections).map(([key, section]) => [key, { ...section, entries: section.entries.map(rename) }])) };
}

/** Lines that the target's own journals lack go into `MERGED_JOURNAL`, which is replaced as a whole. */
function uniteJournals(paths: readonly string[], target: string): void {
  const merged = join(target, MERGED_JOURNAL);
  const live = readJournalFiles(journalPaths(target).filter((path) => path !== merged));
  const known = new Set(live.lines.map(({ sum }) => sum));
  const lines = readJournalFiles([...paths, merged]).lines.filter(({ sum }) => !known.has(sum));
  if (lines.length > 0) writeAtomically(merged, journalText(lines));
}

function hasLibrary(path: string): boolean {
  return existsSync(join(path, WINNERS_FILE)) || journalPaths(path).length > 0;
}

function isSame(a: string, b: string): boolean {
  return existsSync(a) && existsSync(b) && realpathSync(a) === realpathSync(b);
}

/** Each place once, however it is spelled. */
function distinct(paths: readonly string[]): readonly string[] {
  return [...new Map(paths.map((path) => [existsSync(path) ? realpathSync(path) : path, path])).values()];
}

/** A library, or a single journal, as something to merge from: what of it can be used, and what is left out and why. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { UsageError } from '../../runtime/errors.js';
import type { DeviceWinners, WinnerEntry } from '../../runtime/library/schema.js';
import { VENDOR_ISA } from '../../runtime/device/types.js';
import { fileErrorFrom } from '../file-errors.js';
import { journalPaths } from '../journal/files.js';
import { readWinners } from './contents.js';
import { hashOf, KERNELS_FOLDER, nameFor, readBytes, SOURCE_ENDINGS, WINNERS_FILE, withEnding } from './files.js';
import type { FormHash } from './redecide.js';

export interface LeftOut {
  /** E.g. `linear_gemv__bf16__avx2__rows4 of cpu-amd-25-17-1`. */
  readonly what: string;
  readonly reason: string;
}

export interface LibrarySource {
  readonly path: string;
  readonly journals: readonly string[];
  /** By device key: entries that are whole, of today's templates, of the section's device, with their binary. */
  readonly sections: Readonly<Record<string, DeviceWinners>>;
  /** Paths of binaries whose name says what is in them. */
  readonly binaries: readonly string[];
  readonly leftOut: readonly LeftOut[];
}

/** Endings of compiled kernels. */
const BINARY_ENDINGS = ['.so', '.cubin'];

/** Throws UsageError when there is nothing to merge at the path, LibraryError when its winners.json is damaged as a whole, FileError. */
export function readSource(path: string, formHash: FormHash): LibrarySource {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new UsageError(`there is nothing to merge at ${path}: expected a library directory or a journal file`);
  if (!stat.isDirectory()) return { path, journals: [path], sections: {}, binaries: [], leftOut: [] };
  const journals = journalPaths(path);
  const { contents, unreadable } = readWinners(join(path, WINNERS_FILE));
  if (journals.length === 0 && Object.keys(contents.devices).length === 0) {
    throw new UsageError(`${path} is not a kernel library: it has neither winners.json nor a journal`);
  }
  const leftOut: LeftOut[] = unreadable.map(({ where, reason }) => ({ what: where, reason }));
  const sections = Object.fromEntries(
    Object.entries(contents.devices).map(([key, section]) => {
      const entries = section.entries.filter((entry) => {
        const reason = faultOf(path, key, entry, formHash);
        if (reason !== null) leftOut.push({ what: `${entry.kernelId} of ${key}`, reason });
        return reason === null;
      });
      return [key, { ...section, entries }];
    }),
  );
  const binaries: string[] = [];
  for (const binary of binariesIn(path)) {
    const name = binary.slice(binary.lastIndexOf('/') + 1);
    const hash = hashOf(readBytes(binary, 'read a kernel binary'));
    if (nameFor(name, hash) === name) binaries.push(binary);
    // Libraries of before had other names: what entries refer to is checked with the entry.
    else if (!usesBinary(sections, name, hash)) leftOut.push({ what: name, reason: 'its name does not say what is in it: changed, damaged, or of an older library' });
  }
  return { path, journals, sections, binaries, leftOut };
}

function usesBinary(sections: Readonly<Record<string, DeviceWinners>>, file: string, hash: string): boolean {
  return Object.values(sections).some(({ entries }) => entries.some(({ binary }) => binary?.file === file && binary.sha256 === hash));
}

/** Compiled kernels in a library's `kernels/`, sorted. */
export function binariesIn(library: string): readonly string[] {
  const folder = join(library, KERNELS_FOLDER);
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.') && BINARY_ENDINGS.includes(extname(name)))
      .sort()
      .map((name) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileErrorFrom(error, 'list the kernels', folder);
  }
}

/** Why an entry cannot be merged, or null. */
function faultOf(library: string, key: string, entry: WinnerEntry, formHash: FormHash): string | null {
  if (entry.deviceKey !== key) return `foreign: it was measured on ${entry.deviceKey}`;
  if (entry.isa === VENDOR_ISA) return null;
  return staleness(entry, formHash) ?? binaryFault(library, entry);
}

/** Why an entry is not of today's templates, or null. A vendor's kernel has none. */
export function staleness(entry: WinnerEntry, formHash: FormHash): string | null {
  if (entry.isa === VENDOR_ISA) return null;
  const current = formHash(entry.family, entry.params, entry.isa);
  if (current === undefined) return 'stale: this version has no such form';
  return current === entry.formHash ? null : 'stale: its template has changed since it was measured';
}

/** What is wrong with an entry's binary, or null. */
export function binaryFault(library: string, entry: WinnerEntry): string | null {
  if (entry.binary === undefined) return null;
  const { file, sha256 } = entry.binary;
  let bytes: Buffer;
  try {
    bytes = readFileSync(join(library, KERNELS_FOLDER, file));
  } catch (error) {
    return `its binary ${file} ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'is missing' : `cannot be read: ${(error as Error).message}`}`;
  }
  const found = hashOf(bytes);
  return found === sha256 ? null : `its binary ${file} is damaged: SHA-256 ${found}, expected ${sha256}`;
}

/** By SHA-256 of the source: the path of a binary that was compiled from it. The smallest name where there are several. */
export function binariesBySource(sources: readonly Pick<LibrarySource, 'binaries'>[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const paths = sources.flatMap(({ binaries }) => binaries);
  for (const path of [...paths].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))) {
    for (const ending of SOURCE_ENDINGS) {
      const source = withEnding(path, ending);
      if (statSync(source, { throwIfNoEntry: false }) === undefined) continue;
      const hash = hashOf(readBytes(source, 'read the source of a kernel'));
      if (!found.has(hash)) found.set(hash, path);
    }
  }
  return found;
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

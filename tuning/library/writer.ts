/** Writes winners into a user's library: `winners.json` and `kernels/`, each file whole or not at all, merged under a lock with what is there. */
import { join } from 'node:path';
import type { DeviceIdentity } from '../../runtime/device/types.js';
import { winnersSchema, type DeviceWinners, type FfStrategyDecision, type WinnerEntry, type Winners } from '../../runtime/library/schema.js';
import { makeDirectory } from '../../runtime/paths.js';
import { fileErrorFrom } from '../file-errors.js';
import { canonical, compareEntries, decisionKey, readWinners, rivals } from './contents.js';
import { installBinary, KERNELS_FOLDER, LOCK_FILE, WINNERS_FILE, writeAtomically, type InstalledBinary } from './files.js';
import { withLock, type LockOptions } from './lock.js';
import { binaryFault } from './source.js';

/** A winner before its binary has its place in the library. */
export interface NewWinner {
  readonly entry: Omit<WinnerEntry, 'binary'>;
  /** The shared object or cubin, anywhere; its source lies beside it as `.cc` or `.cu`. Null for a kernel of a vendor's library. */
  readonly binaryPath: string | null;
}

export interface LibraryUpdate {
  readonly device: DeviceIdentity;
  readonly winners: readonly NewWinner[];
  readonly decisions: readonly FfStrategyDecision[];
}

export interface UpdateResult {
  /** Old entries that could not be read, and are gone now. */
  readonly dropped: number;
  /** Winners of this update that were not written, since another run has found better ones of the same problems in the meantime. */
  readonly yielded: number;
}

export interface LibraryWriter {
  readonly directory: string;
  /**
   * Reads, merges and writes `winners.json` under the library's lock, so that several tuners lose nothing of each other. Entries of other
   * devices and of problems that are not in the update stay. An entry of the same problem is replaced, unless another run has written it
   * since this writer was opened and its ratio to the default is lower. Throws FileError (the old file is untouched) and LibraryError
   * (damaged file, or the lock does not become free).
   */
  update(update: LibraryUpdate): Promise<UpdateResult>;
  /** Copies a compiled kernel, with its source, into `kernels/`: also of kernels that have not won, where libraries are to be merged. */
  install(binaryPath: string): InstalledBinary;
  /** Writes a text file beside winners.json, e.g. the report. */
  writeText(name: string, text: string): void;
}

export interface WriterOptions extends LockOptions {
  /**
   * The run looks at a part of every space only (a shard). Then entries of other runs that were there before are treated as those of concurrent
   * runs: they stay while they are better, of the same form, compiler and regime, and whole.
   */
  readonly partial?: boolean;
}

/** Throws FileError when the directory cannot be made, and LibraryError when what is there is damaged: better now than when the time is spent. */
export function openLibraryWriter(directory: string, options: WriterOptions = {}): LibraryWriter {
  const path = join(directory, WINNERS_FILE);
  const atOpen = new Set(Object.values(readWinners(path).contents.devices).flatMap(({ entries }) => entries.map(canonical)));
  const kernels = join(directory, KERNELS_FOLDER);
  try {
    makeDirectory(kernels);
  } catch (error) {
    throw fileErrorFrom(error, 'create the kernel library', kernels);
  }
  const install = (binaryPath: string): InstalledBinary => installBinary(directory, binaryPath);

  /** Whether an entry that is there stays in the place of ours. */
  const holds = (old: WinnerEntry, ours: WinnerEntry): boolean =>
    rivals(old, ours) && old.run !== ours.run && (!atOpen.has(canonical(old)) || (options.partial === true && isComparable(old, ours))) && compareEntries(old, ours) < 0;
  const isComparable = (old: WinnerEntry, ours: WinnerEntry): boolean =>
    old.formHash === ours.formHash && old.compiler === ours.compiler && old.regime === ours.regime && binaryFault(directory, old) === null;

  return {
    directory,
    install,
    async update({ device, winners, decisions }) {
      // Before the lock is taken: the lock is for milliseconds.
      const entries = winners.map(({ entry, binaryPath }): WinnerEntry => (binaryPath === null ? entry : { ...entry, binary: install(binaryPath) }));
      return await withLock(
        join(directory, LOCK_FILE),
        (stillMine) => {
          const { contents, dropped } = readWinners(path);
          const identity = { ...device, isas: [...device.isas] };
          const before: DeviceWinners = contents.devices[device.key] ?? { device: identity, entries: [], decisions: [] };
          const written = entries.filter((entry) => !before.entries.some((old) => holds(old, entry)));
          const next: DeviceWinners = {
            device: identity,
            entries: [...before.entries.filter((old) => !written.some((entry) => rivals(entry, old))), ...written],
            decisions: replaceByKey(before.decisions, decisions),
          };
          writeWinners(path, { ...contents, devices: { ...contents.devices, [device.key]: next } }, stillMine);
          return { dropped, yielded: entries.length - written.length };
        },
        options,
      );
    },
    writeText(name, text) {
      writeAtomically(join(directory, name), text);
    },
  };
}

/** @param stillMine throws when the lock is lost: the file is then left as it is */
export function writeWinners(path: string, winners: Winners, stillMine?: () => void): void {
  writeAtomically(path, `${JSON.stringify(winnersSchema.parse(winners), null, 1)}\n`, stillMine);
}

function replaceByKey(before: readonly FfStrategyDecision[], after: readonly FfStrategyDecision[]): FfStrategyDecision[] {
  const replaced = new Set(after.map(decisionKey));
  return [...before.filter((decision) => !replaced.has(decisionKey(decision))), ...after];
}

/** Writes winners into a user's library: `winners.json` and `kernels/`, each file whole or not at all, merged with what is there. */
import { randomUUID } from 'node:crypto';
import { closeSync, copyFileSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { VENDOR_ISA, type DeviceIdentity } from '../runtime/device/types.js';
import { LibraryError } from '../runtime/errors.js';
import {
  decisionSchema,
  emptyWinners,
  winnerEntrySchema,
  winnersEnvelopeSchema,
  winnersSchema,
  type DeviceWinners,
  type FfStrategyDecision,
  type WinnerEntry,
  type Winners,
} from '../runtime/library/schema.js';
import { makeDirectory } from '../runtime/paths.js';
import { fileErrorFrom } from './file-errors.js';

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

export interface LibraryWriter {
  readonly directory: string;
  /** Merges and writes. Entries of other devices and of problems that are not in the update stay. Returns how many old entries were dropped as unreadable. */
  update(update: LibraryUpdate): { readonly dropped: number };
  /** Writes a text file beside winners.json, e.g. the report. */
  writeText(name: string, text: string): void;
}

/** Throws FileError when the directory cannot be made, and LibraryError when what is there is damaged: better now than when the time is spent. */
export function openLibraryWriter(directory: string): LibraryWriter {
  const winnersPath = join(directory, 'winners.json');
  readWinners(winnersPath);
  const kernels = join(directory, 'kernels');
  try {
    makeDirectory(kernels);
  } catch (error) {
    throw fileErrorFrom(error, 'create the kernel library', kernels);
  }

  /** Copies a binary under its own name, which says what is in it, with what lies beside it: its source, and what the compiler said. */
  function install(winner: NewWinner): WinnerEntry {
    if (winner.binaryPath === null) return winner.entry;
    const { binaryPath } = winner;
    const file = binaryPath.slice(binaryPath.lastIndexOf('/') + 1);
    const target = join(kernels, file);
    copyAtomically(binaryPath, target);
    for (const ending of ['.cc', '.cu', '.json']) {
      const beside = binaryPath.replace(/\.(so|cubin)$/, ending);
      if (beside !== binaryPath && existsSync(beside)) copyAtomically(beside, target.replace(/\.(so|cubin)$/, ending));
    }
    return { ...winner.entry, binary: { file, sha256: hashOf(target) } };
  }

  return {
    directory,
    update({ device, winners, decisions }) {
      const { contents, dropped } = readWinners(winnersPath);
      const entries = winners.map(install);
      const identity = { ...device, isas: [...device.isas] };
      const before: DeviceWinners = contents.devices[device.key] ?? { device: identity, entries: [], decisions: [] };
      const next: DeviceWinners = {
        device: identity,
        entries: [...before.entries.filter((old) => !entries.some((entry) => replaces(entry, old))), ...entries],
        decisions: merge(before.decisions, decisions, decisionKey),
      };
      const file: Winners = { ...contents, devices: { ...contents.devices, [device.key]: next } };
      writeAtomically(winnersPath, `${JSON.stringify(winnersSchema.parse(file), null, 1)}\n`);
      return { dropped };
    },
    writeText(name, text) {
      writeAtomically(join(directory, name), text);
    },
  };
}

/** What is there, entry by entry: an unreadable entry costs itself only. Throws LibraryError when the file as a whole is not a winners file. */
export function readWinners(path: string): { readonly contents: Winners; readonly dropped: number } {
  if (!existsSync(path)) return { contents: emptyWinners(), dropped: 0 };
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw fileErrorFrom(error, 'read the winners', path);
  }
  let envelope;
  try {
    envelope = winnersEnvelopeSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new LibraryError(`${path} (${text.length} characters) is not a winners file of this version: ${firstLine(error)}`, {
      remedy: `move it away (mv ${path} ${path}.broken) and run griffin tune again; measurements in journal.jsonl are kept`,
      cause: error,
    });
  }
  let dropped = 0;
  const devices: Record<string, DeviceWinners> = {};
  for (const [key, section] of Object.entries(envelope.devices)) {
    const device = winnersSchema.shape.devices.valueType.shape.device.safeParse(section.device);
    const entries = section.entries.map((entry) => winnerEntrySchema.safeParse(entry));
    const decisions = section.decisions.map((decision) => decisionSchema.safeParse(decision));
    if (!device.success) {
      dropped += entries.length + decisions.length;
      continue;
    }
    dropped += [...entries, ...decisions].filter((result) => !result.success).length;
    devices[key] = {
      device: device.data,
      entries: entries.flatMap((result) => (result.success ? [result.data] : [])),
      decisions: decisions.flatMap((result) => (result.success ? [result.data] : [])),
    };
  }
  return { contents: { schema: envelope.schema, devices }, dropped };
}

function merge<T>(before: readonly T[], after: readonly T[], keyOf: (value: T) => string): T[] {
  const replaced = new Set(after.map(keyOf));
  return [...before.filter((value) => !replaced.has(keyOf(value))), ...after];
}

/** A vendor's kernel was measured beside those of ours, so that a new winner of the problem, whichever it is, takes the place of the other kind too. */
function replaces(entry: WinnerEntry, old: WinnerEntry): boolean {
  const kinds = [entry.isa, old.isa];
  return problemOf(entry) === problemOf(old) && (entry.isa === old.isa || kinds.includes(VENDOR_ISA));
}

function problemOf(entry: WinnerEntry): string {
  return JSON.stringify([entry.family, sorted(entry.params), sorted(entry.dims)]);
}

function decisionKey(decision: FfStrategyDecision): string {
  return JSON.stringify([decision.kind, decision.dtype, sorted(decision.dims)]);
}

function sorted(values: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
}

function hashOf(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch (error) {
    throw fileErrorFrom(error, 'read the compiled kernel', path);
  }
}

/** Temporary name in the same directory, fsync, rename. */
function copyAtomically(source: string, target: string): void {
  const temporary = temporaryName(target);
  try {
    copyFileSync(source, temporary);
    const descriptor = openSync(temporary, 'r');
    fsyncSync(descriptor);
    closeSync(descriptor);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw fileErrorFrom(error, 'write the kernel', target, statSync(source, { throwIfNoEntry: false })?.size);
  }
}

function writeAtomically(path: string, text: string): void {
  const bytes = Buffer.from(text);
  const temporary = temporaryName(path);
  try {
    const descriptor = openSync(temporary, 'w');
    try {
      let written = 0;
      while (written < bytes.length) written += writeSync(descriptor, bytes, written);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw fileErrorFrom(error, 'write', path, bytes.length);
  }
}

function temporaryName(path: string): string {
  return join(dirname(path), `.${randomUUID()}.tmp`);
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n').slice(0, 3).join(' ');
}

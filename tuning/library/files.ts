/** Files of a library: each appears whole or not at all, and a binary's name says what is in it. */
import { createHash, randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { fileErrorFrom } from '../file-errors.js';

/** A binary inside `DIR/kernels/`. */
export interface InstalledBinary {
  readonly file: string;
  readonly sha256: string;
}

export const WINNERS_FILE = 'winners.json';
export const KERNELS_FOLDER = 'kernels';
export const LOCK_FILE = 'winners.lock';
/** What may lie beside a binary under the same name: its source, and what the compiler said of it. */
export const SOURCE_ENDINGS = ['.cc', '.cu'] as const;
const BESIDE = [...SOURCE_ENDINGS, '.json'] as const;
/** Digits of the content's hash at the end of a binary's name. */
const NAME_DIGITS = 12;

/**
 * Copies a binary into `DIR/kernels/`, with what lies beside it. Kernels that are compiled together share a file, so that the same source
 * can be compiled into different bytes: the name ends in the content's hash, and a file that is there is never changed under those who use
 * it. Returns at once where it is there already. Throws FileError.
 */
export function installBinary(library: string, path: string): InstalledBinary {
  const bytes = readBytes(path, 'read the compiled kernel');
  const sha256 = hashOf(bytes);
  const file = nameFor(basename(path), sha256);
  const target = join(library, KERNELS_FOLDER, file);
  for (const ending of BESIDE) {
    const beside = withEnding(path, ending);
    if (existsSync(beside)) putFile(withEnding(target, ending), readBytes(beside, 'read what lies beside the compiled kernel'));
  }
  // The binary last: who finds it, finds the rest.
  putFile(target, bytes);
  return { file, sha256 };
}

/** `abc.so` becomes `abc-0123456789ab.so`; a name that ends in the content's hash already stays. */
export function nameFor(file: string, sha256: string): string {
  const ending = extname(file);
  const suffix = `-${sha256.slice(0, NAME_DIGITS)}`;
  const stem = basename(file, ending);
  return stem.endsWith(suffix) ? file : `${stem}${suffix}${ending}`;
}

export function withEnding(path: string, ending: string): string {
  return join(dirname(path), `${basename(path, extname(path))}${ending}`);
}

export function hashOf(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function readBytes(path: string, action: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw fileErrorFrom(error, action, path);
  }
}

/** Writes a file unless it has these contents already. */
export function putFile(path: string, contents: Uint8Array): void {
  if (existsSync(path) && readBytes(path, 'read').equals(contents)) return;
  writeAtomically(path, contents);
}

/** Temporary name in the same directory, fsync, rename. `beforeRename` may still stop it by throwing. */
export function writeAtomically(path: string, contents: string | Uint8Array, beforeRename?: () => void): void {
  const bytes = typeof contents === 'string' ? Buffer.from(contents) : contents;
  const temporary = join(dirname(path), `.${randomUUID()}${TEMPORARY_ENDING}`);
  try {
    try {
      const descriptor = openSync(temporary, 'wx');
      try {
        let written = 0;
        while (written < bytes.length) written += writeSync(descriptor, bytes, written);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      throw fileErrorFrom(error, 'write', path, bytes.length);
    }
    beforeRename?.();
    try {
      renameSync(temporary, path);
    } catch (error) {
      throw fileErrorFrom(error, 'write', path, bytes.length);
    }
  } finally {
    rmSync(temporary, { force: true });
  }
}

const TEMPORARY_ENDING = '.tmp';

/** Files that a process was writing when it ended: nobody will look at them again. */
export function isTemporary(name: string): boolean {
  return name.startsWith('.') && /\.(tmp|link)$/.test(name);
}

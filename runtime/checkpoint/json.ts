/**
 * Reading JSON files that nobody vouches for: bounded in size, regular files only (a pipe would block), and strict about duplicate
 * keys, which `JSON.parse` silently resolves to the last one.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

import { CheckpointError, FileError } from '../errors.js';

/** Largest `config.json`, `generation_config.json` or index accepted, in bytes. Real ones are below 1 MB. */
export const MAX_JSON_BYTES = 16 * 2 ** 20;

/** An open regular file. `read` throws a FileError where the file ends early. */
export interface OpenFile extends Disposable {
  readonly path: string;
  readonly byteLength: number;
  read(byteOffset: number, byteLength: number): Uint8Array<ArrayBuffer>;
}

/** Opens a regular file (symbolic links are followed) for reading, or throws a FileError saying what is in the way. */
export function openRegularFile(path: string, remedy?: string): OpenFile {
  const options = remedy === undefined ? {} : { remedy };
  let handle: number;
  try {
    // O_NONBLOCK: opening a named pipe without a writer must not hang; it has no effect on regular files.
    handle = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const found = code === 'ENOENT' ? 'does not exist' : `cannot be opened (${code ?? String(cause)})`;
    throw new FileError(`${path}: ${found}; expected a readable file`, { ...options, cause });
  }
  const close = (): void => closeSync(handle);
  const stat = fstatSync(handle);
  if (!stat.isFile()) {
    close();
    throw new FileError(`${path}: is ${stat.isDirectory() ? 'a directory' : 'not a regular file'}; expected a regular file`, options);
  }
  return {
    path,
    byteLength: stat.size,
    read(byteOffset, byteLength) {
      const bytes = new Uint8Array(byteLength);
      for (let done = 0; done < byteLength; ) {
        const count = readSync(handle, bytes, done, byteLength - done, byteOffset + done);
        if (count === 0) throw new FileError(`${path}: ends at byte ${byteOffset + done}; expected at least ${byteOffset + byteLength} bytes`);
        done += count;
      }
      return bytes;
    },
    [Symbol.dispose]: close,
  };
}

/** The text of a file of at most `maxBytes` bytes, which must be valid UTF-8. */
export function readTextFile(path: string, maxBytes: number, remedy?: string): string {
  const file = openRegularFile(path, remedy);
  try {
    if (file.byteLength > maxBytes) throw new FileError(`${path}: ${file.byteLength} bytes; expected at most ${maxBytes}`);
    return decodeUtf8(file.read(0, file.byteLength), path);
  } finally {
    file[Symbol.dispose]();
  }
}

/** UTF-8 without replacement characters; `where` names the source in the CheckpointError. */
export function decodeUtf8(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CheckpointError(`${where}: not UTF-8 text; expected JSON`, { cause });
  }
}

/** Parses strict JSON without duplicate keys, or throws a CheckpointError that names `where`. */
export function parseJson(text: string, where: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(`${where}: invalid JSON (${shorten((cause as Error).message)})`, { cause });
  }
  const duplicate = findDuplicateKey(text);
  if (duplicate !== null) throw new CheckpointError(`${where}: the name ${JSON.stringify(shorten(duplicate))} appears twice in one object; expected unique names`);
  return value;
}

/** `parseJson`, and the value must be an object. */
export function parseJsonObject(text: string, where: string): Record<string, unknown> {
  const value = parseJson(text, where);
  if (!isObject(value)) throw new CheckpointError(`${where}: ${describe(value)} at the top level; expected an object`);
  return value;
}

export function readJsonObject(path: string, remedy?: string): Record<string, unknown> {
  return parseJsonObject(readTextFile(path, MAX_JSON_BYTES, remedy), path);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value in few words, for messages. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value) && value.length > 8) return `an array of ${value.length} elements`;
  try {
    return shorten(JSON.stringify(value));
  } catch {
    return 'a very deeply nested value'; // JSON.stringify recurses, JSON.parse does not
  }
}

export function shorten(text: string): string {
  return text.length > 120 ? `${text.slice(0, 100)}… (${text.length} characters)` : text;
}

/** The first key that occurs twice in one object of a valid JSON text, or null. Iterative, so that deep nesting cannot exhaust the stack. */
export function findDuplicateKey(text: string): string | null {
  // One entry per open bracket: the keys seen so far for an object, null for an array.
  const open: (Set<string> | null)[] = [];
  let expectsKey = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{') {
      open.push(new Set());
      expectsKey = true;
    } else if (char === '[') {
      open.push(null);
      expectsKey = false;
    } else if (char === '}' || char === ']') {
      open.pop();
      expectsKey = false;
    } else if (char === ',') {
      expectsKey = (open.at(-1) ?? null) !== null;
    } else if (char === '"') {
      const start = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
      const keys = open.at(-1);
      if (!expectsKey || keys === null || keys === undefined) continue;
      const key = JSON.parse(text.slice(start, i + 1)) as string;
      if (keys.has(key)) return key;
      keys.add(key);
      expectsKey = false;
    }
  }
  return null;
}

/** Appends whole lines to a file that other processes may be appending to as well, each synced to disk before the call returns. */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeDirectory } from '../../runtime/paths.js';
import { fileErrorFrom } from '../file-errors.js';

export interface Appender {
  /**
   * All lines in one write: none of another process comes between them. Throws FileError naming path and bytes; a part of the last line
   * may then be in the file, which the next line does not continue.
   */
  append(lines: readonly string[]): void;
  close(): void;
}

/** Makes the file, and its directory, if need be. Throws FileError. */
export function openAppender(path: string): Appender {
  let descriptor: number;
  try {
    makeDirectory(dirname(path));
    descriptor = openSync(path, 'a+');
  } catch (error) {
    throw fileErrorFrom(error, 'open the tuning journal for writing', path);
  }
  return {
    append(lines) {
      // The newline in front ends a line that a process, this or another, left unfinished.
      const bytes = Buffer.from(`\n${lines.join('\n')}\n`);
      try {
        if (!writeAll(descriptor, bytes)) writeAll(descriptor, bytes);
        fsyncSync(descriptor);
      } catch (error) {
        throw fileErrorFrom(error, 'append to the tuning journal', path, bytes.length);
      }
    },
    close() {
      closeSync(descriptor);
    },
  };
}

/**
 * Returns whether the bytes are in the file in one piece. The system appends a write as a whole, except where it takes only a part of it; the
 * rest then follows in a second write, and another process may have come between.
 */
function writeAll(descriptor: number, bytes: Buffer): boolean {
  let written = 0;
  let writes = 0;
  while (written < bytes.length) {
    written += writeSync(descriptor, bytes, written);
    writes++;
  }
  return writes === 1 || endsWith(descriptor, bytes);
}

function endsWith(descriptor: number, bytes: Buffer): boolean {
  const tail = Buffer.alloc(bytes.length);
  const read = readSync(descriptor, tail, 0, tail.length, Math.max(0, fstatSync(descriptor).size - tail.length));
  return read === bytes.length && tail.equals(bytes);
}

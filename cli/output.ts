/** Where the command line writes: results to standard output, everything else to standard error. */
import { writeFileSync } from 'node:fs';
import { FileError } from '../runtime/errors.js';

let printed = false;

/** Prints the command's one JSON object. */
export function printJson(value: unknown): void {
  printed = true;
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Writes an object as JSON into a file. Throws a FileError. */
export function writeJsonFile(path: string, value: unknown): void {
  writeTextFile(path, `${JSON.stringify(value, null, 1)}\n`);
}

/** Writes a file. Throws a FileError. */
export function writeTextFile(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new FileError(`cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Whether the one JSON object is out already, so that an error must not add a second. */
export function jsonPrinted(): boolean {
  return printed;
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A line on standard error that is overwritten by the next one; silent where standard error is not a terminal. */
export interface StatusLine {
  update(text: string): void;
  clear(): void;
}

export function statusLine(stream: NodeJS.WriteStream = process.stderr): StatusLine {
  let shown = false;
  return {
    update(text) {
      if (!stream.isTTY) return;
      shown = true;
      const width = stream.columns || 80;
      stream.write(`\r\u001b[2K${text.slice(0, width - 1)}`);
    },
    clear() {
      if (shown) stream.write('\r\u001b[2K');
      shown = false;
    },
  };
}

const WARNINGS_SHOWN = 3;

/** Prints the first few warnings and, at the end, how many more there were: a stale library has one for every entry. */
export function warnBriefly(): { add(message: string): void; end(): void } {
  let count = 0;
  return {
    add(message) {
      count += 1;
      if (count <= WARNINGS_SHOWN) note(`warning: ${message}`);
    },
    end() {
      if (count > WARNINGS_SHOWN) note(`warning: … and ${count - WARNINGS_SHOWN} more`);
    },
  };
}

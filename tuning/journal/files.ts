/**
 * Journals as files. A library may hold several: `journal.jsonl`, and `journal.<name>.jsonl` of the shards of a fleet, which then never
 * write to one file over a network. All of them are read as one, whatever their order.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { fileErrorFrom } from '../file-errors.js';
import { createLineCollector, sealLine, type JournalContents, type LineCollector, type SealedLine } from './parse.js';

const CHUNK_BYTES = 1 << 20;
/** Our lines are a few thousand bytes. Longer ones are not read into memory, only skipped. */
export const MAX_LINE_BYTES = 4 << 20;
const NEWLINE = 0x0a;

/** Whether a file name is that of a journal. */
export function isJournalName(name: string): boolean {
  return /^journal(\.[A-Za-z0-9_-][A-Za-z0-9._-]*)?\.jsonl$/.test(name);
}

/** Name of the journal that a shard (`i/n`, 1-based) or a whole run (no shard) writes. */
export function journalName(shard?: { readonly index: number; readonly count: number }): string {
  return shard === undefined ? 'journal.jsonl' : `journal.${shard.index}-of-${shard.count}.jsonl`;
}

/** Paths of the journals of a library, sorted; none where the directory does not exist. Throws FileError when it cannot be read. */
export function journalPaths(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
      .filter(isJournalName)
      .sort()
      .map((name) => join(directory, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileErrorFrom(error, 'list the tuning journals', directory);
  }
}

export interface DirectoryJournals extends JournalContents {
  readonly paths: readonly string[];
}

/** Every journal of a library, as one. Throws FileError when one cannot be read. */
export function readJournals(directory: string): DirectoryJournals {
  const paths = journalPaths(directory);
  return { ...readJournalFiles(paths), paths };
}

/** Journals as one; a name that ends in `.gz` is read compressed. Files that do not exist are empty. Throws FileError when one cannot be read. */
export function readJournalFiles(paths: readonly string[]): JournalContents {
  const collector = createLineCollector();
  for (const path of paths) (path.endsWith('.gz') ? collectCompressed : collectFile)(path, collector);
  return collector.contents();
}

/** As journals are kept that are not written any more, such as those of exhaustive runs. */
function collectCompressed(path: string, collector: LineCollector): void {
  try {
    for (const raw of gunzipSync(readFileSync(path)).toString('utf8').split('\n')) collector.add(raw);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw fileErrorFrom(error, 'read the compressed journal', path);
  }
}

/** The union of journals: each line once, by time, then by text. The same bytes for any order of the texts, and for journals that were merged before. */
export function mergeJournals(texts: Iterable<string>): string {
  const collector = createLineCollector();
  for (const text of texts) for (const raw of text.split('\n')) collector.add(raw);
  return journalText(collector.contents().lines);
}

/** As `mergeJournals`, for lines that were read already. */
export function journalText(lines: readonly SealedLine[]): string {
  const sealed = lines.map((line) => {
    const { sum: _sum, ...rest } = line;
    return { at: line.at, text: sealLine(rest) };
  });
  sealed.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
  return sealed.map(({ text }, i) => (text === sealed[i - 1]?.text ? '' : `${text}\n`)).join('');
}

/** Reads in pieces, so that neither the file nor a line in it can be too large for memory. */
function collectFile(path: string, collector: LineCollector): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw fileErrorFrom(error, 'read the tuning journal', path);
  }
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let carried: Buffer[] = [];
    let carriedBytes = 0;
    const endLine = (rest: Buffer): void => {
      if (carriedBytes + rest.length > MAX_LINE_BYTES) collector.addBad();
      else collector.add((carried.length === 0 ? rest : Buffer.concat([...carried, rest])).toString('utf8'));
      carried = [];
      carriedBytes = 0;
    };
    for (let bytes = readSync(descriptor, chunk); bytes > 0; bytes = readSync(descriptor, chunk)) {
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0 && end < bytes; end = chunk.indexOf(NEWLINE, start)) {
        endLine(chunk.subarray(start, end));
        start = end + 1;
      }
      carriedBytes += bytes - start;
      if (carriedBytes <= MAX_LINE_BYTES && bytes > start) carried.push(Buffer.from(chunk.subarray(start, bytes)));
    }
    endLine(Buffer.alloc(0));
  } catch (error) {
    throw fileErrorFrom(error, 'read the tuning journal', path);
  } finally {
    closeSync(descriptor);
  }
}

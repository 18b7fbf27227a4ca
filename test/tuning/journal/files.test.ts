import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileError } from '../../../runtime/errors.js';
import { isJournalName, journalName, journalPaths, MAX_LINE_BYTES, mergeJournals, readJournalFiles, readJournals } from '../../../tuning/journal/files.js';
import { sealLine } from '../../../tuning/journal/parse.js';
import { failed, measured, runLine } from './support.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'griffin-journals-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});
const [first, second] = [sealLine(measured('r', 1, 'a', [1])), sealLine(measured('r', 2, 'ä', [2]))];

describe('journals of a library', () => {
  it('are those of a run and of shards', () => {
    expect([journalName(), journalName({ index: 2, count: 4 })]).toEqual(['journal.jsonl', 'journal.2-of-4.jsonl']);
    for (const name of ['journal.jsonl', 'journal.2-of-4.jsonl', 'journal.node-7.eu.jsonl']) expect(isJournalName(name), name).toBe(true);
    for (const name of ['journal.jsonl.bak', 'journal..jsonl', 'myjournal.jsonl', 'journal.json', 'winners.json', '.journal.jsonl']) expect(isJournalName(name), name).toBe(false);
  });

  it('are read as one, each line once', () => {
    writeFileSync(join(directory, 'journal.1-of-2.jsonl'), `${first}\n`);
    writeFileSync(join(directory, 'journal.2-of-2.jsonl'), `${first}\n\n${second}\nrubbish`);
    writeFileSync(join(directory, 'winners.json'), '{}');
    const { lines, ...rest } = readJournals(directory);
    expect(lines).toHaveLength(2);
    expect(rest).toEqual({ badLines: 1, oldLines: 0, duplicates: 1, paths: [join(directory, 'journal.1-of-2.jsonl'), join(directory, 'journal.2-of-2.jsonl')] });
  });

  it('are read compressed where the name says so', () => {
    const path = join(directory, 'full.jsonl.gz');
    writeFileSync(path, gzipSync(`${first}\n${second}\ncut`));
    expect(readJournalFiles([path, join(directory, 'none.jsonl.gz')])).toMatchObject({ lines: [{ kernelId: 'a' }, { kernelId: 'ä' }], badLines: 1 });
    writeFileSync(path, 'not compressed');
    expect(() => readJournalFiles([path])).toThrow(/cannot read the compressed journal: .*full\.jsonl\.gz/);
  });

  it('may not be there', () => {
    expect(readJournals(join(directory, 'nowhere'))).toEqual({ lines: [], badLines: 0, oldLines: 0, duplicates: 0, paths: [] });
    expect(journalPaths(directory)).toEqual([]);
  });

  it('name the path that cannot be read', () => {
    mkdirSync(join(directory, 'journal.jsonl'));
    expect(() => readJournals(directory)).toThrow(FileError);
    expect(() => readJournals(directory)).toThrow(/cannot read the tuning journal: .*journal\.jsonl/);
  });

  it('may hold any bytes and lines longer than memory should take', () => {
    const path = join(directory, 'journal.jsonl');
    const noise = Buffer.from([0xff, 0xfe, 0x00, 0xc3, 0x28, 0x0a, 0xf0, 0x28, 0x8c, 0x0a]);
    writeFileSync(path, `${first}\n`);
    appendFileSync(path, noise);
    for (const piece of [Buffer.alloc(MAX_LINE_BYTES, 0x61), Buffer.alloc(5_000_000), '\n', second, '\n', first.replace('"fine"', '"f\u{fffd}ne"'), '\n']) appendFileSync(path, piece);
    // A line without an end, after one whose bytes straddle the pieces in which the file is read.
    const long = sealLine({ ...failed('r', 3, 'b'), message: 'ä'.repeat(1_200_000) } as Parameters<typeof sealLine>[0]);
    appendFileSync(path, `${long}\n${first.slice(0, 50)}`);
    const { lines, badLines } = readJournals(directory);
    expect(lines.map((line) => ('kernelId' in line ? line.kernelId : ''))).toEqual(['a', 'ä', 'b']);
    expect(badLines).toBe(5);
  });
});

describe('mergeJournals', () => {
  it('sorts by time, drops repetitions and what cannot be read, and changes nothing more', () => {
    const run = sealLine(runLine('r', 0));
    const merged = `${run}\n${first}\n${second}\n`;
    expect(mergeJournals([`${second}\nbad\n`, `${first}\r\n\n${run}\n${first}`])).toBe(merged);
    expect(mergeJournals([merged])).toBe(merged);
    expect(mergeJournals([])).toBe('');
  });
});

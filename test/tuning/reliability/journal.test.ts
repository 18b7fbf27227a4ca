import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { foldJournal } from '../../../tuning/journal/evidence.js';
import { mergeJournals, readJournals } from '../../../tuning/journal/files.js';
import { openJournal } from '../../../tuning/journal/journal.js';
import { parseJournal, sealLine, type SealedLine } from '../../../tuning/journal/parse.js';
import { seededRandom, shuffled } from '../../../tuning/statistics.js';
import { endLine, finalLines, header, key, measured, ok, reading, runLine, started } from '../journal/support.js';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'griffin-reliability-'));
  path = join(directory, 'journal.jsonl');
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const loader = fileURLToPath(new URL('../../../tuning/source-loader.mjs', import.meta.url));
const writer = fileURLToPath(new URL('./journal-writer.ts', import.meta.url));
const writerArguments = (name: string, count: number, torn = 0): string[] => ['--no-warnings', '--import', loader, writer, path, name, String(count), String(torn)];
const run = promisify(execFile);

describe('two processes that write one journal', () => {
  it('lose no line, even when one of them leaves lines unfinished', async () => {
    const count = 500;
    await Promise.all([run(process.execPath, writerArguments('a', count)), run(process.execPath, writerArguments('b', count, 7))]);
    const { lines, badLines } = readJournals(directory);
    const evidence = foldJournal(lines);
    for (const name of ['a', 'b']) {
      const kept = Array.from({ length: count }, (_, i) => evidence.candidate(key(`${name}${i}`))).filter((known) => known?.outcome.state === 'ok');
      expect(kept, name).toHaveLength(count);
    }
    expect([evidence.runs.size, evidence.ends.size]).toEqual([2, 2]);
    // Unfinished lines are bad ones of their own; two of them in a row may have become one.
    expect(badLines).toBeGreaterThan(0);
    expect(badLines).toBeLessThanOrEqual(Math.ceil(count / 7));
  });
});

describe('a writer that is killed', () => {
  it('leaves whole lines, and the next one goes on', async () => {
    let survivors = 0;
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, writerArguments(`k${round}-`, 100_000), { stdio: 'ignore' });
      const before = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      while ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) < before + 3000 * (round + 1)) await sleep(5);
      child.kill('SIGKILL');
      await once(child, 'exit');
      const { lines, badLines } = readJournals(directory);
      expect(badLines).toBeLessThanOrEqual(round + 1);
      const outcomes = lines.filter(({ kind }) => kind === 'outcome').length;
      expect(outcomes).toBeGreaterThan(survivors);
      survivors = outcomes;
    }
    const journal = openJournal(path, { header });
    journal.outcome(key('after'), ok);
    journal.close();
    expect(foldJournal(readJournals(directory).lines).candidate(key('after'))?.outcome).toEqual(ok);
  });
});

/** A journal as a run leaves it: 60 candidates, finals now and then. */
const whole = [
  runLine('r', 0),
  ...Array.from({ length: 60 }, (_, i) => [
    started('r', 10 * i + 1, `k${i}`),
    measured('r', 10 * i + 2, `k${i}`, [100 + i, 101 + i, 99.5 + i]),
    ...(i % 10 === 9 ? finalLines('r', 10 * i + 3, { [`k${i}`]: 90 }) : []),
  ]).flat(),
  endLine('r', 1000),
].map(sealLine);
const known = new Map(parseJournal(whole.join('\n')).lines.map((line) => [line.sum, JSON.stringify(line)]));
const inventedIn = (lines: readonly SealedLine[]): readonly SealedLine[] => lines.filter((line) => known.get(line.sum) !== JSON.stringify(line));

describe('a damaged journal', () => {
  const damage: Readonly<Record<string, (bytes: Buffer, random: () => number) => Buffer>> = {
    'cut off': (bytes, random) => bytes.subarray(0, Math.floor(random() * bytes.length)),
    'with flipped bits': (bytes, random) => {
      const copy = Buffer.from(bytes);
      for (let i = 0; i < 20; i++) copy[Math.floor(random() * copy.length)]! ^= 1 << Math.floor(random() * 8);
      return copy;
    },
    'with a hole of zeros': (bytes, random) => Buffer.from(bytes).fill(0, ...([random(), random()].map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b) as [number, number])),
    'with pieces swapped': (bytes, random) => {
      const pieces = Array.from({ length: Math.ceil(bytes.length / 997) }, (_, i) => bytes.subarray(i * 997, (i + 1) * 997));
      return Buffer.concat(shuffled(pieces, random));
    },
    'with another woven in': (bytes, random) => {
      const at = Math.floor(random() * bytes.length);
      return Buffer.concat([bytes.subarray(0, at), bytes, bytes.subarray(at)]);
    },
    'with line ends of another system': (bytes) => Buffer.from(bytes.toString('utf8').replaceAll('\n', '\r\n')),
  };

  it.each(Object.keys(damage))('%s is read: bad lines are skipped and counted, and none is invented', (name) => {
    const bytes = Buffer.from(`${whole.join('\n')}\n`);
    for (let seed = 0; seed < 25; seed++) {
      const damaged = damage[name]!(bytes, seededRandom(seed));
      writeFileSync(path, damaged);
      const { lines, badLines, duplicates } = readJournals(directory);
      expect(inventedIn(lines), `seed ${seed}`).toEqual([]);
      const written = damaged.toString('utf8').split('\n').filter((line) => line.trim() !== '');
      expect(lines.length + badLines + duplicates, `seed ${seed}`).toBe(written.length);
      // What is whole is read.
      expect(lines.length, `seed ${seed}`).toBe(new Set(written.map((line) => line.trim()).filter((line) => whole.includes(line))).size);
      const evidence = foldJournal(lines);
      expect(evidence.quarantined().length, `seed ${seed}: at most the last one`).toBeLessThanOrEqual(1);
      expect(reading(foldJournal(parseJournal(mergeJournals([damaged.toString('utf8')])).lines))).toEqual(reading(evidence));
    }
  });

  it('can be written on', () => {
    writeFileSync(path, Buffer.concat([Buffer.from(whole.join('\n')).subarray(0, 5000), Buffer.from([0, 0xff, 0xc3])]));
    const journal = openJournal(path, { header });
    expect(journal.badLines).toBe(1);
    journal.outcome(key('new'), ok);
    journal.close();
    expect(readFileSync(path).length).toBeGreaterThan(5000);
    expect(foldJournal(readJournals(directory).lines).candidate(key('new'))?.outcome).toEqual(ok);
  });
});

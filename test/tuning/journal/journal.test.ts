import type * as FileSystem from 'node:fs';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FileError } from '../../../runtime/errors.js';
import { foldJournal } from '../../../tuning/journal/evidence.js';
import { journalPaths, readJournals } from '../../../tuning/journal/files.js';
import { openJournal, type Journal, type JournalOptions } from '../../../tuning/journal/journal.js';
import { isMeasured } from '../../../tuning/types.js';
import { header, key, ok, reading } from './support.js';

/** How the next writes go: refused with a code, or cut to so many bytes. */
const disk = vi.hoisted(() => ({ refuses: '', mostBytes: Infinity, opens: true }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof FileSystem>();
  const refuse = (code: string): never => {
    throw Object.assign(new Error(`${code}: mocked`), { code });
  };
  return {
    ...fs,
    openSync: (...args: Parameters<typeof fs.openSync>) => (!disk.opens && String(args[1]).startsWith('a') ? refuse('EROFS') : fs.openSync(...args)),
    writeSync: (descriptor: number, bytes: Buffer, offset = 0) => {
      if (disk.refuses !== '') return refuse(disk.refuses);
      const wanted = bytes.length - offset;
      const length = Math.min(wanted, disk.mostBytes);
      // The rest finds the disk full.
      if (length < wanted && disk.mostBytes === 40) disk.refuses = 'ENOSPC';
      return fs.writeSync(descriptor, bytes, offset, length);
    },
  };
});

let directory: string;
let path: string;
let journal: Journal;
const open = (options: Partial<JournalOptions> = {}): Journal => openJournal(path, { header, ...options });
const reopen = (options: Partial<JournalOptions> = {}): Journal => {
  journal.close();
  journal = open(options);
  return journal;
};
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'griffin-journal-')), 'deep');
  path = join(directory, 'journal.jsonl');
  journal = open();
});
afterEach(() => {
  Object.assign(disk, { refuses: '', mostBytes: Infinity, opens: true });
  journal.close();
  rmSync(join(directory, '..'), { recursive: true, force: true });
});
const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

describe('journal', () => {
  it('remembers outcomes, samples and facts over a restart', () => {
    const facts = { machineCode: 'm', resources: { codeBytes: 640 }, compileMs: 351.25, evaluateMs: 90, conditions: { stealShare: 0.25, throttle: ['power cap'] }, retaken: 2, dirty: false };
    journal.started(key('a'));
    journal.outcome(key('a'), ok, facts);
    journal.outcome(key('b'), { state: 'wrong', message: 'off by one' });
    reopen();
    expect(journal.known(key('a'))).toMatchObject({ outcome: ok, facts, quarantined: false });
    expect(journal.known(key('b'))?.outcome).toEqual({ state: 'wrong', message: 'off by one' });
    expect(journal.known(key('c'))).toBeNull();
    expect(journal).toMatchObject({ badLines: 0, oldLines: 0, quarantined: 0 });
  });

  it('knows in memory exactly what a reader of the file knows', () => {
    journal.outcome(key('a'), { state: 'ok', message: '', samplesNs: [123456.789, 0.123456789, 1 / 3], referenceNs: [1e9 + 0.123, 2, 3] }, { compileMs: 1 / 3 });
    journal.started(key('b'));
    journal.final({ stage: 'final', defaultId: 'a', kernels: [{ key: key('a'), samplesNs: [10 / 3] }], controlNs: [], retaken: 0, dirty: false });
    expect(reading(foldJournal(readJournals(directory).lines, () => true))).toEqual(reading(journal.evidence));
    expect(journal.known(key('a'))?.outcome).toMatchObject({ samplesNs: [123457, 0.123457, 0.333333], referenceNs: [1e9, 2, 3] });
  });

  it('answers only for the same problem, source, device, compiler and regime', () => {
    journal.outcome(key('a'), ok);
    reopen();
    for (const change of [{ problem: 'q()' }, { sourceHash: 'i' }, { deviceKey: 'e' }, { compiler: 'd' }, { regime: 's' }]) {
      expect(journal.known(key('a', change)), JSON.stringify(change)).toBeNull();
    }
  });

  it('answers for a kernel of the same machine code', () => {
    journal.outcome(key('a'), ok, { machineCode: 'm' });
    const { problem, deviceKey, compiler, regime } = key('a');
    expect(reopen().knownByCode({ problem, deviceKey, compiler, regime }, 'm')?.outcome).toEqual(ok);
    expect(journal.knownByCode({ problem, deviceKey, compiler, regime }, 'n')).toBeNull();
    expect(journal.knownByCode({ problem: 'q()', deviceKey, compiler, regime }, 'm')).toBeNull();
  });

  it('adds the samples of a later run to those of an earlier one', () => {
    journal.outcome(key('a'), ok);
    reopen().outcome(key('a'), { state: 'ok', message: 'again', samplesNs: [5], referenceNs: [6] });
    expect(journal.known(key('a'))?.outcome).toMatchObject({ message: 'again', samplesNs: [3, 1, 2, 5], referenceNs: [4, 4, 4, 6] });
  });

  it('writes its header before its first line, and its end after its last', () => {
    journal.end('done', false);
    expect(readFileSync(path, 'utf8')).toBe('');
    journal.outcome(key('a'), ok);
    journal.end('interrupted', true);
    const kinds = readJournals(directory).lines.map(({ kind }) => kind);
    expect(kinds).toEqual(['run', 'outcome', 'end']);
    expect(reopen().evidence.runs.size).toBe(1);
    expect([...journal.evidence.ends.values()]).toMatchObject([{ reason: 'interrupted', dirty: true }]);
  });

  it('writes all kernels of a final in one piece, with the default as their reference', () => {
    const kernels = [
      { key: key('d'), samplesNs: [10, 11] },
      { key: key('a'), samplesNs: [8, 9], machineCode: 'm', resources: { registers: 40 } },
    ];
    journal.final({ stage: 'held-out', defaultId: 'd', kernels, controlNs: [1, 2], conditions: { cpuMhz: 3000 }, retaken: 1, dirty: false });
    const lines = reopen().finals({ problem: 'p()' });
    expect(lines.map(({ kernelId, referenceNs }) => [kernelId, referenceNs])).toEqual(expect.arrayContaining([['d', [10, 11]], ['a', [10, 11]]]));
    expect(new Set(lines.map(({ final, at: time }) => `${final} ${time}`)).size).toBe(1);
    expect(lines.find(({ kernelId }) => kernelId === 'a')).toMatchObject({ stage: 'held-out', samplesNs: [8, 9], controlNs: [1, 2], machineCode: 'm', resources: { registers: 40 }, conditions: { cpuMhz: 3000 }, retaken: 1 });
    expect(journal.finals({ problem: 'q()' })).toEqual([]);
    expect(() => { journal.final({ stage: 'final', defaultId: 'x', kernels, controlNs: [], retaken: 0, dirty: false }); }).toThrow(/default variant x is not among/);
  });

  it('quarantines what was running when the tuner died, not what was abandoned in good order', () => {
    journal.started(key('stopped'));
    journal.abandoned(key('stopped'));
    journal.started(key('died'));
    expect(journal.known(key('died'))).toBeNull();
    reopen();
    expect(journal.known(key('died'))).toMatchObject({ outcome: { state: 'crashed', message: expect.stringMatching(/^quarantined: run \S+ on /) as string }, quarantined: true });
    expect(journal.known(key('stopped'))).toBeNull();
    expect(journal.quarantined).toBe(1);
  });

  it('does not quarantine what another run has just begun', () => {
    journal.started(key('a'));
    const other = open();
    expect(other.known(key('a'))).toBeNull();
    expect(other.quarantined).toBe(0);
    other.close();
  });

  it('learns from other journals and writes to its own', () => {
    journal.outcome(key('a'), ok);
    journal.close();
    const before = readFileSync(path, 'utf8');
    const own = join(directory, 'journal.2-of-4.jsonl');
    journal = openJournal(own, { header, readAlso: [...journalPaths(directory), join(directory, 'journal.gone.jsonl')] });
    expect(journal.known(key('a'))?.outcome).toEqual(ok);
    journal.outcome(key('b'), ok);
    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(readJournals(directory).paths).toEqual([own, path]);
    expect(readJournals(directory).lines.filter(({ kind }) => kind === 'outcome')).toHaveLength(2);
  });

  it('goes on after a line that was cut short', () => {
    journal.outcome(key('a'), ok);
    appendFileSync(path, linesOf(readFileSync(path, 'utf8')).at(-1)!.slice(0, 40));
    reopen().outcome(key('b'), ok);
    expect(reopen().badLines).toBe(1);
    expect(journal.known(key('b'))?.outcome).toEqual(ok);
  });

  it('counts lines of an older journal apart', () => {
    writeFileSync(path, `${JSON.stringify({ schema: 1, kind: 'outcome', problem: 'p()', state: 'ok' })}\nrubbish\n`);
    expect(reopen()).toMatchObject({ badLines: 1, oldLines: 1 });
  });

  it('never gives two lines the same time, even if the clock stands still or goes back', () => {
    let ms = Date.UTC(2026, 0, 1);
    reopen({ now: () => new Date((ms -= 5)) });
    for (let i = 0; i < 5; i++) journal.started(key('a'));
    const times = readJournals(directory).lines.map((line) => line.at);
    expect(new Set(times).size).toBe(6);
    expect([...times].sort()).toEqual(times);
  });

  it('keeps a short form of a long message, odd characters and all', () => {
    const message = `error: \u{1f980}\ud83e\n\0 ${'x'.repeat(10_000)}`;
    journal.outcome(key('a'), { state: 'compile-failed', message });
    const kept = reopen().known(key('a'))?.outcome.message ?? '';
    expect(kept.startsWith(message.slice(0, 1000))).toBe(true);
    expect(kept).toMatch(/… \(\d+ characters more\)$/);
    expect(statSync(path).size).toBeLessThan(6000);
  });

  it('refuses to write what it could not read, and survives counters that lie', () => {
    expect(() => { journal.outcome(key('a'), { state: 'ok', message: '', samplesNs: [Number.NaN], referenceNs: [1] }); }).toThrow(/outcome line that it could not read: samplesNs/);
    expect(() => { journal.outcome(key('a'), { state: 'ok', message: '', samplesNs: [1, 2], referenceNs: [1] }); }).toThrow(RangeError);
    journal.outcome(key('a'), { state: 'ok', message: '', samplesNs: [0], referenceNs: [1] }, { conditions: { stealShare: 1.0001, otherShare: -0.1, cpuMhz: Number.NaN } });
    const known = reopen().known(key('a'));
    expect(known?.facts.conditions).toEqual({ stealShare: 1, otherShare: 0 });
    expect(known !== null && isMeasured(known.outcome) && known.outcome.samplesNs[0]! > 0).toBe(true);
  });
});

describe('a journal on a bad disk', () => {
  it.each([['ENOSPC', 'the disk is full'], ['EDQUOT', 'the disk quota is used up'], ['EROFS', 'the file system is read-only'], ['EACCES', 'permission is denied']])('names path, bytes, reason and remedy on %s, and keeps what is there', (code, reason) => {
    journal.outcome(key('a'), ok);
    disk.refuses = code;
    expect(() => { journal.outcome(key('b'), ok); }).toThrow(FileError);
    expect(() => { journal.started(key('b')); }).toThrow(new RegExp(`${path}.*bytes.*${reason}[^]*--library DIR`));
    disk.refuses = '';
    reopen();
    expect(journal.badLines).toBe(0);
    expect(journal.known(key('a'))?.outcome).toEqual(ok);
    expect(journal.known(key('b'))).toBeNull();
  });

  it('is readable when the disk filled up within a line, and can go on when there is room again', () => {
    journal.outcome(key('a'), ok);
    disk.mostBytes = 40;
    expect(() => { journal.outcome(key('b'), ok); }).toThrow(/the disk is full/);
    Object.assign(disk, { refuses: '', mostBytes: Infinity });
    journal.outcome(key('c'), ok);
    reopen();
    expect(journal.badLines).toBe(1);
    expect([journal.known(key('a')), journal.known(key('b')), journal.known(key('c'))].map((known) => known?.outcome.state)).toEqual(['ok', undefined, 'ok']);
  });

  it('completes lines of which the system takes a part at a time', () => {
    disk.mostBytes = 7;
    journal.outcome(key('a'), ok);
    disk.mostBytes = Infinity;
    expect(reopen().badLines).toBe(0);
    expect(journal.known(key('a'))?.outcome).toEqual(ok);
  });

  it('says what to do when it cannot be opened', () => {
    disk.opens = false;
    expect(() => open()).toThrow(new RegExp(`cannot open the tuning journal for writing: ${path}: the file system is read-only[^]*--library DIR`));
    disk.opens = true;
    expect(() => openJournal(join(path, 'below-a-file', 'journal.jsonl'), { header })).toThrow(/not a directory/);
    expect(existsSync(path)).toBe(true);
  });
});

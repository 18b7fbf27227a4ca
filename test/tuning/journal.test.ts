import type * as FileSystem from 'node:fs';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FileError } from '../../runtime/errors.js';
import { openJournal, parseJournal, type Journal } from '../../tuning/journal.js';
import type { CandidateOutcome, ResultKey } from '../../tuning/types.js';

const fullDisk = vi.hoisted(() => ({ on: false }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof FileSystem>();
  return {
    ...fs,
    writeSync: (...args: Parameters<typeof fs.writeSync>) => {
      if (fullDisk.on) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      return fs.writeSync(...args);
    },
  };
});

const key = (kernelId: string, change: Partial<ResultKey> = {}): ResultKey => ({
  problem: 'p()', kernelId, sourceHash: 'h', deviceKey: 'd', compiler: 'c', regime: 'r', ...change,
});
const ok: CandidateOutcome = { state: 'ok', message: 'fine', samplesNs: [3, 1, 2], referenceNs: [4, 4, 4] };

let path: string;
let journal: Journal;
const reopen = (): Journal => {
  journal.close();
  journal = openJournal(path);
  return journal;
};
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), 'griffin-journal-')), 'deep', 'journal.jsonl');
  journal = openJournal(path);
});
afterEach(() => {
  fullDisk.on = false;
  journal.close();
  rmSync(join(path, '..', '..'), { recursive: true, force: true });
});

describe('journal', () => {
  it('remembers outcomes over a restart, samples included', () => {
    journal.started(key('a'));
    journal.outcome(key('a'), ok);
    journal.outcome(key('b'), { state: 'wrong', message: 'off by one' });
    reopen();
    expect(journal.known(key('a'))).toEqual(ok);
    expect(journal.known(key('b'))).toEqual({ state: 'wrong', message: 'off by one' });
    expect(journal.known(key('c'))).toBeNull();
    expect(journal.badLines).toBe(0);
  });

  it('answers only for the same problem, source, device, compiler and regime', () => {
    journal.outcome(key('a'), ok);
    reopen();
    for (const change of [{ problem: 'q()' }, { sourceHash: 'i' }, { deviceKey: 'e' }, { compiler: 'd' }, { regime: 's' }]) {
      expect(journal.known(key('a', change)), JSON.stringify(change)).toBeNull();
    }
  });

  it('takes the newest outcome', () => {
    journal.outcome(key('a'), { state: 'timed-out', message: 'slow machine' });
    journal.outcome(key('a'), ok);
    expect(reopen().known(key('a'))?.state).toBe('ok');
  });

  it('quarantines what was running when the tuner died, not what was abandoned in good order', () => {
    journal.started(key('died'));
    journal.started(key('stopped'));
    journal.abandoned(key('stopped'));
    reopen();
    expect(journal.known(key('died'))).toMatchObject({ state: 'crashed', message: expect.stringContaining('quarantined') as string });
    expect(journal.known(key('stopped'))).toBeNull();
  });

  it('skips and counts bad lines, and goes on after a line that was cut short', () => {
    journal.outcome(key('a'), ok);
    const good = readFileSync(path, 'utf8');
    appendFileSync(path, 'garbage\n{"kind":"outcome"}\n\n[1]\n');
    appendFileSync(path, good.replace('"ok"', '"splendid"'));
    appendFileSync(path, good.slice(0, 40));
    reopen();
    expect(journal.badLines).toBe(5);
    journal.outcome(key('b'), ok);
    reopen();
    expect(journal.badLines).toBe(5);
    expect(journal.known(key('a'))).toEqual(ok);
    expect(journal.known(key('b'))).toEqual(ok);
  });

  it('refuses measured states without samples and failed states with them', () => {
    journal.outcome(key('a'), ok);
    const line = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    const { samplesNs: _samples, ...without } = line;
    expect(parseJournal(JSON.stringify(without)).badLines).toBe(1);
    expect(parseJournal(JSON.stringify({ ...line, state: 'wrong' })).badLines).toBe(1);
    expect(parseJournal(JSON.stringify(line)).badLines).toBe(0);
  });

  it('reads two journals that were joined', () => {
    journal.outcome(key('a'), ok);
    const one = readFileSync(path, 'utf8');
    const other = one.replaceAll('"a"', '"b"');
    writeFileSync(path, one + other);
    reopen();
    expect(journal.known(key('b'))).toEqual(ok);
  });

  it('names path, bytes and reason when the disk is full, and keeps what is there', () => {
    journal.outcome(key('a'), ok);
    fullDisk.on = true;
    expect(() => {
      journal.outcome(key('b'), ok);
    }).toThrow(FileError);
    expect(() => {
      journal.started(key('b'));
    }).toThrow(new RegExp(`${path}.*bytes.*the disk is full`));
    fullDisk.on = false;
    reopen();
    expect(journal.badLines).toBe(0);
    expect(journal.known(key('a'))).toEqual(ok);
    expect(journal.known(key('b'))).toBeNull();
  });

  it('says so when the directory cannot be made', () => {
    expect(() => openJournal(join(path, 'below-a-file', 'journal.jsonl'))).toThrow(/not a directory/);
  });
});

import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LibraryError, UsageError } from '../../../runtime/errors.js';
import type { WinnerEntry } from '../../../runtime/library/schema.js';
import { openJournal } from '../../../tuning/journal/journal.js';
import { examineLibrary, type LibraryHealth } from '../../../tuning/library/doctor.js';
import { exportLibrary } from '../../../tuning/library/export.js';
import { listWinners, showWinners } from '../../../tuning/library/list.js';
import { pruneLibrary } from '../../../tuning/library/prune.js';
import { openLibraryWriter } from '../../../tuning/library/writer.js';
import { compiled, HASH, newWinner, readStrictly, sha256, temporaryDirectory, testDevice } from './support/library.js';

let temporary: ReturnType<typeof temporaryDirectory>;
let directory: string;
beforeEach(() => {
  temporary = temporaryDirectory();
  directory = join(temporary.path, 'library');
});
afterEach(() => temporary[Symbol.dispose]());

const formHash = (family: string): string | undefined => (family === 'f' ? HASH : undefined);
const device = { key: 'cpu-test', driver: 'linux 6', compiler: 'c' };
const examine = (): LibraryHealth => examineLibrary(directory, { devices: [device], formHash });
const states = (): Record<string, string> => Object.fromEntries(examine().entries.map(({ what, state }) => [what.split(' at ')[0] ?? '', state]));

async function library(winners: readonly (readonly [kernelId: string, fields?: Partial<WinnerEntry>])[], key = 'cpu-test', kind = 'cpu'): Promise<void> {
  const news = winners.map(([kernelId, fields], i) => newWinner(directory, kernelId, { deviceKey: key, driver: 'linux 6', dims: { n: i + 1 }, ...fields }));
  await openLibraryWriter(directory).update({ device: testDevice(key, kind), winners: news, decisions: [] });
}

function binaryOf(kernelId: string): string {
  const entry = readStrictly(directory).devices['cpu-test']?.entries.find((candidate) => candidate.kernelId === kernelId);
  return join(directory, 'kernels', entry?.binary?.file ?? '');
}

/** One entry for every state there is, and the leftovers of killed writers. */
async function brokenLibrary(): Promise<void> {
  await library([
    ['fine'],
    ['foreign', { deviceKey: 'cpu-other' }],
    ['stale', { formHash: sha256('old') }],
    ['missing'],
    ['damaged'],
    ['dirty', { dirty: true }],
    ['driver', { driver: 'linux 5' }],
    ['compiler', { compiler: 'c 2' }],
    ['unreadable'],
  ]);
  await library([['elsewhere']], 'cpu-other');
  writeFileSync(binaryOf('damaged'), 'x');
  rmSync(binaryOf('missing'));
  const file = readStrictly(directory) as { devices: Record<string, { entries: { kernelId: string; medianNs: unknown }[] }> };
  for (const entry of file.devices['cpu-test']?.entries ?? []) if (entry.kernelId === 'unreadable') entry.medianNs = 'fast';
  writeFileSync(join(directory, 'winners.json'), JSON.stringify(file));
  const old = join(directory, '.0000.tmp');
  writeFileSync(old, 'half');
  utimesSync(old, 1, 1);
  writeFileSync(join(directory, '.1111.tmp'), 'being written');
}

describe('examineLibrary', () => {
  it('gives every entry its state, with a reason, and says what mends it', async () => {
    await brokenLibrary();
    expect(states()).toEqual({
      'entry 8': 'unreadable', fine: 'ok', foreign: 'foreign', stale: 'stale', missing: 'binary', damaged: 'binary', dirty: 'dirty', driver: 'driver', compiler: 'compiler', elsewhere: 'other-device',
    });
    const health = examine();
    // By tune: stale, missing, damaged, dirty, driver. By prune: unreadable, foreign, the old temporary file.
    expect(health.mendedBy).toEqual({ tune: 5, prune: 3 });
    const reasons = Object.fromEntries(health.entries.map(({ what, reason }) => [what.split(' at ')[0], reason]));
    expect(reasons['driver']).toBe('measured with driver linux 5; this machine has linux 6');
    expect(reasons['missing']).toMatch(/is missing/);
    expect(reasons['damaged']).toMatch(/is damaged: SHA-256/);
    expect(reasons['foreign']).toContain('cpu-other');
    expect(reasons['entry 8']).toContain('medianNs');
    expect(health.leftovers.filter(({ kind }) => kind === 'temporary').map(({ path }) => path)).toEqual([join(directory, '.0000.tmp')]);
  });

  it('finds nothing wrong in a library that is whole, also where it is of another machine, and where there is none', async () => {
    expect(examine()).toMatchObject({ entries: [], leftovers: [], mendedBy: { tune: 0, prune: 0 } });
    await library([['a'], ['b', { compiler: 'c 2' }]]);
    await library([['c', { dirty: true }]], 'cpu-other');
    expect(examine().mendedBy).toEqual({ tune: 0, prune: 0 });
  });

  it('tells what the journals say: damage, quarantine, killed runs, a torn end', async () => {
    await library([['a']]);
    const header = { deviceKey: 'cpu-test', deviceName: 'Test CPU', driver: '', compiler: 'c', regime: 'r', seed: 0, strategy: 'random', effort: 'normal', toolVersion: '0' };
    const key = { problem: 'f[](n=1)', kernelId: 'killer', sourceHash: HASH, deviceKey: 'cpu-test', compiler: 'c', regime: 'r' };
    const journal = openJournal(join(directory, 'journal.jsonl'), { header });
    journal.started(key);
    journal.close();
    appendFileSync(join(directory, 'journal.jsonl'), '\n{"schema":1,"kind":"started"}\nnonsense\n{"sch');
    expect(examine().journal).toMatchObject({
      files: 1, unreadable: 2, old: 1, torn: ['journal.jsonl'],
      quarantined: [{ kernelId: 'killer', problem: 'f[](n=1)' }],
      killed: [expect.stringContaining(`process ${process.pid}`)],
    });
  });

  it('finds the lock of a process that is gone', async () => {
    await library([['a']]);
    const lock = { token: 't', host: 'h', boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(), ids: '', pid: 2 ** 30, start: '1', at: '2026-01-01T00:00:00Z' };
    const { readlinkSync } = await import('node:fs');
    writeFileSync(join(directory, 'winners.lock'), JSON.stringify({ ...lock, ids: readlinkSync('/proc/self/ns/pid') }));
    expect(examine().leftovers).toMatchObject([{ kind: 'lock', note: expect.stringContaining(`process ${2 ** 30} on h`) as string }]);
  });
});

describe('pruneLibrary', () => {
  it('says what it would remove, then removes just that; afterwards prune has nothing to mend', async () => {
    await brokenLibrary();
    const before = readFileSync(join(directory, 'winners.json'), 'utf8');
    const plan = await pruneLibrary(directory, { dryRun: true, formHash });
    expect(readFileSync(join(directory, 'winners.json'), 'utf8')).toBe(before);
    expect(existsSync(join(directory, '.0000.tmp'))).toBe(true);
    const done = await pruneLibrary(directory, { formHash });
    expect({ ...done, dryRun: true }).toEqual(plan);
    expect(done.entries).toHaveLength(5);
    expect(examine().mendedBy).toEqual({ tune: 2, prune: 0 });
    expect(Object.keys(states()).sort()).toEqual(['compiler', 'dirty', 'driver', 'elsewhere', 'fine']);
    expect(readdirSync(join(directory, 'kernels')).filter((name) => name.endsWith('.so'))).toHaveLength(5);
    expect(readdirSync(join(directory, 'candidates'))).toEqual([]);
    expect(readdirSync(directory).sort()).toEqual(['.1111.tmp', 'candidates', 'kernels', 'winners.json']);
  });

  it('leaves candidates when asked, and alone what a live run may still use', async () => {
    await library([['a']]);
    openLibraryWriter(directory).install(compiled(directory, 'finalist'));
    const header = { deviceKey: 'cpu-test', deviceName: 'Test CPU', driver: '', compiler: 'c', regime: 'r', seed: 0, strategy: 'random', effort: 'normal', toolVersion: '0' };
    const journal = openJournal(join(directory, 'journal.jsonl'), { header });
    journal.started({ problem: 'p', kernelId: 'k', sourceHash: HASH, deviceKey: 'cpu-test', compiler: 'c', regime: 'r' });
    expect(await pruneLibrary(directory, { formHash })).toMatchObject({ files: [], live: [journal.run] });
    journal.end('done', false);
    journal.close();
    expect((await pruneLibrary(directory, { formHash, keepCandidates: true })).files).toHaveLength(2);
    expect(readdirSync(join(directory, 'candidates'))).toHaveLength(4);
    expect((await pruneLibrary(directory, { formHash })).files).toHaveLength(4);
    expect(readStrictly(directory).devices['cpu-test']?.entries).toHaveLength(1);
  });
});

describe('exportLibrary', () => {
  const out = (): string => join(temporary.path, 'out');

  it('copies winners, binaries and sources into a library of its own that says what it was measured on', async () => {
    await library([['a'], ['b']]);
    openLibraryWriter(directory).install(compiled(directory, 'finalist'));
    expect(exportLibrary(directory, { out: out(), formHash })).toMatchObject({ winners: 2, binaries: 2, device: { name: 'Test CPU', key: 'cpu-test' } });
    expect(readdirSync(out()).sort()).toEqual(['README.md', 'kernels', 'winners.json']);
    expect(readdirSync(join(out(), 'kernels'))).toHaveLength(4);
    expect(readFileSync(join(out(), 'README.md'), 'utf8')).toMatch(/Test CPU \(device key `cpu-test`\)[^]*winners: 2[^]*driver: linux 6[^]*a at n=1/);
    expect(examineLibrary(out(), { devices: [device], formHash })).toMatchObject({ mendedBy: { tune: 0, prune: 0 }, leftovers: [] });
  });

  it('refuses what was measured on a disturbed machine, unless told otherwise', async () => {
    await library([['a'], ['b', { dirty: true }]]);
    expect(() => exportLibrary(directory, { out: out(), formHash })).toThrow(/1 of 2 winners of cpu-test[^]*b at n=2: dirty[^]*--allow-dirty/);
    expect(existsSync(out())).toBe(false);
    expect(exportLibrary(directory, { out: out(), formHash, allowDirty: true })).toMatchObject({ winners: 2 });
    expect(readFileSync(join(out(), 'README.md'), 'utf8')).toContain('of which 1 were measured on a disturbed machine');
  });

  it('refuses damaged winners, emulated devices, a folder with something in it, and a device that must be named', async () => {
    expect(() => exportLibrary(directory, { out: out(), formHash })).toThrow(/holds no winners[^]*griffin tune/);
    await library([['a']], 'emulated-x', 'emulated');
    expect(() => exportLibrary(directory, { out: out(), formHash })).toThrow(/emulated device: its times mean nothing/);
    await library([['a']]);
    expect(() => exportLibrary(directory, { out: out(), formHash })).toThrow(/several devices; it has: .*cpu-test/);
    expect(() => exportLibrary(directory, { out: out(), formHash, device: 'cpu-none' })).toThrow(LibraryError);
    mkdirSync(out());
    writeFileSync(join(out(), 'mine'), '');
    expect(() => exportLibrary(directory, { out: out(), formHash, device: 'cpu-test' })).toThrow(/not empty/);
    writeFileSync(binaryOf('a'), 'x');
    expect(() => exportLibrary(directory, { out: `${out()}2`, formHash, device: 'cpu-test' })).toThrow(/damaged/);
  });
});

describe('listWinners and showWinners', () => {
  it('list by device and problem, and show one with its source, binary and evidence', async () => {
    await library([['b'], ['a']]);
    expect(listWinners(directory).map(({ problem, entry }) => [problem, entry.kernelId])).toEqual([['f[dtype=bf16](n=1)', 'b'], ['f[dtype=bf16](n=2)', 'a']]);
    const header = { deviceKey: 'cpu-test', deviceName: 'Test CPU', driver: '', compiler: 'c', regime: 'r', seed: 0, strategy: 'forest', effort: 'normal', toolVersion: '0' };
    const journal = openJournal(join(directory, 'journal.jsonl'), { header });
    const key = { problem: 'p', kernelId: 'a', sourceHash: sha256('source of a'), deviceKey: 'cpu-test', compiler: 'c', regime: 'r' };
    journal.outcome(key, { state: 'ok', message: '', samplesNs: [1], referenceNs: [2] });
    journal.outcome({ ...key, problem: 'q' }, { state: 'crashed', message: 'SIGSEGV' });
    journal.end('done', false);
    journal.close();
    const [shown, ...others] = showWinners(directory, 'f[dtype=*](n=2)');
    expect(others).toEqual([]);
    expect(shown).toMatchObject({ entry: { kernelId: 'a' }, binary: binaryOf('a'), source: binaryOf('a').replace('.so', '.cc'), evidence: { measured: 1, failures: ['q: crashed: SIGSEGV'], run: null } });
    expect(showWinners(directory, 'f')).toHaveLength(2);
    expect(() => showWinners(directory, 'nothing')).toThrow(UsageError);
  });
});

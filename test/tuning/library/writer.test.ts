import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileError, LibraryError } from '../../../runtime/errors.js';
import type { FfStrategyDecision } from '../../../runtime/library/schema.js';
import { readWinners } from '../../../tuning/library/contents.js';
import { openLibraryWriter, type NewWinner } from '../../../tuning/library/writer.js';
import { compiled, newEntry, newWinner, readStrictly, sha256, temporaryDirectory, testDevice } from './support/library.js';

const decision: FfStrategyDecision = {
  kind: 'ff_strategy', dims: { hidden: 8, intermediate: 16, k: 8 }, dtype: 'bf16', choice: 'gather', gatherNs: 1, compactNs: 2, compactionNs: 3,
};

let temporary: ReturnType<typeof temporaryDirectory>;
let directory: string;
const winner = (kernelId: string, n = 1, fields: Parameters<typeof newWinner>[2] = {}): NewWinner => newWinner(directory, kernelId, { dims: { n }, ...fields });
const update = (...winners: NewWinner[]) => ({ device: testDevice(), winners, decisions: [] });
const ids = (key = 'cpu-test'): string[] | undefined => readStrictly(directory).devices[key]?.entries.map(({ kernelId }) => kernelId);

beforeEach(() => {
  temporary = temporaryDirectory();
  directory = temporary.path;
});
afterEach(() => temporary[Symbol.dispose]());

describe('openLibraryWriter', () => {
  it('writes entries with their binary and its hash, source beside it, no temporary files, no lock', async () => {
    const result = await openLibraryWriter(directory).update({ device: testDevice(), winners: [winner('k')], decisions: [decision] });
    expect(result).toEqual({ dropped: 0, yielded: 0 });
    const section = readStrictly(directory).devices['cpu-test'];
    const hash = sha256('binary of k');
    expect(section?.entries[0]?.binary?.sha256).toBe(hash);
    expect(section?.entries[0]?.binary?.file).toMatch(new RegExp(`-${hash.slice(0, 12)}\\.so$`));
    expect(section?.decisions).toEqual([decision]);
    const file = section?.entries[0]?.binary?.file ?? '';
    expect(readdirSync(join(directory, 'kernels')).sort()).toEqual([file.replace('.so', '.cc'), file]);
    expect(readFileSync(join(directory, 'kernels', file.replace('.so', '.cc')), 'utf8')).toBe('source of k');
    expect(readdirSync(directory).sort()).toEqual(['candidates', 'kernels', 'winners.json']);
  });

  it('keeps what a GPU is able to run', async () => {
    const device = { ...testDevice('gpu', 'cuda'), gpu: { capability: 86, driver: 12040 } } as unknown as ReturnType<typeof testDevice>;
    await openLibraryWriter(directory).update({ device, winners: [winner('k')], decisions: [] });
    expect(readStrictly(directory).devices['gpu']?.device.gpu).toEqual({ capability: 86, driver: 12040 });
  });

  it('never changes a binary that is there: the same source in other bytes has a name of its own', async () => {
    const writer = openLibraryWriter(directory);
    const first = writer.install(compiled(directory, 'k', 'one'));
    const second = writer.install(compiled(directory, 'k', 'two'));
    expect(second.file).not.toBe(first.file);
    expect(readFileSync(join(directory, 'kernels', first.file), 'utf8')).toBe('one');
    expect(writer.install(join(directory, 'kernels', first.file))).toEqual(first);
  });

  it("lets a vendor's kernel and those of ours replace each other, each problem by itself", async () => {
    const writer = openLibraryWriter(directory);
    const vendor: NewWinner = { binaryPath: null, entry: newEntry('vendor', { isa: 'cublaslt' }) };
    await writer.update(update(winner('ours'), winner('other', 2)));
    await writer.update(update(vendor));
    expect(ids()).toEqual(['other', 'vendor']);
    expect(readStrictly(directory).devices['cpu-test']?.entries[1]).not.toHaveProperty('binary');
    await writer.update(update(winner('ours')));
    expect(ids()).toEqual(['other', 'ours']);
  });

  it('refuses a damaged winners.json when it is opened, before any time is spent, and leaves it as it is', () => {
    writeFileSync(join(directory, 'winners.json'), '{"schema": 1, "dev');
    expect(() => openLibraryWriter(directory)).toThrow(LibraryError);
    expect(() => openLibraryWriter(directory)).toThrow(/winners\.json \(18 characters\)[^]*try: move it away/);
    expect(readFileSync(join(directory, 'winners.json'), 'utf8')).toBe('{"schema": 1, "dev');
  });

  it('replaces the same problem and keeps other problems and other devices', async () => {
    const writer = openLibraryWriter(directory);
    await writer.update({ ...update(winner('old', 1), winner('other', 2)), decisions: [decision] });
    await writer.update({ ...update(winner('foreign', 1, { deviceKey: 'e' })), device: testDevice('e') });
    await writer.update({ ...update(winner('new', 1)), decisions: [{ ...decision, choice: 'compact' }] });
    expect(ids()?.sort()).toEqual(['new', 'other']);
    expect(readStrictly(directory).devices['cpu-test']?.decisions.map(({ choice }) => choice)).toEqual(['compact']);
    expect(ids('e')).toEqual(['foreign']);
  });

  it('drops an unreadable entry, counts it and says why', async () => {
    const writer = openLibraryWriter(directory);
    await writer.update(update(winner('a', 1), winner('b', 2)));
    const file = readStrictly(directory) as { devices: Record<string, { entries: Record<string, unknown>[] }> };
    (file.devices['cpu-test']?.entries[0] as Record<string, unknown>)['medianNs'] = 'fast';
    writeFileSync(join(directory, 'winners.json'), JSON.stringify(file));
    expect(readWinners(join(directory, 'winners.json')).unreadable).toMatchObject([{ where: 'entry 0 of cpu-test', reason: expect.stringContaining('medianNs') as string }]);
    expect(await writer.update(update(winner('c', 3)))).toEqual({ dropped: 1, yielded: 0 });
    expect(ids()).toEqual(['b', 'c']);
  });

  it('does not overwrite a file that it cannot understand, also when it became so later', async () => {
    const writer = openLibraryWriter(directory);
    writeFileSync(join(directory, 'winners.json'), '{"schema": 99}');
    await expect(writer.update(update(winner('a')))).rejects.toThrow(/winners\.json.*not a winners file of this version[^]*mv /);
    expect(readFileSync(join(directory, 'winners.json'), 'utf8')).toBe('{"schema": 99}');
    expect(existsSync(join(directory, 'winners.lock'))).toBe(false);
  });

  it('reports a directory that cannot be written, with path and reason', () => {
    writeFileSync(join(directory, 'file'), '');
    expect(() => openLibraryWriter(join(directory, 'file', 'library'))).toThrow(FileError);
    expect(() => openLibraryWriter(join(directory, 'file', 'library'))).toThrow(/not a directory[^]*--library DIR/);
  });

  it('leaves the old winners in place when a write fails, and no temporary file', async () => {
    const writer = openLibraryWriter(directory);
    await writer.update(update(winner('a')));
    const before = readFileSync(join(directory, 'winners.json'), 'utf8');
    rmSync(join(directory, 'kernels'), { recursive: true });
    await expect(writer.update(update(winner('b')))).rejects.toThrow(/cannot write: .*kernels.*-[0-9a-f]{12}\.cc \(11 bytes\)/);
    expect(readFileSync(join(directory, 'winners.json'), 'utf8')).toBe(before);
    expect(existsSync(join(directory, 'kernels'))).toBe(false);
  });

  it.skipIf(process.getuid?.() === 0)('names a library that may not be written to', async () => {
    const writer = openLibraryWriter(directory);
    await writer.update(update(winner('a')));
    const next = winner('b', 2);
    chmodSync(directory, 0o555);
    await expect(writer.update(update(next))).rejects.toThrow(FileError);
    chmodSync(directory, 0o755);
    expect(ids()).toEqual(['a']);
  });

  describe('beside another run', () => {
    const ratio = (median: number) => ({ ratio: { median, low: median, high: median } });

    it("keeps the other's entry of the same problem while it is the better one, and says so", async () => {
      const mine = openLibraryWriter(directory);
      await openLibraryWriter(directory).update(update(winner('theirs', 1, { run: 'other', ...ratio(0.7) })));
      expect(await mine.update(update(winner('mine', 1, ratio(0.8)), winner('more', 2)))).toEqual({ dropped: 0, yielded: 1 });
      expect(ids()?.sort()).toEqual(['more', 'theirs']);
      expect(await mine.update(update(winner('mine', 1, ratio(0.6))))).toEqual({ dropped: 0, yielded: 0 });
      expect(ids()?.sort()).toEqual(['mine', 'more']);
    });

    it('takes a calm measurement before a disturbed one', async () => {
      const mine = openLibraryWriter(directory);
      await openLibraryWriter(directory).update(update(winner('theirs', 1, { run: 'other', dirty: true, ...ratio(0.5) })));
      await mine.update(update(winner('mine', 1, ratio(0.8))));
      expect(ids()).toEqual(['mine']);
    });

    it('replaces what was there before this run began, and its own', async () => {
      await openLibraryWriter(directory).update(update(winner('old', 1, { run: 'old', ...ratio(0.1) })));
      const mine = openLibraryWriter(directory);
      await mine.update(update(winner('first', 1, ratio(0.5))));
      await mine.update(update(winner('second', 1, ratio(0.9))));
      expect(ids()).toEqual(['second']);
    });

    it('keeps what was there as well, while it is better and comparable, where it looks at a part of the space only', async () => {
      await openLibraryWriter(directory).update(update(winner('old', 1, { run: 'old', ...ratio(0.5) }), winner('other', 2, { run: 'old', compiler: 'old', ...ratio(0.5) })));
      const shard = openLibraryWriter(directory, { partial: true });
      expect(await shard.update(update(winner('mine', 1, ratio(0.8)), winner('mine', 2, ratio(0.8))))).toEqual({ dropped: 0, yielded: 1 });
      expect(ids()).toEqual(['old', 'mine']);
      await shard.update(update(winner('better', 1, ratio(0.4))));
      expect(ids()?.sort()).toEqual(['better', 'mine']);
    });

    it('loses nothing when two processes write at once', async () => {
      const count = 12;
      const ends = ['a', 'b'].map((name) => startUpdates(name, count));
      await Promise.all(ends.map(({ opened }) => opened));
      for (const { go } of ends) go();
      expect(await Promise.all(ends.map(({ ended }) => ended))).toMatchObject([{ code: 0 }, { code: 0 }]);
      const entries = readStrictly(directory).devices['cpu-test']?.entries ?? [];
      for (const name of ['a', 'b']) expect(entries.filter(({ family }) => family === `family_${name}`)).toHaveLength(count);
      const shared = entries.filter(({ family }) => family === 'f');
      expect(shared.map(({ dims }) => dims['n']).sort((x, y) => (x ?? 0) - (y ?? 0))).toEqual(Array.from({ length: count }, (_, i) => i));
      expect(new Set(shared.map(({ kernelId }) => kernelId))).toEqual(new Set(['shared_a']));
      expect(readdirSync(directory).sort()).toEqual(['candidates', 'kernels', 'winners.json']);
    });
  });

  it('leaves the old file whole when the disk takes no more in the middle of the new one', async () => {
    // No file may grow past 8 blocks: kernels are small, and winners.json outgrows it after a few updates.
    const { opened, go, ended } = startUpdates('a', 12, 'ulimit -f 8');
    await opened;
    go();
    const { code, output } = await ended;
    expect(output).toMatch(/cannot write: .*winners\.json \(\d+ bytes\)[^]*--library DIR/);
    expect(code).toBe(3);
    const entries = readStrictly(directory).devices['cpu-test']?.entries ?? [];
    expect(entries.length).toBeGreaterThanOrEqual(2);
    expect(entries.length).toBeLessThan(24);
    expect(readdirSync(directory).sort()).toEqual(['candidates', 'kernels', 'winners.json']);
  });
});

interface Updates {
  readonly opened: Promise<unknown>;
  readonly go: () => void;
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

/** A process that opens the library, waits for `go`, and makes `count` updates. */
function startUpdates(name: string, count: number, shell = 'true'): Updates {
  const loader = new URL('../../../tuning/source-loader.mjs', import.meta.url).href;
  const script = fileURLToPath(new URL('./support/update-loop.ts', import.meta.url));
  const child = spawn('sh', ['-c', `${shell} && exec "$@"`, 'sh', process.execPath, '--import', loader, script, directory, name, String(count)], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  return {
    opened: once(child.stdout, 'data'),
    go: () => child.stdin.end(),
    ended: once(child, 'close').then(([code]) => ({ code: code as number | null, output })),
  };
}

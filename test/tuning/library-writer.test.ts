import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeviceIdentity } from '../../runtime/device/types.js';
import { FileError, LibraryError } from '../../runtime/errors.js';
import { winnersSchema, type FfStrategyDecision } from '../../runtime/library/schema.js';
import { openLibraryWriter, readWinners, type NewWinner } from '../../tuning/library-writer.js';

const device = (key: string): DeviceIdentity => ({
  kind: 'cpu', name: 'Test CPU', key, isas: ['portable'], cores: 2, l1dBytes: 1, l2Bytes: 1, l3Bytes: 1, memoryBytes: 1,
});
const hash = 'a'.repeat(64);
const decision: FfStrategyDecision = {
  kind: 'ff_strategy', dims: { hidden: 8, intermediate: 16, k: 8 }, dtype: 'bf16', choice: 'gather', gatherNs: 1, compactNs: 2, compactionNs: 3,
};

let directory: string;
let binaryPath: string;
const winner = (kernelId: string, n = 1, medianNs = 10): NewWinner => ({
  binaryPath,
  entry: {
    family: 'f', params: { dtype: 'bf16' }, dims: { n }, isa: 'portable', kernelId, sourceHash: hash, formHash: hash,
    compiler: 'c', regime: 'r', medianNs, defaultNs: 20, measuredAt: '2026-01-01T00:00:00.000Z',
  },
});
const read = () => winnersSchema.parse(JSON.parse(readFileSync(join(directory, 'winners.json'), 'utf8')));

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'griffin-library-'));
  mkdirSync(join(directory, 'candidates'));
  binaryPath = join(directory, 'candidates', 'abc.so');
  writeFileSync(binaryPath, 'code');
  writeFileSync(join(directory, 'candidates', 'abc.cc'), 'source');
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('library writer', () => {
  it('writes entries with their binary and its hash, source beside it, no temporary files', () => {
    openLibraryWriter(directory).update({ device: device('d'), winners: [winner('k')], decisions: [decision] });
    const section = read().devices['d'];
    expect(section?.entries[0]?.binary).toEqual({ file: 'abc.so', sha256: createHash('sha256').update('code').digest('hex') });
    expect(section?.decisions).toEqual([decision]);
    expect(readdirSync(join(directory, 'kernels')).sort()).toEqual(['abc.cc', 'abc.so']);
    expect(readdirSync(directory).sort()).toEqual(['candidates', 'kernels', 'winners.json']);
  });

  it("lets a vendor's kernel and those of ours replace each other, each problem by itself", () => {
    const writer = openLibraryWriter(directory);
    const { entry } = winner('vendor');
    const vendor: NewWinner = { binaryPath: null, entry: { ...entry, isa: 'cublaslt' } };
    const ids = () => read().devices['d']?.entries.map(({ kernelId }) => kernelId);
    writer.update({ device: device('d'), winners: [winner('ours'), winner('other', 2)], decisions: [] });
    writer.update({ device: device('d'), winners: [vendor], decisions: [] });
    expect(ids()).toEqual(['other', 'vendor']);
    expect(read().devices['d']?.entries[1]).not.toHaveProperty('binary');
    writer.update({ device: device('d'), winners: [winner('ours')], decisions: [] });
    expect(ids()).toEqual(['other', 'ours']);
  });

  it('refuses a damaged winners.json when it is opened, before any time is spent, and leaves it as it is', () => {
    writeFileSync(join(directory, 'winners.json'), '{"schema": 1, "dev');
    expect(() => openLibraryWriter(directory)).toThrow(LibraryError);
    expect(() => openLibraryWriter(directory)).toThrow(/winners\.json \(18 characters\)[^]*try: move it away/);
    expect(readFileSync(join(directory, 'winners.json'), 'utf8')).toBe('{"schema": 1, "dev');
  });

  it('replaces the same problem and keeps other problems and other devices', () => {
    const writer = openLibraryWriter(directory);
    writer.update({ device: device('d'), winners: [winner('old', 1), winner('other', 2)], decisions: [decision] });
    writer.update({ device: device('e'), winners: [winner('foreign')], decisions: [] });
    writer.update({ device: device('d'), winners: [winner('new', 1)], decisions: [{ ...decision, choice: 'compact' }] });
    const { devices } = read();
    expect(devices['d']?.entries.map(({ kernelId }) => kernelId).sort()).toEqual(['new', 'other']);
    expect(devices['d']?.decisions.map(({ choice }) => choice)).toEqual(['compact']);
    expect(devices['e']?.entries.map(({ kernelId }) => kernelId)).toEqual(['foreign']);
  });

  it('drops an unreadable entry and counts it', () => {
    const writer = openLibraryWriter(directory);
    writer.update({ device: device('d'), winners: [winner('a', 1), winner('b', 2)], decisions: [] });
    const file = read() as { devices: Record<string, { entries: Record<string, unknown>[] }> };
    (file.devices['d']?.entries[0] as Record<string, unknown>)['medianNs'] = 'fast';
    writeFileSync(join(directory, 'winners.json'), JSON.stringify(file));
    expect(writer.update({ device: device('d'), winners: [winner('c', 3)], decisions: [] })).toEqual({ dropped: 1 });
    expect(read().devices['d']?.entries.map(({ kernelId }) => kernelId)).toEqual(['b', 'c']);
  });

  it('does not overwrite a file that it cannot understand', () => {
    writeFileSync(join(directory, 'winners.json'), '{"schema": 99}');
    const update = () => openLibraryWriter(directory).update({ device: device('d'), winners: [winner('a')], decisions: [] });
    expect(update).toThrow(LibraryError);
    expect(update).toThrow(/winners\.json.*not a winners file of this version[^]*mv /);
    expect(readFileSync(join(directory, 'winners.json'), 'utf8')).toBe('{"schema": 99}');
  });

  it('reports a directory that cannot be written, with path and reason', () => {
    expect(() => openLibraryWriter(join(binaryPath, 'library'))).toThrow(FileError);
    expect(() => openLibraryWriter(join(binaryPath, 'library'))).toThrow(/abc\.so.*not a directory[^]*--library DIR/);
  });

  it('leaves the old winners in place when a write fails, and no temporary file', () => {
    const writer = openLibraryWriter(directory);
    writer.update({ device: device('d'), winners: [winner('a')], decisions: [] });
    rmSync(join(directory, 'kernels'), { recursive: true });
    expect(() => writer.update({ device: device('d'), winners: [winner('b')], decisions: [] })).toThrow(/cannot write the kernel: .*kernels.abc\.so \(4 bytes\)/);
    expect(readWinners(join(directory, 'winners.json')).contents.devices['d']?.entries.map(({ kernelId }) => kernelId)).toEqual(['a']);
    expect(existsSync(join(directory, 'kernels'))).toBe(false);
  });
});

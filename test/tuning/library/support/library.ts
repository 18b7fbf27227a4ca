/** Libraries for tests: devices, entries and binaries that are small files. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeviceIdentity } from '../../../../runtime/device/types.js';
import { winnersSchema, type WinnerEntry, type Winners } from '../../../../runtime/library/schema.js';
import type { NewWinner } from '../../../../tuning/library/writer.js';

export const HASH = 'a'.repeat(64);
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export function testDevice(key = 'cpu-test', kind = 'cpu'): DeviceIdentity {
  return { kind, name: 'Test CPU', key, isas: ['portable'], cores: 2, l1dBytes: 1, l2Bytes: 1, l3Bytes: 1, memoryBytes: 1 };
}

/** An entry of family `f` at n = 1, without its binary. */
export function newEntry(kernelId: string, fields: Partial<WinnerEntry> = {}): Omit<WinnerEntry, 'binary'> {
  return {
    family: 'f',
    params: { dtype: 'bf16' },
    dims: { n: 1 },
    isa: 'portable',
    kernelId,
    sourceHash: sha256(`source of ${kernelId}`),
    formHash: HASH,
    compiler: 'c',
    regime: 'r',
    medianNs: 10,
    defaultNs: 20,
    measuredAt: '2026-01-01T00:00:00.000Z',
    deviceKey: 'cpu-test',
    driver: '',
    run: 'run-1',
    ratio: { median: 0.5, low: 0.49, high: 0.51 },
    dirty: false,
    ...fields,
  };
}

/** Writes a "binary" and its source as the compiler leaves them, and returns its path. */
export function compiled(directory: string, kernelId: string, contents = `binary of ${kernelId}`): string {
  const folder = join(directory, 'candidates');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${sha256(kernelId).slice(0, 16)}.so`);
  writeFileSync(path, contents);
  writeFileSync(path.replace(/so$/, 'cc'), `source of ${kernelId}`);
  return path;
}

export function newWinner(directory: string, kernelId: string, fields: Partial<WinnerEntry> = {}): NewWinner {
  return { binaryPath: compiled(directory, kernelId), entry: newEntry(kernelId, fields) };
}

export function readStrictly(directory: string): Winners {
  return winnersSchema.parse(JSON.parse(readFileSync(join(directory, 'winners.json'), 'utf8')));
}

/** A temporary directory that `using` removes. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'griffin-library-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

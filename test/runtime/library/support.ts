import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WinnerEntry } from '../../../runtime/library/schema.js';

export const HASH = 'a'.repeat(64);

/** A valid winner entry of linear_gemv bf16 at 1 × 256 × 1024. */
export function entry(fields: Partial<WinnerEntry> = {}): WinnerEntry {
  return {
    family: 'linear_gemv',
    params: { dtype: 'bf16' },
    dims: { rows: 1, in: 256, out: 1024 },
    isa: 'avx2',
    kernelId: 'linear_gemv__bf16__avx2__rows4',
    sourceHash: HASH,
    formHash: HASH,
    compiler: 'test compiler 1.0',
    binary: { file: 'kernel.so', sha256: HASH },
    regime: 'plan-cold',
    medianNs: 1000,
    defaultNs: 1200,
    measuredAt: '2026-01-01T00:00:00Z',
    deviceKey: DEVICE.key,
    driver: '',
    run: 'run-1',
    dirty: false,
    ...fields,
  };
}

export const DEVICE = { kind: 'cpu', name: 'Test CPU', key: 'cpu-test', isas: ['portable', 'avx2'], cores: 2, l1dBytes: 1, l2Bytes: 1, l3Bytes: 1, memoryBytes: 1 };

/** The contents of winners.json for one device. */
export function winners(entries: readonly unknown[], options: { key?: string; decisions?: readonly unknown[] } = {}): string {
  const key = options.key ?? DEVICE.key;
  return JSON.stringify({ schema: 1, devices: { [key]: { device: { ...DEVICE, key }, entries, decisions: options.decisions ?? [] } } });
}

export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A temporary directory that `using` removes. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'griffin-library-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

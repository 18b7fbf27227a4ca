import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LibraryError } from '../../../runtime/errors.js';
import { emptyWinners, winnersSchema } from '../../../runtime/library/schema.js';
import { readOverlay, sharesArchitecture, verifiedBinary, winnersPath, type OverlayContext } from '../../../runtime/library/winners.js';
import { DEVICE, entry, HASH, sha256, temporaryDirectory, winners } from './support.js';

const context: OverlayContext = { deviceKey: DEVICE.key, formHash: (family) => (family === 'linear_gemv' ? HASH : undefined) };
const decision = { kind: 'ff_strategy', dims: { hidden: 8, intermediate: 16, k: 8 }, dtype: 'f32', choice: 'gather', gatherNs: 1, compactNs: 1, compactionNs: 9 };

describe('readOverlay', () => {
  it('is empty without a file', () => {
    using dir = temporaryDirectory();
    expect(readOverlay(dir.path, context)).toEqual({ entries: [], related: [], decisions: [], warnings: [] });
  });

  it('reads entries and decisions of this device', () => {
    using dir = temporaryDirectory();
    writeFileSync(winnersPath(dir.path), winners([entry()], { decisions: [decision] }));
    expect(readOverlay(dir.path, context)).toEqual({ entries: [entry()], related: [], decisions: [decision], warnings: [] });
  });

  it('ignores another device with one notice that names both', () => {
    using dir = temporaryDirectory();
    writeFileSync(winnersPath(dir.path), winners([entry(), entry()], { key: 'cpu-other' }));
    const overlay = readOverlay(dir.path, context);
    expect(overlay.entries).toEqual([]);
    expect(overlay.warnings).toHaveLength(1);
    expect(overlay.warnings[0]).toContain('cpu-other');
    expect(overlay.warnings[0]).toContain(DEVICE.key);
  });

  it('offers winners of other devices whose code runs here, each with the name of its device, and no vendor kernels', () => {
    using dir = temporaryDirectory();
    const other = entry({ deviceKey: 'cpu-other' });
    const { binary: _, ...vendor } = { ...other, isa: 'cublaslt', sourceHash: HASH };
    writeFileSync(winnersPath(dir.path), winners([other, { ...other, formHash: 'b'.repeat(64) }, vendor, entry()], { key: 'cpu-other' }));
    const overlay = readOverlay(dir.path, { ...context, runsHere: (device, isa) => device.key === 'cpu-other' && ['avx2', 'cublaslt'].includes(isa) });
    expect(overlay).toMatchObject({ entries: [], related: [{ entry: other, device: 'Test CPU' }] });
    expect(overlay.related).toHaveLength(1);
    expect(overlay.warnings).toHaveLength(1);
    expect(overlay.warnings[0]).toContain('same architecture');
    expect(readOverlay(dir.path, { ...context, runsHere: () => false }).related).toEqual([]);
    expect(readOverlay(dir.path, { ...context, noticeForeign: false }).warnings).toEqual([]);
  });

  it('skips bad entries one by one, with the reason', () => {
    using dir = temporaryDirectory();
    const bad = [
      { ...entry(), medianNs: -1 },
      { ...entry(), surprise: 1 },
      entry({ binary: { file: '../../etc/passwd', sha256: HASH } }),
      entry({ formHash: 'b'.repeat(64) }),
      entry({ family: 'gone' }),
      entry({ deviceKey: 'cpu-copied' }),
      'text',
    ];
    writeFileSync(winnersPath(dir.path), winners([...bad, entry()], { decisions: [{ kind: 'other' }, decision] }));
    const overlay = readOverlay(dir.path, context);
    expect(overlay.entries).toEqual([entry()]);
    expect(overlay.decisions).toEqual([decision]);
    expect(overlay.warnings).toHaveLength(bad.length + 1);
    expect(overlay.warnings.join('\n')).toMatch(/entry 0 .*medianNs[\s\S]*entry 2 .*file[\s\S]*entry 3: .*stale[\s\S]*entry 4: .*does not have[\s\S]*entry 5: .*measured on cpu-copied, not on cpu-test.*griffin tune[\s\S]*decision 0/);
  });

  it.each([
    ['not JSON', '{"schema": 1, "devi'],
    ['another version', '{"schema": 2, "devices": {}}'],
    ['not an object', '[]'],
  ])('refuses a file that is %s, naming it and a remedy', (_, text) => {
    using dir = temporaryDirectory();
    writeFileSync(winnersPath(dir.path), text);
    expect(() => readOverlay(dir.path, context)).toThrow(LibraryError);
    expect(() => readOverlay(dir.path, context)).toThrow(/winners\.json[\s\S]*griffin tune/);
  });
});

describe('sharesArchitecture', () => {
  const gpu = (capability: number) => ({ ...DEVICE, kind: 'cuda', gpu: { capability, driver: 12040 } });
  const on = (identity: object, isa: string, isas: readonly string[]) => sharesArchitecture({ identity, isa } as unknown as Parameters<typeof sharesArchitecture>[0], isas);

  it('takes from other CPUs what was compiled for the same instruction set, not for a weaker or a stronger one', () => {
    const runs = on(DEVICE, 'avx2', ['portable', 'avx2']);
    expect(['portable', 'avx2', 'avx512'].map((isa) => runs({ ...DEVICE, key: 'cpu-other' }, isa))).toEqual([false, true, false]);
    expect(runs(gpu(80), 'avx2')).toBe(false);
  });

  it('takes from other GPUs what their capability lets run: same major, no higher minor', () => {
    const runs = on(gpu(86), 'sm80', ['sm80']);
    expect([80, 86, 89, 75, 90].map((capability) => runs(gpu(capability), 'sm80'))).toEqual([true, true, false, false, false]);
    expect(runs(gpu(80), 'sm90')).toBe(false);
    expect(runs({ ...DEVICE, kind: 'cuda' }, 'sm80')).toBe(false);
  });

  it('leaves code for the emulated device where it is', () => {
    const emulated = { ...gpu(80), kind: 'emulated' };
    expect(on(emulated, 'sm80', ['sm80'])(emulated, 'sm80')).toBe(false);
  });
});

describe('verifiedBinary', () => {
  it('compares the hash before the file is used', () => {
    using dir = temporaryDirectory();
    writeFileSync(join(dir.path, 'kernel.so'), 'binary');
    expect(verifiedBinary(dir.path, { file: 'kernel.so', sha256: sha256('binary') })).toBe(join(dir.path, 'kernel.so'));
    expect(() => verifiedBinary(dir.path, { file: 'kernel.so', sha256: HASH })).toThrow(/changed or damaged/);
    expect(() => verifiedBinary(dir.path, { file: 'missing.so', sha256: HASH })).toThrow(/cannot be read/);
  });
});

describe('winnersSchema', () => {
  it('accepts what the tuner writes and nothing beside it', () => {
    expect(winnersSchema.parse(emptyWinners())).toEqual({ schema: 1, devices: {} });
    expect(winnersSchema.safeParse(JSON.parse(winners([entry()]))).success).toBe(true);
    expect(winnersSchema.safeParse({ ...emptyWinners(), extra: 1 }).success).toBe(false);
    expect(winnersSchema.safeParse(JSON.parse(winners([{ ...entry(), kernelId: 'a b' }]))).success).toBe(false);
  });
});

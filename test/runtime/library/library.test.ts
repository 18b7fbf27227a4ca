import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import type { Device, Kernel } from '../../../runtime/device/types.js';
import { LibraryError } from '../../../runtime/errors.js';
import { openLibrary } from '../../../runtime/library/library.js';
import { findForm, readManifest } from '../../../runtime/library/manifest.js';
import { vendorHash, winnersPath } from '../../../runtime/library/winners.js';
import { DEVICE, entry, HASH, sha256, temporaryDirectory, winners } from './support.js';

/** A device that notes which objects are loaded instead of loading them. */
function fakeDevice(isa = 'portable'): { device: Device; loaded: string[] } {
  const loaded: string[] = [];
  const device = {
    identity: DEVICE,
    isa,
    threads: 1,
    loadKernels(path: string, symbols: readonly string[]): Kernel[] {
      loaded.push(path);
      return symbols.map((symbol) => ({ id: symbol.slice('gk_'.length), phases: 1, scratchBytes: 0 }));
    },
  } as unknown as Device;
  return { device, loaded };
}

const problem = { family: 'linear_gemv', params: { dtype: 'f32' }, dims: { rows: 1, in: 64, out: 320 } };
const form = findForm(readManifest(), 'linear_gemv', { dtype: 'f32' }, ['portable']);

/** A library directory with one tuned binary and the given entries for it. */
function tunedDirectory(path: string, entries: readonly Partial<ReturnType<typeof entry>>[], key: string = DEVICE.key): void {
  mkdirSync(join(path, 'kernels'));
  writeFileSync(join(path, 'kernels', 'tuned.so'), 'tuned');
  const binary = { file: 'tuned.so', sha256: sha256('tuned') };
  const common = { params: problem.params, dims: problem.dims, isa: 'portable', formHash: form.sha256, kernelId: 'linear_gemv__f32__portable__tuned', binary };
  writeFileSync(winnersPath(path), winners(entries.map((fields) => entry({ ...common, deviceKey: key, ...fields })), { key }));
}

describe('openLibrary', () => {
  it('answers with the default kernel where nothing is tuned, and loads each object once', () => {
    using dir = temporaryDirectory();
    const { device, loaded } = fakeDevice();
    const library = openLibrary(device, { directory: dir.path });
    const answer = library.resolve(problem);
    expect(answer).toMatchObject({ id: form.kernel, how: 'default' });
    expect(library.kernel(problem.family, problem.params, { ...problem.dims, rows: 2 })).toBe(answer.kernel);
    expect(loaded).toHaveLength(1);
    expect(library.resolutions().map(({ how }) => how)).toEqual(['default', 'default']);
  });

  it('answers with a winner: exact, and nearest for other sizes', () => {
    using dir = temporaryDirectory();
    tunedDirectory(dir.path, [{}]);
    const { device, loaded } = fakeDevice();
    const library = openLibrary(device, { directory: dir.path });
    expect(library.winners).toBe(1);
    expect(library.resolve(problem)).toMatchObject({ id: 'linear_gemv__f32__portable__tuned', how: 'exact' });
    expect(library.resolve({ ...problem, dims: { ...problem.dims, in: 128 } })).toMatchObject({ how: 'nearest' });
    expect(library.resolve({ ...problem, params: { dtype: 'bf16' } })).toMatchObject({ how: 'default' });
    expect(loaded.filter((path) => path === join(dir.path, 'kernels', 'tuned.so'))).toHaveLength(1);
    expect(library.warnings).toEqual([]);
  });

  describe("a vendor's kernel that won", () => {
    const gemm = { family: 'linear_gemm', params: { dtype: 'f32', layout: 'outin' }, dims: { rows: 256, in: 64, out: 320 } };
    const id = 'linear_gemm__f32_outin__cublaslt__base';
    const standard = findForm(readManifest(), gemm.family, gemm.params, ['portable']).kernel;
    const vendorEntry = (): object => {
      const { binary: _, ...rest } = entry({ ...gemm, isa: 'cublaslt', kernelId: id, sourceHash: vendorHash('12.8.4'), formHash: vendorHash('12.8.4') });
      return rest;
    };
    const open = (path: string, version: string | null, entries: readonly object[] = [vendorEntry()]) => {
      writeFileSync(winnersPath(path), winners(entries));
      const kernel = version === null ? null : { id, phases: 1, scratchBytes: 0, version };
      return openLibrary({ ...fakeDevice().device, vendorKernel: () => kernel }, { directory: path });
    };

    it('is used without a binary of ours', () => {
      using dir = temporaryDirectory();
      const library = open(dir.path, '12.8.4');
      expect(library.resolve(gemm)).toMatchObject({ id, how: 'exact' });
      expect(library.warnings).toEqual([]);
    });

    it.each([
      ['the library is gone', null, /cuBLASLt is not found/],
      ['the library has another version', '13.0.2', /another version of cuBLASLt than 13\.0\.2/],
    ])('is dropped with a warning when %s', (_, version, why) => {
      using dir = temporaryDirectory();
      const library = open(dir.path, version);
      expect(library.resolve(gemm)).toMatchObject({ id: standard, how: 'default' });
      expect(library.warnings).toHaveLength(1);
      expect(library.warnings[0]).toMatch(why);
    });

    it('must not have a binary, and a kernel of ours must', () => {
      using dir = temporaryDirectory();
      const { binary: _, ...ours } = entry({ ...gemm, isa: 'portable' });
      const library = open(dir.path, '12.8.4', [{ ...vendorEntry(), binary: { file: 'x.so', sha256: HASH } }, ours]);
      expect(library.winners).toBe(0);
      expect(library.warnings.join('\n')).toMatch(/entry 0[\s\S]*binary[\s\S]*entry 1[\s\S]*binary/);
    });
  });

  describe('with winners of another device of the same architecture', () => {
    it('uses them where this device has none, and says so', () => {
      using dir = temporaryDirectory();
      tunedDirectory(dir.path, [{}], 'cpu-other');
      const library = openLibrary(fakeDevice().device, { directory: dir.path });
      expect(library.winners).toBe(0);
      expect(library.resolve(problem)).toMatchObject({ id: 'linear_gemv__f32__portable__tuned', how: 'architecture' });
      expect(library.resolutions()).toMatchObject([{ how: 'architecture', detail: expect.stringContaining('on Test CPU') as string }]);
      expect(library.linearFamily(problem.params, { ...problem.dims, rows: 5 })).toBe('linear_gemm');
    });

    it('answers with the default where their binary does not load', () => {
      using dir = temporaryDirectory();
      tunedDirectory(dir.path, [{}], 'cpu-other');
      const { device } = fakeDevice();
      const loadKernels = (path: string, symbols: readonly string[]) => {
        if (path.includes('tuned.so')) throw new LibraryError('no binary for this device');
        return device.loadKernels(path, symbols);
      };
      const library = openLibrary({ ...device, loadKernels } as Device, { directory: dir.path });
      expect(library.resolve(problem)).toMatchObject({ id: form.kernel, how: 'default' });
      expect(library.warnings.join()).toContain('no binary for this device');
    });
  });

  it('reads shipped winners below the user’s: each problem by itself', () => {
    using dir = temporaryDirectory();
    using shipped = temporaryDirectory();
    const wider = { ...problem, dims: { ...problem.dims, out: 640 } };
    tunedDirectory(dir.path, [{}]);
    tunedDirectory(shipped.path, [
      { kernelId: 'linear_gemv__f32__portable__shipped', medianNs: 1 },
      { kernelId: 'linear_gemv__f32__portable__shipped', dims: wider.dims },
    ]);
    const library = openLibrary(fakeDevice().device, { directory: dir.path, shipped: shipped.path });
    expect(library.resolve(problem)).toMatchObject({ id: 'linear_gemv__f32__portable__tuned', how: 'exact' });
    expect(library.resolve(wider)).toMatchObject({ id: 'linear_gemv__f32__portable__shipped', how: 'exact' });
    expect(library.winners).toBe(2);
    const { device, loaded } = fakeDevice();
    expect(openLibrary(device, { directory: join(dir.path, 'none'), shipped: shipped.path }).resolve(problem)).toMatchObject({ id: 'linear_gemv__f32__portable__shipped' });
    expect(loaded).toEqual([join(shipped.path, 'kernels', 'tuned.so')]);
  });

  it('never loads a binary that was changed: warns once and falls back', () => {
    using dir = temporaryDirectory();
    tunedDirectory(dir.path, [{ binary: { file: 'tuned.so', sha256: HASH } }, { binary: { file: 'gone.so', sha256: HASH }, dims: { ...problem.dims, in: 65 } }]);
    const { device, loaded } = fakeDevice();
    const seen: string[] = [];
    const library = openLibrary(device, { directory: dir.path, onWarning: (message) => seen.push(message) });
    expect(library.resolve(problem)).toMatchObject({ id: form.kernel, how: 'default' });
    expect(seen).toHaveLength(2);
    expect(seen.join('\n')).toMatch(/changed or damaged[\s\S]*cannot be read/);
    expect(library.warnings).toEqual(seen);
    expect(loaded.some((path) => path.includes('tuned.so'))).toBe(false);
  });

  it('warns once about a damaged binary that is the winner of several problems', () => {
    using dir = temporaryDirectory();
    const binary = { file: 'tuned.so', sha256: HASH };
    tunedDirectory(dir.path, [{ binary }, { binary, dims: { ...problem.dims, in: 65 } }, { binary, dims: { ...problem.dims, in: 66 } }]);
    const library = openLibrary(fakeDevice().device, { directory: dir.path });
    expect(library.resolve(problem)).toMatchObject({ how: 'default' });
    expect(library.warnings).toHaveLength(1);
    expect(library.winners).toBe(0);
  });

  it('draws the line between the linear families by what was measured, else by rows', () => {
    using dir = temporaryDirectory();
    const gemm = { family: 'linear_gemm', params: { dtype: 'f32', layout: 'outin' } };
    const dims = { ...problem.dims, rows: 8 };
    const gemmHash = findForm(readManifest(), 'linear_gemm', gemm.params, ['portable']).sha256;
    tunedDirectory(dir.path, [
      { dims, medianNs: 100 },
      { ...gemm, dims, medianNs: 200, formHash: gemmHash },
      { medianNs: 300 },
      { ...gemm, medianNs: 200, formHash: gemmHash },
    ]);
    const tuned = openLibrary(fakeDevice().device, { directory: dir.path });
    expect(tuned.linearFamily({ dtype: 'f32' }, dims)).toBe('linear_gemv');
    expect(tuned.linearFamily({ dtype: 'f32' }, problem.dims)).toBe('linear_gemm');
    expect(tuned.linearFamily({ dtype: 'f32' }, { ...dims, rows: 4 })).toBe('linear_gemv');
    expect(tuned.linearFamily({ dtype: 'f32' }, { ...dims, rows: 5 })).toBe('linear_gemm');
    expect(tuned.linearFamily({ dtype: 'f32' }, { ...dims, rows: 65 })).toBe('linear_gemm');
  });

  it('says what to run when the default kernels of an instruction set are not built', () => {
    using dir = temporaryDirectory();
    expect(() => openLibrary(fakeDevice('avx2048').device, { directory: dir.path })).toThrow(/avx2048 are not built[\s\S]*npm run build/);
    expect(() => openLibrary(fakeDevice().device, { directory: dir.path, defaults: join(dir.path, 'none') })).toThrow(LibraryError);
  });

  it('gathers where no strategy was measured', () => {
    using dir = temporaryDirectory();
    const library = openLibrary(fakeDevice().device, { directory: dir.path });
    expect(library.strategy({ hidden: 64, intermediate: 256, k: 128, dtype: 'f32', steps: 1000 }).choice).toBe('gather');
  });
});

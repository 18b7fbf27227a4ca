import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Device, GpuIdentity, Kernel, UtilityResolver } from '../../../runtime/device/types.js';
import { LibraryError } from '../../../runtime/errors.js';
import { openDefaults } from '../../../runtime/library/defaults.js';
import type { FatbinIndex } from '../../../runtime/library/fatbins.js';
import { openLibrary } from '../../../runtime/library/library.js';
import { findForm, readManifest, type KernelIndex, type Manifest } from '../../../runtime/library/manifest.js';
import { winnersPath } from '../../../runtime/library/winners.js';
import { DEVICE, entry, HASH, sha256, temporaryDirectory, winners } from './support.js';

const source = 'b'.repeat(64);
const form = (isa: string, kernel: string) => ({ family: 'one', params: { dtype: 'f32' }, isa, kernel, source: `cuda/${isa}/${kernel}.cu`, sha256: source });
const manifest: Manifest = {
  generatedBy: 'test',
  schema: 1,
  abi: 1,
  families: { one: { summary: 's', params: ['dtype'], tensors: [], scalars: [] } },
  forms: { one__f32__sm80: form('sm80', 'one__f32__sm80__t64') },
};

interface Fake {
  readonly device: Device;
  readonly loaded: { path: string; symbols: readonly string[] }[];
  resolver(): UtilityResolver | undefined;
}

/** A GPU that notes what is loaded instead of loading it. */
function fakeGpu(kind: 'cuda' | 'emulated', gpu: Partial<GpuIdentity>, isas = ['sm80', 'sm90']): Fake {
  const loaded: { path: string; symbols: readonly string[] }[] = [];
  let given: UtilityResolver | undefined;
  const device = {
    identity: { ...DEVICE, kind, key: 'gpu-test', isas, gpu: gpu as GpuIdentity },
    isa: isas.at(-1),
    threads: 1,
    loadKernels(path: string, symbols: readonly string[]): Kernel[] {
      loaded.push({ path, symbols });
      return symbols.map((symbol) => ({ id: symbol.slice('gk_'.length), phases: 1, scratchBytes: 0 }));
    },
    useUtilities: (resolver: UtilityResolver) => (given = resolver),
  } as unknown as Device;
  return { device, loaded, resolver: () => given };
}

function fatbins(path: string, kernel = 'one__f32__sm80__t64', from = source): string {
  const directory = join(path, 'cuda');
  mkdirSync(directory);
  writeFileSync(join(directory, 'one.fatbin'), 'machine code');
  const kernels = { [kernel]: { source: from, statistics: {} }, one__other: { source: HASH, statistics: {} } };
  const index: FatbinIndex = {
    generatedBy: 'test',
    schema: 1,
    compiler: 'nvcc',
    capabilities: [80, 86, 90],
    ptx: 120,
    families: { one: { file: 'one.fatbin', sha256: sha256('machine code'), key: HASH, bytes: 12, kernels } },
  };
  writeFileSync(join(directory, 'fatbins.json'), JSON.stringify(index));
  return directory;
}

function built(path: string, targets: readonly string[]): string {
  const isas: KernelIndex['isas'] = {};
  for (const target of targets) {
    writeFileSync(join(path, `${target}.so`), target);
    isas[target] = [{ file: `${target}.so`, sha256: sha256(target), key: HASH, kernels: ['one__f32__sm80__t64'] }];
  }
  writeFileSync(join(path, 'index.json'), JSON.stringify({ schema: 1, compiler: 'c++', isas }));
  return path;
}

const problem = { family: 'one', params: { dtype: 'f32' } };

describe('default kernels of a GPU', () => {
  it('come from the family’s fatbin, loaded once; sm80 kernels serve a device with sm90', () => {
    using dir = temporaryDirectory();
    const { device, loaded } = fakeGpu('cuda', { capability: 90 });
    const defaults = openDefaults(device, manifest, { fatbins: fatbins(dir.path) });
    expect(loaded).toEqual([]);
    expect(defaults(problem)).toMatchObject({ id: 'one__f32__sm80__t64', kernel: { id: 'one__f32__sm80__t64' } });
    defaults(problem);
    expect(loaded).toEqual([{ path: join(dir.path, 'cuda', 'one.fatbin'), symbols: ['gk_one__f32__sm80__t64', 'gk_one__other'] }]);
  });

  it.each([87, 86, 80, 90, 120, 121, 130])('have code that runs on compute capability %i', (capability) => {
    using dir = temporaryDirectory();
    expect(openDefaults(fakeGpu('cuda', { capability }).device, manifest, { fatbins: fatbins(dir.path) })(problem).id).toBe('one__f32__sm80__t64');
  });

  it.each([75, 100, 110])('have none for compute capability %i: neither machine code of its generation nor PTX', (capability) => {
    using dir = temporaryDirectory();
    expect(() => openDefaults(fakeGpu('cuda', { capability }).device, manifest, { fatbins: fatbins(dir.path) })).toThrow(
      new RegExp(`for compute capability 8, 8\\.6, 9 and PTX for 12; this GPU has ${capability / 10}`),
    );
  });

  it('are refused with the command that mends it: no fatbins, damaged, of another source, without the kernel', () => {
    using dir = temporaryDirectory();
    using stale = temporaryDirectory();
    using without = temporaryDirectory();
    const { device } = fakeGpu('cuda', { capability: 90 });
    const attempt = (directory: string) => () => openDefaults(device, manifest, { fatbins: directory })(problem);
    expect(attempt(join(dir.path, 'none'))).toThrow(/cannot read the index of compiled CUDA kernels[^]*try: npx griffin kernels fatbins/);
    expect(attempt(fatbins(stale.path, undefined, HASH))).toThrow(/as it was before its source changed[^]*try: npx griffin kernels fatbins/);
    expect(attempt(fatbins(without.path, 'one__older'))).toThrow(/one__f32__sm80__t64 is in no fatbin[^]*try: npx griffin kernels fatbins/);
    const directory = fatbins(dir.path);
    writeFileSync(join(directory, 'one.fatbin'), 'damaged');
    expect(attempt(directory)).toThrow(LibraryError);
    expect(attempt(directory)).toThrow(/changed or damaged[^]*try: npx griffin kernels fatbins/);
  });
});

describe('default kernels of the emulated device', () => {
  it.each([
    [undefined, 'checked'],
    [true, 'checked'],
    [false, 'fast'],
  ])('follow its flavour (checked: %s)', (checked, flavour) => {
    using dir = temporaryDirectory();
    const { device, loaded } = fakeGpu('emulated', { capability: 86, ...(checked === undefined ? {} : { checked }) }, ['sm80']);
    const defaults = openDefaults(device, manifest, { kernels: built(dir.path, ['portable', 'emulated-checked', 'emulated-fast']) });
    expect(defaults(problem).id).toBe('one__f32__sm80__t64');
    expect(loaded.map(({ path }) => path)).toEqual([join(dir.path, `emulated-${flavour}.so`)]);
  });

  it('are refused with the command that builds them', () => {
    using dir = temporaryDirectory();
    const { device } = fakeGpu('emulated', { capability: 90 });
    const open = () => openDefaults(device, manifest, { kernels: dir.path });
    expect(open).toThrow(/cannot read the index[^]*try: npm run build:emulated/);
    built(dir.path, ['portable']);
    expect(open).toThrow(/the default kernels for emulated-checked are not built \(there are: portable\)\n {2}try: npm run build:emulated/);
    built(dir.path, ['emulated-checked']);
    writeFileSync(join(dir.path, 'emulated-checked.so'), 'damaged');
    expect(() => open()(problem)).toThrow(/changed or damaged[^]*try: npm run build:emulated/);
  });
});

describe('openLibrary on a GPU', () => {
  const real = readManifest();
  const transpose = findForm(real, 'transpose', { dtype: 'f32' }, ['sm80']);
  const norm = findForm(real, 'rms_norm', {}, ['sm80']);

  /** An emulated device's build that holds two of the real default kernels. */
  function realBuild(path: string): string {
    writeFileSync(join(path, 'x.so'), 'x');
    const object = { file: 'x.so', sha256: sha256('x'), key: HASH, kernels: [transpose.kernel, norm.kernel] };
    writeFileSync(join(path, 'index.json'), JSON.stringify({ schema: 1, compiler: 'c++', isas: { 'emulated-checked': [object] } }));
    return path;
  }

  it('hands the device its utilities, and no other kernel', () => {
    using dir = temporaryDirectory();
    const { device, resolver } = fakeGpu('emulated', { capability: 90 });
    openLibrary(device, { directory: join(dir.path, 'none'), defaults: realBuild(dir.path) });
    const resolve = resolver()!;
    expect(resolve('transpose', { dtype: 'f32' })?.id).toBe(transpose.kernel);
    expect(resolve('transpose', { dtype: 'f64' })).toBeUndefined();
    expect(resolve('rms_norm', {})).toBeUndefined();
  });

  it('takes winners of both instruction sets, and leaves out stale ones and those of a set that the device lacks', () => {
    using dir = temporaryDirectory();
    mkdirSync(join(dir.path, 'kernels'));
    writeFileSync(join(dir.path, 'kernels', 'w.cubin'), 'w');
    const common = { deviceKey: 'gpu-test', family: 'rms_norm', params: {}, binary: { file: 'w.cubin', sha256: sha256('w') }, formHash: norm.sha256, isa: 'sm80' };
    const at = (hidden: number) => ({ rows: 1, first: 0, hidden });
    const entries = [
      entry({ ...common, dims: at(64), kernelId: 'rms_norm__any__sm80__tuned' }),
      entry({ ...common, dims: at(128), kernelId: 'rms_norm__any__sm80__stale', formHash: HASH }),
    ];
    writeFileSync(winnersPath(dir.path), winners(entries, { key: 'gpu-test' }));
    const { device } = fakeGpu('emulated', { capability: 90 });
    const library = openLibrary(device, { directory: dir.path, defaults: realBuild(dir.path) });
    expect(library.winners).toBe(1);
    expect(library.warnings.join()).toMatch(/rms_norm__any__sm80__stale is stale/);
    expect(library.resolve({ family: 'rms_norm', params: {}, dims: at(64) })).toMatchObject({ id: 'rms_norm__any__sm80__tuned', how: 'exact' });
    expect(library.resolve({ family: 'rms_norm', params: {}, dims: at(128) })).toMatchObject({ how: 'nearest' });

    const other = fakeGpu('emulated', { capability: 90 }, ['sm90']);
    const without = openLibrary({ ...other.device, isa: 'sm90' } as Device, { directory: dir.path, defaults: realBuild(dir.path) });
    expect(without.winners).toBe(0);
  });
});

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generatedFiles, writeGenerated } from '../../../generator/generate.js';
import type { Family } from '../../../generator/types.js';
import { CompilerError } from '../../../runtime/errors.js';
import { readFatbinIndex } from '../../../runtime/library/fatbins.js';
import { readManifest } from '../../../runtime/library/manifest.js';
import { compileFatbins, publishFatbins, type FatbinOptions } from '../../../tuning/cuda/fatbins.js';
import type { Nvcc } from '../../../tuning/cuda/nvcc.js';
import { TINY_CUDA, TINY_CUDA_TEMPLATE, tinyTemplates } from '../../generator/tiny.js';
import { temporaryDirectories } from '../../support/temp-dir.js';
import { writeFakeNvcc } from './fake-nvcc.js';

const temporary = temporaryDirectories('fatbins');
const other: Family = { ...TINY_CUDA, name: 'tiny_other' };
const stats = (spill = 0): string => `// stats {{symbol}}__main 40 ${spill}\n${TINY_CUDA_TEMPLATE}`;

function generate(directory: string, template: string): void {
  writeGenerated(directory, generatedFiles([TINY_CUDA, other], tinyTemplates({ 'cuda/tiny_scale.cu.hbs': template })));
}

/** A package with sources, a cache, a place to publish, and a compiler that counts its runs. */
function bench(template = stats()) {
  const root = temporary();
  const sources = join(root, 'generated');
  generate(sources, template);
  const path = writeFakeNvcc(join(root, 'nvcc'));
  const nvcc: Nvcc = { kind: 'nvcc', path, version: 'Cuda compilation tools, release 99.1' };
  const published = join(sources, 'cuda');
  const options: FatbinOptions = { sources, cache: join(root, 'cache'), published, nvcc, capabilities: [80, 86], families: [TINY_CUDA, other], jobs: 1 };
  return { sources, published, options, runs: () => (existsSync(`${path}.log`) ? readFileSync(`${path}.log`, 'utf8').trim().split('\n') : []) };
}

describe('compileFatbins', () => {
  it('compiles each family once for all capabilities and the PTX of the newest, with statistics per kernel, capability and phase', async () => {
    const { options, runs } = bench();
    const compiled = await compileFatbins(options);
    expect(compiled.families.map(({ family, cached, problems }) => [family, cached, problems])).toEqual([
      ['tiny_scale', false, []],
      ['tiny_other', false, []],
    ]);
    expect(runs()).toHaveLength(2);
    expect(runs()[0]).toContain('-gencode arch=compute_80,code=sm_80 -gencode arch=compute_86,code=sm_86 -gencode arch=compute_86,code=compute_86 --compress-mode=size -fatbin');
    const ids = ['f32', 'bf16'].map((dtype) => `tiny_scale__${dtype}__sm80__threads64`);
    const entry = { main: { registers: 40, shared: 16, stack: 0, spillStores: 0, spillLoads: 0, barriers: 1 } };
    expect(compiled.families[0]?.statistics).toEqual(Object.fromEntries(ids.map((id) => [id, { 80: entry, 86: entry }])));
  });

  it('compiles again only what changed', async () => {
    const { options, sources, runs } = bench();
    await compileFatbins(options);
    expect((await compileFatbins(options)).families.map(({ cached }) => cached)).toEqual([true, true]);
    expect(runs()).toHaveLength(2);
    await compileFatbins({ ...options, capabilities: [80] });
    expect(runs()).toHaveLength(4);
    generate(sources, `${stats()}// changed\n`);
    await compileFatbins(options);
    expect(runs()).toHaveLength(6);
    expect(readdirSync(options.cache!).filter((name) => name.endsWith('.fatbin'))).toHaveLength(2); // one generation
  });

  it('compiles again what is damaged', async () => {
    const { options, runs } = bench();
    const [first] = (await compileFatbins(options)).families;
    writeFileSync(first!.path, 'damaged');
    expect((await compileFatbins(options)).families.map(({ cached }) => cached)).toEqual([false, true]);
    expect(runs()).toHaveLength(3);
  });

  it('reports spills and warnings with kernel and capability, also from the cache, and accepts a spill that the target allows', async () => {
    const { options } = bench(`// warn unused variable\n${stats(24)}`);
    for (let round = 0; round < 2; round++) {
      const [family] = (await compileFatbins(options)).families;
      expect(family?.problems).toEqual([
        'tiny_scale: kernel.cu(1): warning #1-D: unused variable',
        ...['f32', 'bf16'].flatMap((dtype) =>
          ['8', '8.6'].map((capability) => `tiny_scale__${dtype}__sm80__threads64 on compute capability ${capability} spills registers: main: 24 bytes stored, 24 loaded (40 registers)`),
        ),
      ]);
    }
    const lenient: Family = { ...TINY_CUDA, cuda: { ...TINY_CUDA.cuda!, maySpill: ({ capability }) => capability === 86 } };
    const [family] = (await compileFatbins({ ...options, families: [lenient, other] })).families;
    expect(family?.problems.filter((line) => line.includes('spills'))).toHaveLength(2);
  });

  it('refuses spilling sources whose kernels the families do not know', async () => {
    const stale = compileFatbins({ ...bench(stats(24)).options, families: [other] });
    await expect(stale).rejects.toThrow(/not of today's families: unknown kernel family "tiny_scale"[^]*try: npm run generate/);
  });

  it('reports a kernel of which the compiler said nothing', async () => {
    const [family] = (await compileFatbins(bench(TINY_CUDA_TEMPLATE).options)).families;
    expect(family?.problems[0]).toBe('tiny_scale__f32__sm80__threads64 on compute capability 8: the compiler reports no entry of this kernel');
  });

  it('fails by type, naming the family, when a default kernel does not compile', async () => {
    const failing = compileFatbins(bench(`// fail no such thing\n${TINY_CUDA_TEMPLATE}`).options);
    await expect(failing).rejects.toBeInstanceOf(CompilerError);
    await expect(failing).rejects.toThrow(/the default CUDA kernels of tiny_\w+ do not compile with .*no such thing/s);
  });
});

describe('publishFatbins', () => {
  it('writes files and an index that belongs to the manifest, then finds nothing to do', async () => {
    const { options, published, sources } = bench();
    const compiled = await compileFatbins(options);
    const first = await publishFatbins(compiled, published);
    expect(first.written).toEqual(['tiny_scale', 'tiny_other']);
    const index = readFatbinIndex(published);
    expect(index).toEqual(first.index);
    expect(index).toMatchObject({ compiler: 'Cuda compilation tools, release 99.1', capabilities: [80, 86], ptx: 86 });
    const form = readManifest(sources).forms['tiny_scale__f32__sm80'];
    expect(index.families['tiny_scale']?.kernels[form!.kernel]?.source).toBe(form?.sha256);
    expect(first.bytes).toBe(['tiny_scale', 'tiny_other'].reduce((sum, name) => sum + statSync(join(published, `${name}.fatbin`)).size, 0));
    expect(await publishFatbins(compiled, published)).toEqual({ ...first, written: [], deleted: [] });
    writeFileSync(join(published, 'gone.fatbin'), '');
    expect((await publishFatbins(compiled, published)).deleted).toEqual(['gone.fatbin']);
    expect(existsSync(join(published, 'gone.fatbin'))).toBe(false);
  });

  it('saves the next compilation: what is published and up to date is not compiled, even without a cache', async () => {
    const { options, published, runs } = bench();
    const compiled = await compileFatbins(options);
    await publishFatbins(compiled, published);
    const again = await compileFatbins({ ...options, cache: join(temporary(), 'empty') });
    expect(runs()).toHaveLength(2);
    expect(again.families.map(({ family, statistics, cached }) => ({ family, statistics, cached }))).toEqual(
      compiled.families.map(({ family, statistics }) => ({ family, statistics, cached: true })),
    );
    expect((await publishFatbins(again, published)).written).toEqual([]);
  });

  it('writes nothing when something is not fit to be shipped', async () => {
    const { options, published } = bench(stats(8));
    await expect(publishFatbins(await compileFatbins(options), published)).rejects.toThrow(/not fit to be shipped:\n {2}tiny_scale__f32__sm80__threads64 on compute capability 8 spills/);
    expect(existsSync(join(published, 'fatbins.json'))).toBe(false);
    expect(existsSync(join(published, 'tiny_scale.fatbin'))).toBe(false);
  });
});

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { generatedFiles, writeGenerated } from '../../generator/generate.js';
import { AbortedError, CompilerError, LibraryError } from '../../runtime/errors.js';
import { readKernelIndex } from '../../runtime/library/manifest.js';
import { buildDefaultKernels, type BuildProgress } from '../../tuning/default-kernels.js';
import { TINY, TINY_CUDA, TINY_TEMPLATE, tinyTemplates } from '../generator/tiny.js';

const FAMILIES = [TINY, { ...TINY, name: 'tiny_other' }];
const isas = ['portable', 'avx2'];
let sources: string;

function generate(template = TINY_TEMPLATE): string {
  const directory = mkdtempSync(join(tmpdir(), 'griffin-sources-'));
  writeGenerated(directory, generatedFiles(FAMILIES, tinyTemplates({ 'cpu/tiny_scale.cc.hbs': template })));
  return directory;
}

const output = (): string => join(mkdtempSync(join(tmpdir(), 'griffin-build-')), 'kernels');

beforeAll(() => {
  sources = generate();
});

describe('buildDefaultKernels', () => {
  it('compiles every form of the given instruction sets and indexes objects, hashes and kernels', async () => {
    const directory = output();
    const progress: BuildProgress[] = [];
    const report = await buildDefaultKernels({ isas, sources, directory, jobs: 1, onProgress: (p) => progress.push(p) });
    expect(report).toMatchObject({ compiled: 2, upToDate: 0 });
    expect(readKernelIndex(directory)).toEqual(report.index);
    expect(Object.keys(report.index.isas)).toEqual(isas);
    for (const isa of isas) {
      const [object] = report.index.isas[isa] ?? [];
      if (object === undefined) throw new Error(`no object for ${isa}`);
      expect([...object.kernels].sort()).toEqual(['tiny_other', 'tiny_scale'].flatMap((name) => ['bf16', 'f32'].map((dtype) => `${name}__${dtype}__${isa}__block64_unroll2`)).sort());
      const symbols = execFileSync('nm', ['-D', '--defined-only', join(directory, object.file)], { encoding: 'utf8' });
      for (const kernel of object.kernels) expect(symbols).toContain(` gk_${kernel}\n`);
    }
    expect(progress.at(-1)).toMatchObject({ done: 8, total: 8 });
    expect(readdirSync(directory).filter((name) => name.includes('.tmp'))).toEqual([]);
  });

  it('keeps what is up to date and rebuilds what is damaged, changed or gone', async () => {
    const directory = output();
    const build = (from = sources, wanted = isas) => buildDefaultKernels({ isas: wanted, sources: from, directory, jobs: 1 });
    const first = await build();
    const file = (isa: string): string => join(directory, first.index.isas[isa]?.[0]?.file ?? '');
    const before = statSync(file('avx2')).mtimeMs;
    expect(await build()).toEqual({ ...first, compiled: 0, upToDate: 2 });
    expect(statSync(file('avx2')).mtimeMs).toBe(before);

    const bytes = readFileSync(file('avx2'));
    writeFileSync(file('avx2'), bytes.subarray(0, bytes.length - 1));
    expect(await build()).toMatchObject({ compiled: 1, upToDate: 1 });
    expect(readFileSync(file('avx2'))).toEqual(bytes);

    writeFileSync(join(directory, 'index.json'), '{');
    expect(await build()).toMatchObject({ compiled: 2, index: first.index });

    const changed = await build(generate(TINY_TEMPLATE.replace('a.scale *', '2 *')), ['portable']);
    expect(changed).toMatchObject({ compiled: 1 });
    expect(existsSync(file('portable'))).toBe(false);
    expect(existsSync(file('avx2'))).toBe(false); // the index holds what was asked for, nothing stale
  });

  it('shows the diagnostic when a default kernel does not compile, and leaves no index', async () => {
    const directory = output();
    const failing = buildDefaultKernels({ isas: ['portable'], sources: generate(TINY_TEMPLATE.replace('a.scale *', 'a.skale *')), directory });
    await expect(failing).rejects.toBeInstanceOf(CompilerError);
    await expect(failing).rejects.toThrow(/the default kernels for portable do not compile with .*skale/s);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('refuses sources that are not what the manifest describes', async () => {
    const edited = generate();
    const path = join(edited, 'cpu/portable/tiny_scale__f32__portable__block64_unroll2.cc');
    writeFileSync(path, `${readFileSync(path, 'utf8')}// edited\n`);
    const attempt = buildDefaultKernels({ isas: ['portable'], sources: edited, directory: output() });
    await expect(attempt).rejects.toBeInstanceOf(LibraryError);
    await expect(attempt).rejects.toThrow(/is not the source that the manifest describes[^]*try: npm run generate/);
  });

  it('builds CUDA kernels for the emulated device in both flavours, beside those of the CPU', async () => {
    const directory = output();
    const from = mkdtempSync(join(tmpdir(), 'griffin-sources-'));
    writeGenerated(from, generatedFiles([TINY_CUDA], tinyTemplates()));
    const cpu = await buildDefaultKernels({ isas: ['portable'], sources: from, directory, jobs: 1 });
    const emulated = await buildDefaultKernels({ emulated: true, sources: from, directory, jobs: 1 });
    expect(emulated).toMatchObject({ compiled: 2, targets: ['emulated-checked', 'emulated-fast'] });
    expect(emulated.index.isas['portable']).toEqual(cpu.index.isas['portable']);
    for (const target of emulated.targets) {
      const [object] = emulated.index.isas[target] ?? [];
      expect([...(object?.kernels ?? [])].sort()).toEqual(['tiny_scale__bf16__sm80__threads64', 'tiny_scale__f32__sm80__threads64']);
      const symbols = execFileSync('nm', ['-D', '--defined-only', join(directory, object?.file ?? '')], { encoding: 'utf8' });
      for (const kernel of object?.kernels ?? []) expect(symbols).toContain(` gk_${kernel}__main\n`);
    }
    expect(await buildDefaultKernels({ emulated: true, sources: from, directory, jobs: 1 })).toEqual({ ...emulated, compiled: 0, upToDate: 2 });
    const again = await buildDefaultKernels({ isas: ['portable'], sources: from, directory, jobs: 1 });
    expect(again).toMatchObject({ compiled: 0 });
    expect(again.index).toEqual(emulated.index);
    expect(readdirSync(directory).filter((name) => name.endsWith('.so'))).toHaveLength(3);
  });

  it('refuses unknown instruction sets, and stops when aborted', async () => {
    await expect(buildDefaultKernels({ isas: ['sse'], sources, directory: output() })).rejects.toThrow(/no known instruction set in "sse"; there are: portable/);
    await expect(buildDefaultKernels({ isas, sources, directory: output(), signal: AbortSignal.abort() })).rejects.toBeInstanceOf(AbortedError);
  });
});

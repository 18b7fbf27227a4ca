import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { renderKernel } from '../../generator/render.js';
import { enumerate } from '../../generator/space.js';
import { kernelId } from '../../generator/ids.js';
import { AbortedError, FileError } from '../../runtime/errors.js';
import { compileKernels, contentHash } from '../../tuning/compile.js';
import { pool, type KernelSource } from '../../tuning/compile-pool.js';
import { TINY, tinyTemplates } from '../generator/tiny.js';

const isa = 'portable';
let sources: readonly KernelSource[];

beforeAll(() => {
  const templateRoot = tinyTemplates();
  sources = [...enumerate({ family: 'tiny_scale', params: { dtype: 'f32' }, isa }, { family: TINY })]
    .slice(0, 4)
    .map((variant) => ({ id: kernelId(variant, TINY), text: renderKernel(variant, { family: TINY, templateRoot }) }));
});

const directory = (): string => mkdtempSync(join(tmpdir(), 'griffin-compile-'));
const symbolsOf = (file: string): string => execFileSync('nm', ['-D', '--defined-only', file], { encoding: 'utf8' });
const names = (dir: string): readonly string[] => readdirSync(dir).sort();

describe('compileKernels', () => {
  it('compiles a batch to one object that every kernel name reaches, exporting the kernels only', async () => {
    const dir = directory();
    const results = await compileKernels(sources, { isa, directory: dir, jobs: 1 });
    expect(results.map((r) => r.id)).toEqual(sources.map((s) => s.id));
    const inodes = new Set<number>();
    for (const result of results) {
      if (!result.ok) throw new Error(result.message);
      expect(result).toMatchObject({ symbol: `gk_${result.id}`, cached: false, file: join(dir, `${result.hash}.so`) });
      const symbols = symbolsOf(result.file).trim().split('\n').map((line) => line.split(' ').at(-1));
      expect(symbols.sort()).toEqual(sources.map((s) => `gk_${s.id}`).sort());
      expect(readFileSync(join(dir, `${result.hash}.cc`), 'utf8')).toBe(sources.find((s) => s.id === result.id)?.text);
      inodes.add(statSync(result.file).ino);
    }
    expect(inodes.size).toBe(1);
    expect(names(dir)).toHaveLength(3 * sources.length); // nothing temporary is left
  });

  it('skips what is there, and names files by content alone', async () => {
    const [first, second] = [directory(), directory()];
    const options = { isa, jobs: 1 } as const;
    await compileKernels(sources.slice(0, 1), { ...options, directory: first });
    const again = await compileKernels(sources.slice(0, 2), { ...options, directory: first });
    expect(again.map((r) => r.ok && r.cached)).toEqual([true, false]);
    await compileKernels(sources.slice(0, 2), { ...options, directory: second });
    expect(names(second)).toEqual(names(first));
  });

  it('hashes source, flags and compiler version', () => {
    const compiler = { path: '/a/c++', version: '1' };
    const hash = contentHash('x', isa, compiler);
    expect(contentHash('x', isa, { ...compiler, path: '/b/c++' })).toBe(hash);
    const others = [contentHash('y', isa, compiler), contentHash('x', 'avx2', compiler), contentHash('x', isa, { ...compiler, version: '2' })];
    expect(new Set([hash, ...others]).size).toBe(4);
  });

  it('reports a kernel that does not compile, with the diagnostic, and still compiles the others of its batch', async () => {
    const dir = directory();
    const bad = { id: 'bad', text: 'int wrong = does_not_exist;\n' };
    const unresolved = { id: 'unresolved', text: 'extern "C" int nowhere(); __attribute__((visibility("default"))) int f() { return nowhere(); }\n' };
    const seen: string[] = [];
    const results = await compileKernels([sources[0]!, bad, unresolved, sources[1]!], { isa, directory: dir, jobs: 1, onResult: (r) => seen.push(r.id) });
    expect(results.map((r) => r.ok)).toEqual([true, false, false, true]);
    expect(results[1]).toMatchObject({ ok: false, id: 'bad', message: expect.stringMatching(/^bad\.cc:1.*does_not_exist/s) });
    expect(results[2]).toMatchObject({ ok: false, message: expect.stringContaining('nowhere') });
    expect(seen.sort()).toEqual([...results.map((r) => r.id)].sort());
    expect(names(dir)).toHaveLength(6);
  });

  it('stops when aborted, killing the compiler and leaving nothing temporary', async () => {
    const dir = directory();
    const compiler = join(dir, 'slow-c++');
    writeFileSync(compiler, '#!/bin/sh\nsleep 30\n');
    chmodSync(compiler, 0o755);
    const out = join(dir, 'out');
    const controller = new AbortController();
    const running = compileKernels(sources, { isa, directory: out, jobs: 2, batch: 1, signal: controller.signal, compiler: { path: compiler, version: 'slow' } });
    setTimeout(() => controller.abort(), 100);
    await expect(running).rejects.toBeInstanceOf(AbortedError);
    expect(names(out)).toEqual([]);
    await expect(compileKernels(sources, { isa, directory: out, signal: controller.signal })).rejects.toBeInstanceOf(AbortedError);
  });

  it('says which directory cannot be written', async () => {
    const file = join(directory(), 'a-file');
    writeFileSync(file, '');
    const attempt = compileKernels(sources, { isa, directory: join(file, 'kernels') });
    await expect(attempt).rejects.toBeInstanceOf(FileError);
    await expect(attempt).rejects.toThrow(file);
  });
});

describe('pool', () => {
  it('bounds concurrency and stops at the first failure', async () => {
    let active = 0;
    let most = 0;
    const done: number[] = [];
    const work = async (i: number): Promise<void> => {
      most = Math.max(most, ++active);
      await new Promise((resolve) => setTimeout(resolve, 1));
      active--;
      if (i === 3) throw new Error('three');
      done.push(i);
    };
    await expect(pool([0, 1, 2, 3, 4, 5, 6, 7], 2, work)).rejects.toThrow('three');
    expect(most).toBe(2);
    expect(done.length).toBeLessThan(7);
  });
});

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kernelId } from '../../../generator/ids.js';
import { renderKernel } from '../../../generator/render.js';
import { enumerate } from '../../../generator/space.js';
import { LibraryError } from '../../../runtime/errors.js';
import { compileEmulatedKernels, emulatedFlags, emulatedHash, EMULATED_FLAVOURS, emulationHeaderHash } from '../../../tuning/cuda/emulated.js';
import { TINY_CUDA, tinyTemplates } from '../../generator/tiny.js';
import { temporaryDirectories } from '../../support/temp-dir.js';

const temporary = temporaryDirectories('emulated');
const compiler = { path: 'c++', version: '1' };

function sources() {
  const templateRoot = tinyTemplates();
  const variants = [...enumerate({ family: 'tiny_scale', params: { dtype: 'bf16' }, isa: 'sm80' }, { family: TINY_CUDA, capability: 86 })];
  return variants.map((variant) => ({ id: kernelId(variant, TINY_CUDA), text: renderKernel(variant, { family: TINY_CUDA, templateRoot }) }));
}

const symbols = (file: string, ...flags: string[]): string[] => execFileSync('nm', ['-D', ...flags, file], { encoding: 'utf8' }).trim().split('\n').map((line) => line.trim().split(' ').at(-1) ?? '');

describe('compileEmulatedKernels', () => {
  it.each(EMULATED_FLAVOURS)('compiles CUDA sources into %s modules that export kernels, descriptions and the binding, and need no sanitizer', async (flavour) => {
    const kernels = sources();
    const directory = temporary();
    const results = await compileEmulatedKernels(kernels, { flavour, capability: 86, directory, jobs: 1 });
    for (const result of results) {
      if (!result.ok) throw new Error(result.message);
      const exported = symbols(result.file, '--defined-only');
      for (const { id } of kernels) expect(exported).toEqual(expect.arrayContaining([`gk_${id}__main`, `gk_${id}__main__info`, `gk_meta_${id}`, 'gk_emu_bind']));
      expect(symbols(result.file, '--undefined-only').filter((name) => /tsan|ubsan|asan/.test(name))).toEqual([]);
    }
    const again = await compileEmulatedKernels(kernels, { flavour, capability: 86, directory });
    expect(again.map((r) => r.ok && r.cached)).toEqual([true, true]);
  });

  it('reports what the compiler says about a kernel that is not right', async () => {
    const [result] = await compileEmulatedKernels([{ id: 'bad', text: '#include "emulation.h"\nint nonsense = missing;\n' }], { flavour: 'fast', capability: 80, directory: temporary() });
    expect(result).toMatchObject({ ok: false, id: 'bad', message: expect.stringContaining('bad.cu:2') as unknown });
  });
});

describe('the hash of an emulated kernel', () => {
  it('covers source, flavour, capability, compiler and the emulation’s headers', () => {
    const build = { flavour: 'fast', capability: 90, compiler, headers: 'h' } as const;
    const hashes = [
      emulatedHash(['x'], build),
      emulatedHash(['y'], build),
      emulatedHash(['x'], { ...build, flavour: 'checked' }),
      emulatedHash(['x'], { ...build, capability: 80 }),
      emulatedHash(['x'], { ...build, compiler: { ...compiler, version: '2' } }),
      emulatedHash(['x'], { ...build, headers: 'i' }),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(emulatedHash(['x'], { ...build, compiler: { ...compiler, path: '/other' } })).toBe(hashes[0]);
  });

  it('follows names and contents of the headers, and fails by type without them', () => {
    const directory = join(temporary(), 'include');
    expect(() => emulationHeaderHash(directory)).toThrow(LibraryError);
    mkdirSync(directory);
    writeFileSync(join(directory, 'a.h'), '1');
    const one = emulationHeaderHash(directory);
    writeFileSync(join(directory, 'a.h'), '2');
    const two = emulationHeaderHash(directory);
    writeFileSync(join(directory, 'b.h'), '');
    expect(new Set([one, two, emulationHeaderHash(directory)]).size).toBe(3);
    writeFileSync(join(directory, 'notes.txt'), 'not compiled');
    expect(emulationHeaderHash(directory)).toBe(emulationHeaderHash(directory));
  });

  it('differs between flavours in instrumentation alone', () => {
    const extra = emulatedFlags('checked', 90).filter((flag) => !emulatedFlags('fast', 90).includes(flag));
    expect(extra).toEqual(['-fsanitize=thread,alignment']);
    expect(emulatedFlags('fast', 86)).toContain('-DGK_EMULATED_CAPABILITY=86');
  });
});

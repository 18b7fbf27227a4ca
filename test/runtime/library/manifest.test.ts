import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LibraryError } from '../../../runtime/errors.js';
import { findForm, findObject, formHash, readKernelIndex, readManifest, type KernelIndex, type Manifest } from '../../../runtime/library/manifest.js';

const hash = 'a'.repeat(64);
const manifest: Manifest = {
  generatedBy: 'npm run generate',
  schema: 1,
  abi: 1,
  families: {
    one: { summary: 's', params: ['dtype', 'layout'], tensors: [{ name: 'x', role: 'input', optional: false }], scalars: [] },
    bare: { summary: 's', params: [], tensors: [], scalars: [{ name: 'n', type: 'int', dynamic: true }] },
  },
  forms: {
    one__f32_outin__avx2: { family: 'one', params: { dtype: 'f32', layout: 'outin' }, isa: 'avx2', kernel: 'one__f32_outin__avx2__r4', source: 'cpu/avx2/one.cc', sha256: hash },
    bare__any__avx2: { family: 'bare', params: {}, isa: 'avx2', kernel: 'bare__any__avx2__base', source: 'cpu/avx2/bare.cc', sha256: hash },
  },
};
const index: KernelIndex = { schema: 1, compiler: 'c++ 1', isas: { avx2: [{ file: 'avx2-1.so', sha256: hash, key: hash, kernels: ['one__f32_outin__avx2__r4'] }] } };

function directoryWith(name: string, value: unknown): string {
  const directory = mkdtempSync(join(tmpdir(), 'griffin-manifest-'));
  writeFileSync(join(directory, name), typeof value === 'string' ? value : JSON.stringify(value));
  return directory;
}

describe('readManifest', () => {
  it('reads what is valid', () => {
    expect(readManifest(directoryWith('manifest.json', manifest))).toEqual(manifest);
  });

  it.each([
    ['missing', undefined, /cannot read the kernel manifest: .*manifest\.json/],
    ['not JSON', '{', /is not JSON/],
    ['of another schema', { ...manifest, schema: 2 }, /at schema: /],
    ['with a source that leaves the directory', { ...manifest, forms: { a: { ...manifest.forms['bare__any__avx2'], source: '../../x.cc' } } }, /at forms\.a\.source: a path like/],
    ['with a broken hash', { ...manifest, forms: { a: { ...manifest.forms['bare__any__avx2'], sha256: 'zz' } } }, /at forms\.a\.sha256: /],
  ])('refuses one that is %s, and says how to mend it', (_what, value, message) => {
    const directory = value === undefined ? directoryWith('other', '') : directoryWith('manifest.json', value);
    expect(() => readManifest(directory)).toThrow(LibraryError);
    expect(() => readManifest(directory)).toThrow(message);
    expect(() => readManifest(directory)).toThrow(/try: npm run generate/);
  });
});

describe('readKernelIndex', () => {
  it('reads what is valid and refuses a file name that is a path', () => {
    expect(readKernelIndex(directoryWith('index.json', index))).toEqual(index);
    const bad = { ...index, isas: { avx2: [{ ...index.isas['avx2']?.[0], file: '../evil.so' }] } };
    expect(() => readKernelIndex(directoryWith('index.json', bad))).toThrow(/at isas\.avx2\.0\.file: a plain file name/);
    expect(() => readKernelIndex(directoryWith('x', ''))).toThrow(/try: npm run build:kernels/);
  });
});

describe('findForm and findObject', () => {
  it('find by family, parameters in any order and instruction set', () => {
    expect(findForm(manifest, 'one', { layout: 'outin', dtype: 'f32' }, ['avx2']).kernel).toBe('one__f32_outin__avx2__r4');
    expect(findForm(manifest, 'bare', {}, ['avx2']).kernel).toBe('bare__any__avx2__base');
    expect(findObject(index, 'avx2', 'one__f32_outin__avx2__r4')?.file).toBe('avx2-1.so');
    expect(findObject(index, 'avx2', 'other')).toBeUndefined();
    expect(findObject(index, 'avx512', 'one__f32_outin__avx2__r4')).toBeUndefined();
  });

  it('take the strongest instruction set that has the form', () => {
    const bare = manifest.forms['bare__any__avx2']!;
    const both: Manifest = { ...manifest, forms: { ...manifest.forms, bare__any__sm80: { ...bare, isa: 'sm80', kernel: 'bare__any__sm80__b1' }, bare__any__sm90: { ...bare, isa: 'sm90', kernel: 'bare__any__sm90__b2' } } };
    expect(findForm(both, 'bare', {}, ['sm80', 'sm90']).kernel).toBe('bare__any__sm90__b2');
    expect(findForm(both, 'bare', {}, ['sm80']).kernel).toBe('bare__any__sm80__b1');
    expect(findForm(manifest, 'bare', {}, ['avx2', 'avx512']).isa).toBe('avx2');
    expect(() => findForm(manifest, 'bare', {}, ['sm80', 'sm90'])).toThrow(/no kernel form bare__any for sm80 or sm90; bare has: bare__any__avx2/);
  });

  it('know the hash of forms with and without a default kernel', () => {
    const more: Manifest = { ...manifest, tunedForms: { bare__any__sm90: 'b'.repeat(64) } };
    expect(formHash(more, 'one', { layout: 'outin', dtype: 'f32' }, 'avx2')).toBe(hash);
    expect(formHash(more, 'bare', {}, 'sm90')).toBe('b'.repeat(64));
    expect(formHash(manifest, 'bare', {}, 'sm90')).toBeUndefined();
    expect(formHash(more, 'one', { dtype: 'f32' }, 'avx2')).toBeUndefined();
    expect(formHash(more, 'two', {}, 'avx2')).toBeUndefined();
  });

  it('say what there is when nothing fits', () => {
    expect(() => findForm(manifest, 'two', {}, ['avx2'])).toThrow(/unknown kernel family "two"; there are: one, bare/);
    expect(() => findForm(manifest, 'one', { dtype: 'f64', layout: 'outin' }, ['avx2'])).toThrow(/no kernel form one__f64_outin for avx2; one has: one__f32_outin__avx2/);
    expect(() => findForm(manifest, 'constructor', {}, ['avx2'])).toThrow(LibraryError);
  });
});

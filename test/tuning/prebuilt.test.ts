import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { kernelId } from '../../generator/ids.js';
import { compilerFlags } from '../../generator/isa.js';
import { renderKernel } from '../../generator/render.js';
import { defaultVariant } from '../../generator/space.js';
import { targetArchitecture } from '../../tuning/compiler.js';
import { openPrebuilt } from '../../tuning/prebuilt.js';

const variant = defaultVariant({ family: 'flock_statistic', params: {}, isa: 'portable' });
const id = kernelId(variant);
const compiler = { path: '/usr/bin/c++', version: 'c++ 12' };
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const key = (version: string): string => sha256(JSON.stringify([targetArchitecture(), version, compilerFlags('portable'), [renderKernel(variant)]]));

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'griffin-prebuilt-'));
  writeFileSync(join(directory, 'portable-1.so'), 'object');
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function writeIndex(change: Record<string, unknown> = {}): void {
  const object = { file: 'portable-1.so', sha256: sha256('object'), key: key(compiler.version), kernels: [id], ...change };
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schema: 1, compiler: compiler.version, isas: { portable: [object] } }));
}

describe('openPrebuilt', () => {
  it('finds a default kernel that was built from these templates with this compiler', () => {
    writeIndex();
    expect(openPrebuilt(compiler, directory).find(id, 'portable')).toBe(join(directory, 'portable-1.so'));
  });

  it.each<[string, () => void]>([
    ['nothing is built', () => undefined],
    ['templates or flags have changed since', () => writeIndex({ key: sha256('other sources') })],
    ['another compiler built it', () => writeIndex({ key: key('c++ 11') })],
    ['the file was damaged', () => writeIndex({ sha256: sha256('other object') })],
    ['the file is gone', () => writeIndex({ file: 'portable-2.so' })],
    ['it holds a kernel that today’s families do not have', () => writeIndex({ kernels: [id, 'gone__any__portable__base'] })],
    ['the index is of another kind', () => writeFileSync(join(directory, 'index.json'), '{}')],
  ])('has nothing when %s', (_why, prepare) => {
    prepare();
    expect(openPrebuilt(compiler, directory).find(id, 'portable')).toBeNull();
  });

  it('has nothing for another kernel or instruction set', () => {
    writeIndex();
    const prebuilt = openPrebuilt(compiler, directory);
    expect(prebuilt.find(`${id}0`, 'portable')).toBeNull();
    expect(prebuilt.find(id, 'avx2')).toBeNull();
  });
});

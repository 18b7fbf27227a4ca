import { describe, expect, test } from 'vitest';

import { geometryOf, parseDescription } from '../../../runtime/device/cuda-kernel.js';
import { LibraryError } from '../../../runtime/errors.js';

const GOOD = {
  abi: 1,
  id: 'ff__sm80',
  isa: 'sm80',
  tensors: 3,
  ints: ['rows', 'hidden', 'k'],
  dynamic: ['k', 'rows'],
  floats: ['scale'],
  paramBytes: 72, // 3 + 2 + 2 pointers, 3 ints, 1 float
  phases: [
    { entry: 'ff__sm80__partial', grid: ['ceilDiv(k, 8)', 'rows', '1'], block: 256, shared: 'hidden * 4', cluster: 2 },
    { entry: 'ff__sm80__sum', grid: ['min(hidden, sms)', '1', '1'], block: 32, shared: '0' },
  ],
  workspace: 'rows * hidden * 4',
  counters: 'rows',
};
const parse = (change: Record<string, unknown> = {}): ReturnType<typeof parseDescription> =>
  parseDescription(JSON.stringify({ ...GOOD, ...change }), 'gk_ff__sm80', 'kernels.cubin');
const geometry = (ints: number[], change: Record<string, unknown> = {}): ReturnType<typeof geometryOf> => geometryOf(parse(change), ints, 132);

describe('descriptions', () => {
  test('dynamic ints come in the order of the ints', () => {
    expect(parse().dynamic).toEqual(['rows', 'k']);
    expect(parse().phases.map((phase) => phase.cluster)).toEqual([2, 1]);
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['another ABI', { abi: 2 }, 'gk_ff__sm80 has kernel ABI version 2, this build runs version 1'],
    ['no ABI', { abi: undefined }, 'has kernel ABI version undefined'],
    ['another id', { id: 'ff__sm90' }, 'describes itself as ff__sm90'],
    ['a dynamic int that is none of its ints', { dynamic: ['k', 'cols'] }, 'names a dynamic int that is not among its ints: k, cols'],
    ['a wrong parameter size', { paramBytes: 64 }, 'has 64 bytes of parameters, its arguments need 72'],
    ['no phases', { phases: [] }, 'has a malformed description'],
    ['an unknown field', { threads: 5 }, 'Unrecognized key'],
    ['a block that is no multiple of a warp', { phases: [{ ...GOOD.phases[0], block: 100 }] }, 'has a malformed description'],
    ['an expression of a name that is no int', { workspace: 'rows * cols' }, 'uses cols in `rows * cols`, known: rows, hidden, k, sms'],
    ['a malformed expression', { counters: 'rows *' }, 'launch expression `rows *`'],
    ['a float in an expression', { workspace: 'scale' }, 'uses scale'],
  ])('%s is refused', (_, change, message) => {
    expect(() => parse(change)).toThrow(LibraryError);
    expect(() => parse(change)).toThrow(message);
  });

  test.each(['', 'null', '[]', '{"abi":'])('%j is refused', (text) => {
    expect(() => parseDescription(text, 'gk_x', 'x.cubin')).toThrow(LibraryError);
    expect(() => parseDescription(text, 'gk_x', 'x.cubin')).toThrow('x.cubin: gk_x has');
  });
});

describe('geometry', () => {
  test('evaluates every size', () => {
    expect(geometry([3, 64, 100])).toEqual({
      units: [39, 64],
      launches: [
        { phase: 0, grid: [14, 3, 1], block: 256, sharedBytes: 256, cluster: 2 }, // 13 blocks, made whole clusters
        { phase: 1, grid: [64, 1, 1], block: 32, sharedBytes: 0, cluster: 1 },
      ],
      workspaceBytes: 768,
      counters: 3,
    });
    expect(geometry([1, 4096, 8]).launches[1]?.grid).toEqual([132, 1, 1]);
  });

  test('a grid with a zero is left out', () => {
    const { units, launches } = geometry([3, 64, 0]);
    expect(units).toEqual([0, 64]);
    expect(launches.map(({ phase }) => phase)).toEqual([1]);
  });

  test('but not the grid of the only phase', () => {
    const { units, launches } = geometry([3, 64, 0], { phases: [{ ...GOOD.phases[0], cluster: 1 }] });
    expect(units).toEqual([0]);
    expect(launches).toEqual([{ phase: 0, grid: [1, 3, 1], block: 256, sharedBytes: 256, cluster: 1 }]);
  });

  test.each<[string, number[], Record<string, unknown>, string]>([
    ['negative grids', [3, 64, -9], {}, 'ff__sm80: ff__sm80__partial: grid x `ceilDiv(k, 8)` is -1, must be 0 to 2147483647 (rows = 3, hidden = 64, k = -9)'],
    ['grids that are too tall', [65536, 64, 8], {}, 'grid y `rows` is 65536, must be 0 to 65535'],
    ['a negative workspace', [3, 64, 8], { workspace: 'rows - 4' }, 'workspace `rows - 4` is -1'],
    ['too much shared memory', [3, 300000, 8], {}, 'shared memory `hidden * 4` is 1200000'],
  ])('%s are refused', (_, ints, change, message) => {
    expect(() => geometry(ints, change)).toThrow(LibraryError);
    expect(() => geometry(ints, change)).toThrow(message);
  });
});

import { beforeAll, describe, expect, test } from 'vitest';
import { emulatorRunner } from '../../../support/emulate-kernel.js';
import { temporaryDirectories } from '../../../support/temp-dir.js';
import { asFloats, compileModule, faultOf, floats, runProgram, SCHEDULES, type Launch, type Program } from './fixture.js';

// What kernels compute on the emulated device, in both flavours and under every schedule, against TypeScript that knows only CUDA's definitions.

const directory = temporaryDirectories('emulator-results');
const modules = new Map<'checked' | 'fast', string>();
const transfers = new Map<'checked' | 'fast', string>();

beforeAll(() => {
  emulatorRunner();
  const folder = directory();
  for (const flavour of ['checked', 'fast'] as const) {
    modules.set(flavour, compileModule('results', flavour, folder));
    transfers.set(flavour, compileModule('transfers', flavour, folder));
  }
}, 240_000);

/** The output of a launch, which must be the same in both flavours and under all schedules. */
function output(launch: Launch, program: Omit<Program, 'launches'>, from = modules): Buffer {
  let first: Buffer | undefined;
  for (const flavour of ['fast', 'checked'] as const) {
    for (const schedule of SCHEDULES) {
      const outcome = runProgram(from.get(flavour)!, { ...program, launches: [launch] }, directory(), schedule);
      expect(faultOf(outcome), `${flavour}, ${schedule}`).toBe('');
      first ??= outcome.out;
      expect(outcome.out.equals(first), `${flavour}, ${schedule}: same bytes`).toBe(true);
    }
  }
  return first!;
}

/** Rows of 32-bit words, one word per thread. */
function rows(launch: Launch, count: number, input?: Uint8Array): number[][] {
  const bytes = output(launch, { outBytes: count * launch.block * 4, ...(input === undefined ? {} : { input }) });
  const words = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i));
  return Array.from({ length: count }, (_, r) => words.slice(r * launch.block, (r + 1) * launch.block));
}

const each = (n: number, f: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => f(i) >>> 0);
const floatBits = (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0]!;

describe('warps', () => {
  test('shuffles', () => {
    const x = (lane: number): number => lane * 3 + 1;
    const found = rows({ entry: 'shuffles', block: 32 }, 13);
    const expected = [
      each(32, () => x(7)), each(32, (l) => x((l * 5) % 32)), each(32, (l) => x((l & ~7) + 3)), each(32, (l) => x(l >= 3 ? l - 3 : l)),
      each(32, (l) => x(l % 8 >= 2 ? l - 2 : l)), each(32, (l) => x(l + 5 < 32 ? l + 5 : l)), each(32, (l) => x(l % 4 === 3 ? l : l + 1)), each(32, (l) => x(l ^ 9)),
      each(32, (l) => x(l ^ 3)), each(32, (l) => x(l ^ 1)), each(32, (l) => -x(l ^ 16)), each(32, (l) => floatBits(x(l < 16 ? l + 16 : l))), each(32, (l) => (l >= 16 ? x(17) : 0)),
    ];
    expected.forEach((row, i) => expect(found[i], `row ${i}`).toEqual(row));
  });

  test('votes, matches and integer reductions', () => {
    const found = rows({ entry: 'votes', block: 32 }, 10);
    const mask = (f: (lane: number) => boolean): number => each(32, (l) => (f(l) ? 1 : 0)).reduce((sum, bit, l) => (sum | (bit << l)) >>> 0, 0);
    const same = [mask((l) => l % 3 === 0), 1, 1, null, 496, -10, 961, 0xffffffff, 528];
    same.forEach((value, i) => value !== null && expect(found[i], `row ${i}`).toEqual(each(32, () => value)));
    expect(found[3]).toEqual(each(32, (l) => mask((other) => other % 5 === l % 5)));
    expect(found[9]).toEqual(each(32, (l) => (l < 8 ? 0xaa : 0xffffff00)));
  });

  test('float reductions have the bits of the shuffle tree', () => {
    const values = floats(64, (i) => Math.sin(i * 12.9898) * 10 ** ((i % 7) - 3));
    const [sum, tree, most, mostTree] = rows({ entry: 'warp_reductions', block: 64 }, 4, values);
    expect(sum).toEqual(tree);
    expect(most).toEqual(mostTree);
    const x = new Float32Array(values.buffer);
    const fold = (from: number): number => {
      let level = Array.from(x.slice(from, from + 32));
      while (level.length > 1) level = level.slice(0, level.length / 2).map((v, i) => Math.fround(v + level[i + level.length / 2]!));
      return level[0]!;
    };
    expect(sum![0]).toBe(floatBits(fold(0)));
    expect(sum![63]).toBe(floatBits(fold(32)));
    expect(most![40]).toBe(floatBits(Math.max(...x.slice(32))));
  });
});

test('barriers with predicates, 1024 threads', () => {
  const found = rows({ entry: 'barrier_reductions', block: 1024 }, 3);
  expect(found[0]).toEqual(each(1024, () => 342));
  expect(found[1]).toEqual(each(1024, () => 1));
  expect(found[2]).toEqual(each(1024, () => 1));
});

test('atomics', () => {
  // What each thread got is up to the schedule; all of it together is not.
  for (const flavour of ['fast', 'checked'] as const) {
    const out = runProgram(modules.get(flavour)!, { launches: [{ entry: 'atomics', block: 64 }], outBytes: 512 }, directory(), 'random');
    expect(faultOf(out)).toBe('');
    const words = Array.from({ length: 128 }, (_, i) => out.out.readUInt32LE(4 * i));
    expect(words.slice(0, 64).sort((a, b) => a - b)).toEqual(each(64, (i) => i));
    expect(words.slice(64, 77)).toEqual([64, 2 ** 32 - 64, 5, 63, 0xff000000, 0xffff, 0, 42, 2 ** 32 - 63, 53, 2 ** 32 - 64, 9, 64]);
  }
});

test('bit functions', () => {
  const x = each(32, (i) => (i === 0 ? 0 : i === 1 ? 0xffffffff : Math.imul(i, 0x9e3779b1) ^ (i << 20)));
  const found = rows({ entry: 'bits', block: 32 }, 10, new Uint8Array(Uint32Array.from(x).buffer));
  const binary = (v: number): string => v.toString(2).padStart(32, '0');
  const wide = (v: number): bigint => (BigInt(~v >>> 0) << 32n) | BigInt(v);
  const low = (v: bigint): number => Number(v & 0xffffffffn);
  const permute = (v: number, selector: number): number =>
    [0, 1, 2, 3].reduce((sum, i) => {
      const pick = (selector >> (4 * i)) & 15;
      const byte = Number((wide(v) >> BigInt(8 * (pick & 7))) & 255n);
      return (sum | ((pick & 8 ? (byte & 128 ? 255 : 0) : byte) << (8 * i))) >>> 0;
    }, 0);
  const ones = (v: number): number => binary(v).replaceAll('0', '').length;
  const expected = [
    x.map(ones), x.map((v) => Math.clz32(v)), x.map((v) => (v === 0 ? 0 : 32 - binary(v).lastIndexOf('1'))), x.map((v) => parseInt([...binary(v)].reverse().join(''), 2)),
    x.map((v, i) => low((wide(v) << BigInt(i)) >> 32n)), x.map((v, i) => low(wide(v) >> BigInt(i))), x.map((v) => permute(v, 0x7513)), x.map((v) => permute(v, 0xc4a0)),
    x.map((v) => 2 * ones(v)), x.map((v) => low((BigInt(v) * 0x9e3779b9n) >> 32n)),
  ];
  expected.forEach((row, i) => expect(found[i], `row ${i}`).toEqual(row));
});

describe('numbers', () => {
  const halfValue = (bits: number, exponentBits: number): number => {
    const mantissaBits = 15 - exponentBits;
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> mantissaBits) & (2 ** exponentBits - 1);
    const mantissa = bits & (2 ** mantissaBits - 1);
    const bias = 2 ** (exponentBits - 1) - 1;
    if (exponent === 2 ** exponentBits - 1) return mantissa === 0 ? sign * Infinity : NaN;
    return exponent === 0 ? sign * mantissa * 2 ** (1 - bias - mantissaBits) : sign * (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias);
  };

  test('all 65536 patterns of both 16-bit formats widen exactly and come back', () => {
    const bytes = runOnce({ entry: 'widen', grid: 256, block: 256 }, { outBytes: 4 * 65536 * 4 });
    const values = asFloats(bytes);
    for (const [format, exponentBits] of [[0, 8], [1, 5]] as const) {
      let wrong = 0;
      for (let i = 0; i < 65536; i++) {
        const expected = halfValue(i, exponentBits);
        const found = values[format * 65536 + i]!;
        if (!Object.is(found, expected)) wrong++;
        const pair = bytes.readUInt32LE((2 + format) * 65536 * 4 + 4 * i);
        const back = Number.isNaN(expected) ? 0x7fff : i;
        if ((pair & 0xffff) !== back || pair >>> 16 !== back) wrong++;
      }
      expect(wrong, format ? 'f16' : 'bf16').toBe(0);
    }
  });

  test('narrowing rounds to the nearest, ties to even (tf32: away from zero)', () => {
    const up = (x: number): number => new Float32Array(Uint32Array.of(floatBits(x) + 1).buffer)[0]!;
    const down = (x: number): number => new Float32Array(Uint32Array.of(floatBits(x) - 1).buffer)[0]!;
    const inputs: number[] = [];
    const expected: { row: 0 | 1; index: number; bits: number }[] = [];
    for (const [row, exponentBits, infinity] of [[0, 8, 0x7f80], [1, 5, 0x7c00]] as const) {
      for (let bits = 1; bits < infinity; bits += 1 + (bits % 3)) {
        const low = halfValue(bits, exponentBits);
        // Past the largest number, the tie is with what would come next.
        const high = bits + 1 === infinity ? (row === 0 ? 2 ** 128 : 65536) : halfValue(bits + 1, exponentBits);
        const middle = (low + high) / 2;
        if (Math.fround(middle) !== middle) continue;
        for (const [x, rounded] of [[down(middle), bits], [middle, bits + (bits & 1)], [up(middle), bits + 1]] as const) {
          expected.push({ row, index: inputs.length, bits: rounded });
          inputs.push(x);
        }
      }
    }
    const special = inputs.length;
    inputs.push(NaN, Infinity, 3.4e38, 0, 1 + 2 ** -11, -(1 + 2 ** -11), 1 + 2 ** -11 - 2 ** -23, 2 ** -25);
    const n = inputs.length;
    const bytes = runOnce({ entry: 'narrow', grid: Math.ceil(n / 256), block: 256 }, { outBytes: 12 * n, n, input: floats(n, (i) => inputs[i]!) });
    const word = (row: number, index: number): number => bytes.readUInt32LE(4 * (row * n + index));
    const pairOf = (bits: number): number => (bits | ((bits ^ 0x8000) << 16)) >>> 0;
    const wrong = expected.filter(({ row, index, bits }) => word(row, index) !== pairOf(bits));
    expect(wrong).toEqual([]);
    expect([0, 1, 2].map((row) => word(row, special))).toEqual([0x7fff7fff, 0x7fff7fff, 0x7fffffff]);
    expect([0, 1, 2].map((row) => word(row, special + 1))).toEqual([pairOf(0x7f80), pairOf(0x7c00), 0x7f800000]);
    expect([0, 1].map((row) => word(row, special + 2))).toEqual([pairOf(0x7f80), pairOf(0x7c00)]);
    expect([0, 1, 2].map((row) => word(row, special + 3))).toEqual([pairOf(0), pairOf(0), 0]);
    expect([4, 5, 6].map((i) => word(2, special + i))).toEqual([floatBits(1 + 2 ** -10), floatBits(-(1 + 2 ** -10)), floatBits(1)]);
    expect(word(1, special + 7), 'a tie with zero').toBe(pairOf(0));
  });
});

/** As output, for large results: one run per flavour. */
function runOnce(launch: Launch, program: Omit<Program, 'launches'>): Buffer {
  const [fast, checked] = (['fast', 'checked'] as const).map((flavour) => {
    const outcome = runProgram(modules.get(flavour)!, { ...program, launches: [launch] }, directory());
    expect(faultOf(outcome), flavour).toBe('');
    return outcome.out;
  });
  expect(checked!.equals(fast!)).toBe(true);
  return fast!;
}

describe('matrix instructions', () => {
  // Multiples of 1/64 up to 4 are exact in all three formats; c needs all of fp32.
  const number = (i: number): number => (((i * 7919) % 97) - 48) / 64;
  const input = (k: number): Uint8Array => floats(512, (i) => (i < 384 ? number(i) : Math.fround(Math.sin(i) * 3)) * (i < 16 * k || i >= 256 ? 1 : 0));
  const naive = (k: number): number[] => {
    const x = new Float32Array(input(k).buffer);
    return Array.from({ length: 128 }, (_, i) => {
      let sum = 0;
      for (let j = 0; j < k; j++) sum += x[Math.floor(i / 8) * k + j]! * x[256 + (i % 8) * k + j]!;
      return Math.fround(sum + x[384 + i]!);
    });
  };

  test.each(['product_bf16', 'product_f16'])('%s: fragments, loadMatrix and its transposed form', (entry) => {
    const found = Array.from(asFloats(output({ entry, block: 32 }, { outBytes: 3 * 512, input: input(16) })));
    for (let i = 0; i < 3; i++) expect(found.slice(i * 128, (i + 1) * 128), `way ${i}`).toEqual(naive(16));
  });
  test('product_tf32', () => {
    expect(Array.from(asFloats(output({ entry: 'product_tf32', block: 32 }, { outBytes: 512, input: input(8) })))).toEqual(naive(8));
  });
});

describe('transfers', () => {
  const values = Float32Array.from({ length: 640 }, (_, i) => ((i * 31) % 101) - 50);
  const input = new Uint8Array(values.buffer);

  test('cp.async in three stages', () => {
    const found = asFloats(output({ entry: 'pipeline', block: 32 }, { outBytes: 128, n: 640, input }, transfers));
    for (let t = 0; t < 32; t++) {
      let sum = 0;
      for (let tile = 0; tile < 5; tile++) for (let i = 0; i < 4; i++) sum += values[tile * 128 + (31 - t) * 4 + i]!;
      expect(found[t]).toBe(sum);
    }
  });
  test('cp.async fills with zeros', () => {
    const found = asFloats(output({ entry: 'zero_fill', block: 32 }, { outBytes: 128, input }, transfers));
    expect(Array.from(found)).toEqual(Array.from({ length: 32 }, (_, i) => (i < 20 ? values[i]! : 0)));
  });
  test('bulk copies and transaction barriers', () => {
    const found = asFloats(output({ entry: 'bulk_pipeline', block: 128 }, { outBytes: 384, n: 480, input: input.slice(0, 1920) }, transfers));
    for (let t = 0; t < 96; t++) {
      let sum = 0;
      for (let tile = 0; tile < 5; tile++) sum += values[tile * 96 + ((t + 50) % 96)]!;
      expect(found[t]).toBe(sum);
    }
  });
  test('clusters', () => {
    const found = asFloats(output({ entry: 'cluster_sum', grid: 8, block: 32, cluster: 4 }, { outBytes: 1024 }, transfers));
    expect(Array.from(found)).toEqual(Array.from({ length: 256 }, (_, i) => (i < 128 ? 10 : 26)));
  });
});

import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import type { ElementType, LoadOp } from '../../../runtime/device/types.js';
import { FileError } from '../../../runtime/errors.js';
import { testDevice, testLibrary } from './fixture.js';

const { folder } = testLibrary();
const devices = [testDevice(1), testDevice(2), testDevice(3)];
const [device] = devices as [(typeof devices)[number]];

/** Deterministic bytes that do not repeat with any power of two. */
function pattern(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Bits of the f32 with the value of an f16 or bf16, by arithmetic that shares nothing with the native code. */
function widenedBits(bits: number, type: ElementType): number {
  const view = new DataView(new ArrayBuffer(4));
  if (type === 'bf16') return (bits << 16) >>> 0;
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return (((bits & 0x8000) << 16) | 0x7f800000 | (mantissa << 13)) >>> 0;
  view.setFloat32(0, exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15));
  return view.getUint32(0);
}

/** The plain definition of a load operation, element by element. */
function expected(source: Uint8Array, op: Omit<LoadOp, 'source' | 'target'>, targetBytes: number, background: number): Uint8Array {
  const from = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const target = new Uint8Array(targetBytes).fill(background);
  const to = new DataView(target.buffer);
  const size = op.type === 'f32' ? 4 : 2;
  for (let r = 0; r < op.rows; r++) {
    for (let c = 0; c < op.cols; c++) {
      const at = op.sourceOffset + (r * op.cols + c) * size;
      const place = op.transpose ? c * op.targetStride + r : r * op.targetStride + c;
      if (op.type === 'f32') to.setUint32(op.targetOffset + 4 * place, from.getUint32(at, true), true);
      else if (op.toF32) to.setUint32(op.targetOffset + 4 * place, widenedBits(from.getUint16(at, true), op.type), true);
      else to.setUint16(op.targetOffset + 2 * place, from.getUint16(at, true), true);
    }
  }
  return target;
}

const types = ['f32', 'f16', 'bf16'] as const;
const shapes = [[1, 1], [1, 1000], [1000, 1], [3, 7], [64, 64], [65, 63], [130, 129], [5, 1025]] as const;

describe.each(types)('%s', (type) => {
  describe.each([false, true])('transpose %s', (transpose) => {
    test.each([false, true])('widening %s equals the definition for ragged shapes, offsets and strides', async (toF32) => {
      for (const [rows, cols] of shapes) {
        for (const [sourceOffset, lead, extra] of [[0, 0, 0], [7, 3, 5]] as const) {
          const element = type === 'f32' || toF32 ? 4 : 2;
          const [targetRows, targetCols] = transpose ? [cols, rows] : [rows, cols];
          const bytes = pattern(sourceOffset + rows * cols * (type === 'f32' ? 4 : 2), rows * 31 + cols);
          const shape = { sourceOffset, type, rows, cols, targetOffset: lead * element, targetStride: targetCols + extra, transpose, toF32 };
          const targetBytes = shape.targetOffset + ((targetRows - 1) * shape.targetStride + targetCols) * element;
          using source = device.mapFile(fileOf('weights', bytes));
          using target = device.allocate(targetBytes, { label: 'target', guarded: true });
          target.fill(0x5a);
          await device.load([{ source, target, ...shape }]);
          expect(Buffer.compare(target.read(), expected(bytes, shape, targetBytes, 0x5a))).toBe(0);
          expect(target.checkCanaries()).toEqual({ before: null, after: null });
        }
      }
    });
  });
});

test('every f16 widens exactly', async () => {
  const all = new Uint16Array(65536).map((_, i) => i);
  using source = device.mapFile(fileOf('all-halves', new Uint8Array(all.buffer)));
  using target = device.allocate(4 * 65536, { label: 'halves' });
  await device.load([{ source, sourceOffset: 0, type: 'f16', rows: 1, cols: 65536, target, targetOffset: 0, targetStride: 65536, toF32: true }]);
  const found = new Uint32Array(target.read().buffer);
  expect(found.findIndex((bits, i) => bits !== widenedBits(i, 'f16'))).toBe(-1);
});

test.each(devices.map((d) => [d.threads, d] as const))('pieces of large tensors come out whole on %d threads, with progress', async (_, each) => {
  const [rows, cols] = [1031, 3001]; // 6 MB: several pieces
  const bytes = pattern(rows * cols * 2);
  using source = each.mapFile(fileOf(`large-${each.threads}`, bytes));
  using straight = each.allocate(rows * cols * 2, { label: 'straight' });
  using strided = each.allocate(rows * (cols + 9) * 2, { label: 'strided' });
  using turned = each.allocate(rows * cols * 2, { label: 'turned' });
  const common = { source, sourceOffset: 0, type: 'bf16', rows, cols, targetOffset: 0 } as const;
  const done: number[] = [];
  const ops: LoadOp[] = [
    { ...common, target: straight, targetStride: cols },
    { ...common, target: strided, targetStride: cols + 9 },
    { ...common, target: turned, targetStride: rows, transpose: true },
  ];
  await each.load(ops, (total) => done.push(total));
  expect(Buffer.compare(straight.read(), bytes)).toBe(0);
  expect(Buffer.compare(strided.read(), expected(bytes, { ...common, targetStride: cols + 9 }, strided.byteLength, 0))).toBe(0);
  expect(Buffer.compare(turned.read(), expected(bytes, { ...common, targetStride: rows, transpose: true }, turned.byteLength, 0))).toBe(0);
  expect(done.at(-1)).toBe(3 * bytes.byteLength);
  expect(done).toEqual([...done].sort((a, b) => a - b));
});

test('no operations, and operations without elements, do nothing', async () => {
  using source = device.mapFile(fileOf('weights', pattern(8)));
  using target = device.allocate(0, { label: 'nothing' });
  await device.load([]);
  for (const [rows, cols] of [[0, 5], [5, 0]] as const) {
    await device.load([{ source, sourceOffset: 8, type: 'f32', rows, cols, target, targetOffset: 0, targetStride: 5 }]);
  }
});

describe('refusals', () => {
  const bytes = pattern(1000);
  const source = device.mapFile(fileOf('short', bytes));
  const target = device.allocate(800, { label: 'layers.0 W_in' });
  const good: LoadOp = { source, sourceOffset: 200, type: 'f32', rows: 10, cols: 20, target, targetOffset: 0, targetStride: 20 };
  const big = 2 ** 53 - 1;

  test.each<[string, Partial<LoadOp>]>([
    ['one byte past the end of the file', { sourceOffset: 201 }],
    ['an offset far past the end', { sourceOffset: big }],
    ['one element past the end of the buffer', { targetOffset: 4 }],
    ['a stride that ends past the buffer', { targetStride: 21 }],
    ['rows that overlap', { targetStride: 19 }],
    ['a transposed stride that is too short', { transpose: true, targetStride: 9 }],
    ['a product of sizes past 64 bits', { rows: 2 ** 32, cols: 2 ** 32, targetStride: 2 ** 32 }],
    ['a product of sizes that wraps to a small one', { rows: 2 ** 31, cols: 2 ** 31 + 0, targetStride: 2 ** 31 }],
    ['the largest numbers everywhere', { rows: big, cols: big, targetStride: big, sourceOffset: big, targetOffset: big - 3 }],
    ['an unaligned target', { rows: 1, targetOffset: 2 }],
    ['negative rows', { rows: -1 }],
    ['fractional columns', { cols: 1.5 }],
    ['NaN', { sourceOffset: Number.NaN }],
    ['an unknown type', { type: 'f64' as ElementType }],
    ['widening past the end of the buffer', { sourceOffset: 0, type: 'f16', toF32: true, rows: 11, cols: 20 }],
  ])('%s is refused before any byte moves', async (_, change) => {
    target.fill(1);
    await expect(device.load([good, { ...good, ...change }])).rejects.toThrow(RangeError);
    expect(target.read().every((byte) => byte === 1)).toBe(true);
  });

  test('the error names the operation, the tensor and both lengths', async () => {
    await expect(device.load([good, { ...good, sourceOffset: 204 }])).rejects.toThrow(
      /^load operation 1 \(layers\.0 W_in\) reads up to byte 1004 of .*short, which has 1000$/,
    );
    await expect(device.load([{ ...good, targetOffset: 4 }])).rejects.toThrow('load operation 0 (layers.0 W_in) writes up to byte 804 of a buffer of 800');
  });

  test('the operation itself is accepted', async () => {
    await device.load([good]);
    expect(Buffer.compare(target.read(), bytes.subarray(200))).toBe(0);
  });

  test('an error in the progress listener rejects the load, once it is over', async () => {
    await expect(
      device.load([good], () => {
        throw new Error('from the listener');
      }),
    ).rejects.toThrow('from the listener');
  });
});

test('a file that shrinks before the copy gives a FileError with its path', async () => {
  const path = fileOf('shrinking', pattern(1_000_000));
  using source = device.mapFile(path);
  using target = device.allocate(1_000_000, { label: 'target' });
  truncateSync(path, 5000);
  const op: LoadOp = { source, sourceOffset: 0, type: 'f16', rows: 1, cols: 500_000, target, targetOffset: 0, targetStride: 500_000 };
  await expect(device.load([op])).rejects.toThrow(FileError);
  await expect(device.load([op])).rejects.toThrow(`${path}: was 1000000 bytes when it was opened and is 5000 bytes now`);
});

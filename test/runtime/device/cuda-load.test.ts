import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { openCpuDevice } from '../../../runtime/device/cpu.js';
import type { CudaDevice } from '../../../runtime/device/cuda.js';
import type { CudaKernel } from '../../../runtime/device/cuda-kernel.js';
import { recordFill } from '../../../runtime/device/cuda-load.js';
import { awaitNative, callNative } from '../../../runtime/device/addon.js';
import { emulatedStatistics } from '../../../runtime/device/cuda-driver.js';
import type { Device, ElementType, LoadOp } from '../../../runtime/device/types.js';
import { FileError } from '../../../runtime/errors.js';
import { temporaryFolder } from '../native/fixture.js';
import { type CudaTestKernels, loadCudaTestKernels, openEmulated } from './cuda-fixture.js';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const path = join(folder.path, 'weights.bin');
const MIB = 2 ** 20;

/** Mixed bits, but no NaN and no infinity in any element type: exponents stay below all ones. */
writeFileSync(path, new Uint8Array(12 * MIB).map((_, i) => (i % 4 === 3 || i % 4 === 1 ? 0x30 + (i % 7) : Math.imul(i, 2654435761) >>> 24)));

/** The native device behind a device, as its kernels know it. */
const loadedOn = (device: CudaDevice) => (loadCudaTestKernels(device).axpy as CudaKernel).device;

type Shape = Omit<LoadOp, 'source' | 'target'> & { readonly bytes: number };

/** The buffer's bytes after one load on a device. */
async function loaded(device: Device, shape: Shape): Promise<Uint8Array> {
  using file = device.mapFile(path);
  const { bytes, ...op } = shape;
  using target = device.allocate(bytes, { label: 'target' });
  target.fill(0xee);
  await device.load([{ ...op, source: file, target }]);
  return target.read();
}

const SHAPES: readonly [string, Shape][] = [
  ['rows back to back', { type: 'bf16', rows: 33, cols: 65, sourceOffset: 4, targetOffset: 8, targetStride: 65, bytes: 5000 }],
  ['an odd source offset', { type: 'f16', rows: 5, cols: 7, sourceOffset: 3, targetOffset: 2, targetStride: 7, bytes: 100 }],
  ['rows with gaps', { type: 'f32', rows: 9, cols: 5, sourceOffset: 0, targetOffset: 4, targetStride: 11, bytes: 500 }],
  ['rows with gaps, past one slot', { type: 'bf16', rows: 3000, cols: 1500, sourceOffset: 10, targetOffset: 0, targetStride: 1600, bytes: 9_600_000 }],
  ['one row past one slot', { type: 'f16', rows: 1, cols: 5_000_001, sourceOffset: 2, targetOffset: 2, targetStride: 5_000_001, bytes: 10_000_004 }],
  ['widened bf16', { type: 'bf16', rows: 4, cols: 6, sourceOffset: 6, targetOffset: 4, targetStride: 8, toF32: true, bytes: 140 }],
  ['widened f16', { type: 'f16', rows: 2, cols: 3, sourceOffset: 6, targetOffset: 0, targetStride: 3, toF32: true, bytes: 24 }],
  ['turned rows', { type: 'bf16', rows: 70, cols: 33, sourceOffset: 2, targetOffset: 4, targetStride: 72, transpose: true, bytes: 4 + 33 * 72 * 2 }],
  ['turned f32', { type: 'f32', rows: 7, cols: 5, sourceOffset: 1, targetOffset: 4, targetStride: 7, transpose: true, bytes: 200 }],
  ['turned and widened', { type: 'f16', rows: 7, cols: 5, sourceOffset: 1, targetOffset: 4, targetStride: 9, transpose: true, toF32: true, bytes: 200 }],
  ['turned past one slot', { type: 'f16', rows: 2500, cols: 1800, sourceOffset: 0, targetOffset: 0, targetStride: 2500, transpose: true, bytes: 9_000_000 }],
  ['nothing', { type: 'f32', rows: 0, cols: 5, sourceOffset: 0, targetOffset: 0, targetStride: 5, bytes: 16 }],
];

describe('load operations give the bytes that the CPU gives', () => {
  let device: CudaDevice;
  const cpu = openCpuDevice({ threads: 1 });
  beforeAll(() => (device = openEmulated('fast')) && undefined);
  afterAll(() => Promise.all([device.dispose(), cpu.dispose()]));

  test.each(SHAPES)('%s', async (_, shape) => {
    expect(Buffer.compare(await loaded(device, shape), await loaded(cpu, shape))).toBe(0);
  });

  test('turned on the device, where it has the kernel', async () => {
    const { transpose } = loadCudaTestKernels(device);
    const asked: string[] = [];
    device.useUtilities((family, params) => {
      asked.push(`${family} ${params['dtype']}`);
      return family === 'transpose' && params['dtype'] !== 'f32' ? transpose : undefined;
    });
    for (const [, shape] of SHAPES) {
      if (shape.transpose !== true || shape.rows > 100) continue;
      const before = emulatedStatistics().launches;
      expect(Buffer.compare(await loaded(device, shape), await loaded(cpu, shape))).toBe(0);
      expect(emulatedStatistics().launches - before).toBe(shape.toF32 !== true && shape.type !== 'f32' ? 1 : 0);
    }
    expect(new Set(asked)).toEqual(new Set(['transpose bf16', 'transpose f32']));
  });

  test('progress counts source bytes up to all of them', async () => {
    using file = device.mapFile(path);
    using target = device.allocate(12 * MIB, { label: 'target' });
    const seen: number[] = [];
    const op = (rows: number): LoadOp => ({ source: file, sourceOffset: 0, type: 'f16', rows, cols: 1024, target, targetOffset: 0, targetStride: 1024 });
    await device.load([op(4096), op(4096), op(100)], (bytes) => seen.push(bytes));
    expect(seen.at(-1)).toBe(2048 * (4096 + 4096 + 100));
    expect([...seen].sort((a, b) => a - b)).toEqual(seen);
    expect(seen.length).toBeGreaterThan(1);
  });

  test('an error in the listener fails the load', async () => {
    using file = device.mapFile(path);
    using target = device.allocate(64, { label: 'target' });
    const op: LoadOp = { source: file, sourceOffset: 0, type: 'f32', rows: 1, cols: 4, target, targetOffset: 0, targetStride: 4 };
    await expect(
      device.load([op], () => {
        throw new TypeError('mine');
      }),
    ).rejects.toThrow('mine');
  });

  test.each<[string, Partial<LoadOp>, string]>([
    ['past the end of the file', { sourceOffset: 12 * MIB - 8 }, 'reads up to byte'],
    ['past the end of the buffer', { targetOffset: 56 }, 'writes up to byte 72 of a buffer of 64'],
    ['into rows that overlap', { targetStride: 3 }, 'targetStride 3 is less than the row of 4 elements'],
    ['to an offset between elements', { targetOffset: 2 }, 'is not a multiple of 4'],
  ])('%s is refused before anything moves', async (_, change, message) => {
    using file = device.mapFile(path);
    using target = device.allocate(64, { label: 'target' });
    const op: LoadOp = { source: file, sourceOffset: 0, type: 'f32', rows: 1, cols: 4, target, targetOffset: 0, targetStride: 4 };
    await expect(device.load([op, { ...op, ...change }])).rejects.toThrow(`load operation 1 (target)`);
    await expect(device.load([op, { ...op, ...change }])).rejects.toThrow(message);
    expect(target.read().every((byte) => byte === 0)).toBe(true);
  });

  test('a file that was cut short gives a FileError, and the device goes on', async () => {
    const short = join(folder.path, 'short.bin');
    writeFileSync(short, new Uint8Array(100_000));
    using file = device.mapFile(short);
    using target = device.allocate(100_000, { label: 'target' });
    writeFileSync(short, new Uint8Array(10));
    await expect(
      device.load([{ source: file, sourceOffset: 0, type: 'f32', rows: 1, cols: 25_000, target, targetOffset: 0, targetStride: 25_000 }]),
    ).rejects.toThrow(FileError);
    target.write(new Uint8Array([1]));
    expect(target.read(0, 1)[0]).toBe(1);
  });
});

describe('random contents', () => {
  let device: CudaDevice;
  let kernels: CudaTestKernels;
  const cpu = openCpuDevice({ threads: 1 });
  beforeAll(() => {
    device = openEmulated('fast');
    kernels = loadCudaTestKernels(device);
  });
  afterAll(() => Promise.all([device.dispose(), cpu.dispose()]));

  async function filled(on: Device, bytes: number, type: ElementType, seed: number): Promise<Uint8Array> {
    using buffer = on.allocate(bytes, { label: 'weights' });
    await on.fillRandom(buffer, type, seed, 0.125);
    return buffer.read();
  }

  test.each<[number, ElementType, number]>([
    [0, 'f32', 1],
    [64, 'f32', 0],
    [1002, 'bf16', 7],
    [999, 'f16', 2 ** 53 - 1],
    [9 * MIB + 12, 'bf16', 42],
  ])('%d bytes of %s from seed %d equal those of the CPU', async (bytes, type, seed) => {
    expect(Buffer.compare(await filled(device, bytes, type, seed), await filled(cpu, bytes, type, seed))).toBe(0);
  });

  test('made on the device, where it has the kernel', async () => {
    device.useUtilities((family, params) => (family === 'fill_random' && params['dtype'] === 'f32' ? kernels.fill_random : undefined));
    for (const [bytes, seed] of [
      [256, 3],
      [2 * MIB + 400, 2 ** 40 + 5],
    ] as const) {
      const before = emulatedStatistics().launches;
      expect(Buffer.compare(await filled(device, bytes, 'f32', seed), await filled(cpu, bytes, 'f32', seed))).toBe(0);
      expect(emulatedStatistics().launches - before).toBe(1);
    }
    // An element that is not whole is made on the host.
    expect(Buffer.compare(await filled(device, 258, 'f32', 3), await filled(cpu, 258, 'f32', 3))).toBe(0);
  });

  test('a buffer of more elements than one launch takes is filled by several', async () => {
    using buffer = device.allocate(2 * MIB + 400, { label: 'weights' });
    // What the device itself does, with launches of 100,000 elements instead of 2^30.
    const native = loadedOn(device);
    const plan = recordFill({ native, name: 'test', multiprocessors: 4, eager: true }, buffer, 'f32', 77, 0.125, kernels.fill_random, 100_000);
    await awaitNative((addon) => addon.gpuRunPlan(native(), plan, 1, null));
    callNative((addon) => addon.release(plan));
    expect(Buffer.compare(buffer.read(), await filled(cpu, 2 * MIB + 400, 'f32', 77))).toBe(0);
  });

  test('arguments are checked', async () => {
    using buffer = device.allocate(64, { label: 'b' });
    await expect(device.fillRandom(buffer, 'f64' as ElementType, 1, 1)).rejects.toThrow(RangeError);
    await expect(device.fillRandom(buffer, 'f32', -1, 1)).rejects.toThrow(RangeError);
    await expect(device.fillRandom(buffer, 'f32', 1, Number.NaN)).rejects.toThrow(RangeError);
  });
});

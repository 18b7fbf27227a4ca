import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { CudaDevice } from '../../../runtime/device/cuda.js';
import { openCpuDevice } from '../../../runtime/device/cpu.js';
import { DeviceError } from '../../../runtime/errors.js';
import { gpuBufferOf, gpuInts, loadCudaTestKernels, openEmulated, planOf } from './cuda-fixture.js';

const MIB = 2 ** 20;

describe.each(['fast', 'checked'])('emulated:%s', (detail) => {
  let device: CudaDevice;
  beforeAll(() => (device = openEmulated(detail)) && undefined);
  afterAll(() => device.dispose());

  test('a new buffer is zero, also where an old one was', () => {
    for (const bytes of [0, 1, 3, 255, 4096, 70_000]) {
      {
        using old = device.allocate(bytes, { label: 'old' });
        old.fill(0xab);
      }
      using buffer = device.allocate(bytes, { label: 'new' });
      expect(buffer.byteLength).toBe(bytes);
      expect(buffer.read().every((byte) => byte === 0)).toBe(true);
    }
  });

  test('what is written is read back, at any offset and length', () => {
    using buffer = device.allocate(1000, { label: 'b' });
    buffer.write(new Uint8Array([1, 2, 3]), 7);
    buffer.write(new Uint8Array(0));
    buffer.write(new Uint16Array([0x0504]), 10);
    expect([...buffer.read(6, 7)]).toEqual([0, 1, 2, 3, 4, 5, 0]);
    expect(buffer.read(1000)).toHaveLength(0);
    buffer.fill(9);
    expect(buffer.read().every((byte) => byte === 9)).toBe(true);
  });

  test('writes and reads larger than the staging memory', () => {
    const values = new Uint32Array((21 * MIB) / 4 + 3).map((_, i) => Math.imul(i, 2654435761));
    using buffer = device.allocate(values.byteLength, { label: 'large' });
    buffer.write(values);
    const back = new Uint32Array(buffer.read().buffer);
    expect(back.length).toBe(values.length);
    expect(back.findIndex((value, i) => value !== values[i])).toBe(-1);
  });

  test('a write is taken at the call', () => {
    using buffer = device.allocate(4, { label: 'b' });
    const values = new Uint8Array([1, 2, 3, 4]);
    buffer.write(values);
    values.fill(0);
    expect([...buffer.read()]).toEqual([1, 2, 3, 4]);
  });

  test('hundreds of small writes, more than there are slots, arrive in order', () => {
    using buffer = device.allocate(4, { label: 'b' });
    using list = device.allocate(4 * 300, { label: 'list' });
    for (let i = 0; i < 300; i++) {
      buffer.write(new Int32Array([i]));
      list.write(new Int32Array([i]), 4 * i);
    }
    expect(gpuInts(buffer)).toEqual([299]);
    expect(gpuInts(list)).toEqual(Array.from({ length: 300 }, (_, i) => i));
  });

  test('host copies take their place between queued runs', async () => {
    const { append } = loadCudaTestKernels(device);
    using log = device.allocate(4 * 40, { label: 'log' });
    using plan = planOf(device, [append, { buffers: [log], ints: [7, 0], floats: [] }]);
    const runs = [plan.run(5)];
    log.write(new Int32Array([0]));
    runs.push(plan.run(2));
    expect(gpuInts(log).slice(0, 7)).toEqual([2, 7, 7, 7, 7, 7, 0]);
    runs.push(plan.run(1));
    log.fill(0);
    runs.push(plan.run(1));
    await Promise.all(runs);
    expect(gpuInts(log).slice(0, 3)).toEqual([1, 7, 0]);
  });

  test('a view is a window onto the same memory and keeps it alive', () => {
    const before = device.allocatedBytes();
    const buffer = device.allocate(64, { label: 'parent' });
    const outer = buffer.view(16, 32);
    const view = outer.view(4, 8);
    outer.dispose();
    view.write(new Uint8Array([5, 6]), 3);
    expect([...buffer.read(22, 4)]).toEqual([0, 5, 6, 0]);
    buffer.dispose();
    buffer.dispose();
    expect(device.allocatedBytes()).toBe(before + 64);
    expect([...view.read(3, 2)]).toEqual([5, 6]);
    view.fill(1);
    expect([...view.read()]).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    expect(() => buffer.read()).toThrow('parent: this buffer is disposed');
    view.dispose();
    expect(device.allocatedBytes()).toBe(before);
  });

  test('everything outside is refused', () => {
    using buffer = device.allocate(64, { label: 'b' });
    expect(() => buffer.view(60, 8)).toThrow(RangeError);
    expect(() => buffer.view(2, 4)).toThrow('byteOffset must be a multiple of 4');
    expect(() => buffer.write(new Uint8Array(65))).toThrow('65 bytes at byte 0 are outside its 64 bytes');
    expect(() => buffer.read(1, 64)).toThrow(RangeError);
    expect(() => buffer.fill(256)).toThrow(RangeError);
    expect(() => device.allocate(-1, { label: 'negative' })).toThrow('negative: byteLength');
  });

  test('an undamaged guarded buffer says so', () => {
    using buffer = device.allocate(100, { label: 'b', guarded: true });
    buffer.fill(3);
    expect(buffer.checkCanaries()).toEqual({ before: null, after: null });
    expect(buffer.read().every((byte) => byte === 3)).toBe(true);
  });

  test('more memory than there is: needed, free and remedies are named, and what was there stays usable', () => {
    using kept = gpuBufferOf(device, new Int32Array([1, 2, 3]));
    const ask = (): unknown => device.allocate(2 ** 40, { label: 'layers.7 W_in' });
    expect(ask).toThrow(DeviceError);
    expect(ask).toThrow(/layers\.7 W_in: needs 1099511627776 bytes of device memory, free are \d+ of 8589934592 on emulated:/);
    expect(ask).toThrow(/\n {2}try: a smaller --context or --prefill-chunk, --strategy gather instead of compact, or a smaller model/);
    expect(gpuInts(kept)).toEqual([1, 2, 3]);
  });
});

describe('canaries', () => {
  test('of a device that does not check accesses name the damaged byte, relative to the view', async () => {
    await using device = openEmulated('fast');
    const { stray } = loadCudaTestKernels(device);
    const damage = async (offset: number): Promise<unknown> => {
      using buffer = device.allocate(100, { label: 'b', guarded: true });
      using plan = planOf(device, [stray, { buffers: [buffer], ints: [offset], floats: [] }]);
      await plan.run();
      using view = buffer.view(8, 4);
      return [buffer.checkCanaries(), view.checkCanaries()];
    };
    expect(await damage(99)).toEqual([{ before: null, after: null }, { before: null, after: null }]);
    expect(await damage(100)).toEqual([{ before: null, after: 100 }, { before: null, after: 92 }]);
    expect(await damage(-3)).toEqual([{ before: -3, after: null }, { before: -11, after: null }]);
  });

  test('are not needed where every access is checked: the run fails', async () => {
    await using device = openEmulated('checked');
    const { stray } = loadCudaTestKernels(device);
    using buffer = device.allocate(100, { label: 'b', guarded: true });
    using plan = planOf(device, [stray, { buffers: [buffer], ints: [100], floats: [], label: 'layers.2 down' }]);
    await expect(plan.run()).rejects.toThrow(DeviceError);
    await expect(plan.run()).rejects.toThrow(/the device emulated:checked is lost.*CUDA_ERROR_ILLEGAL_ADDRESS.*gk_stray__main/s);
  });
});

describe('memory of a device that does not check accesses', () => {
  test('is kept in blocks, split, joined, and given back before it runs out', async () => {
    await using device = openEmulated('fast', { emulatedMemoryBytes: 64 * MIB });
    const large = device.allocate(40 * MIB, { label: 'large' });
    expect(device.reservedBytes()).toBe(40 * MIB);
    expect(large.read(0, 1)[0]).toBe(0); // the zeros are written: nothing queued needs it any more
    large.dispose();
    expect(device.allocatedBytes()).toBe(0);
    // Kept, and split for two; the third needs the rest of it too.
    const two = [15 * MIB, 20 * MIB].map((bytes) => device.allocate(bytes, { label: 'part' }));
    expect(device.reservedBytes()).toBe(40 * MIB);
    two.map((buffer, i) => buffer.write(new Uint8Array([i + 1])));
    expect(two.map((buffer) => buffer.read(0, 1)[0])).toEqual([1, 2]);
    for (const buffer of two) buffer.dispose();
    using whole = device.allocate(40 * MIB, { label: 'whole again' });
    expect(device.reservedBytes()).toBe(40 * MIB);
    expect(whole.read(0, 16 * MIB).every((byte) => byte === 0)).toBe(true);
    whole.dispose();
    // 60 MiB fit only when the kept 40 are given back.
    using most = device.allocate(60 * MIB, { label: 'most' });
    expect(device.reservedBytes()).toBe(60 * MIB);
    expect(most.byteLength).toBe(60 * MIB);
  });

  test('small buffers share blocks, 256 bytes apart', async () => {
    await using device = openEmulated('fast');
    const buffers = Array.from({ length: 50 }, (_, i) => device.allocate(4, { label: `small ${i}` }));
    expect(device.reservedBytes()).toBe(4 * MIB);
    buffers.forEach((buffer, i) => buffer.write(new Int32Array([i])));
    expect(buffers.map((buffer) => gpuInts(buffer)[0])).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(device.allocatedBytes()).toBe(200);
  });
});

test('a buffer of another device is refused', async () => {
  await using device = openEmulated('fast');
  await using cpu = openCpuDevice({ threads: 1 });
  using buffer = cpu.allocate(64, { label: 'b' });
  await expect(device.fillRandom(buffer, 'f32', 1, 1)).rejects.toThrow('the buffer to fill is not a buffer of the device emulated:fast');
  using own = device.allocate(64, { label: 'own' });
  await expect(cpu.fillRandom(own, 'f32', 1, 1)).rejects.toThrow('is not a buffer of the cpu device');
});

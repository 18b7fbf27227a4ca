import { describe, expect, test } from 'vitest';

import type { DeviceBuffer } from '../../../runtime/device/types.js';
import { DeviceError } from '../../../runtime/errors.js';
import { bufferOf, intsOf, loadTestKernels, testDevice, testLibrary } from './fixture.js';

const device = testDevice(1);
const { spill } = loadTestKernels(device, testLibrary().path);

describe('contents', () => {
  test.each([0, 1, 63, 64, 4095, 4096, 2 * 1024 * 1024, 2 * 1024 * 1024 + 5])('%d bytes start as zeros', (bytes) => {
    const before = device.allocatedBytes();
    const buffer = device.allocate(bytes, { label: 'zeros' });
    expect(device.allocatedBytes()).toBe(before + bytes);
    expect(buffer.byteLength).toBe(bytes);
    expect(buffer.read().every((byte) => byte === 0)).toBe(true);
    buffer.dispose();
    expect(device.allocatedBytes()).toBe(before);
  });

  test('write and read round-trip, at offsets and from any view', () => {
    const buffer = device.allocate(16, { label: 'small' });
    buffer.write(new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4), 5);
    buffer.write(new Uint16Array([0x0504]), 8);
    expect([...buffer.read()]).toEqual([0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0]);
    expect([...buffer.read(5, 3)]).toEqual([1, 2, 3]);
    expect([...buffer.read(14)]).toEqual([0, 0]);
    buffer.fill(0xab);
    expect(buffer.read().every((byte) => byte === 0xab)).toBe(true);
  });

  test('a read is a copy', () => {
    const buffer = bufferOf(device, new Int32Array([1, 2]));
    intsOf(buffer).fill(7);
    expect([...intsOf(buffer)]).toEqual([1, 2]);
  });
});

describe('bounds', () => {
  const buffer = device.allocate(100, { label: 'layers.3 W_in' });
  test.each([
    ['write past the end', () => buffer.write(new Uint8Array(101))],
    ['write at an offset past the end', () => buffer.write(new Uint8Array(1), 100)],
    ['write at a negative offset', () => buffer.write(new Uint8Array(1), -1)],
    ['read past the end', () => buffer.read(99, 2)],
    ['read at an offset past the end', () => buffer.read(101)],
    ['read of a fraction', () => buffer.read(0, 1.5)],
    ['read of NaN', () => buffer.read(Number.NaN, 1)],
    ['read whose end overflows', () => buffer.read(2 ** 53 - 1, 2 ** 53 - 1)],
    ['fill with something else than a byte', () => buffer.fill(256)],
    ['view outside', () => buffer.view(0, 101)],
    ['view at an unaligned offset', () => buffer.view(2, 4)],
    ['view of a view outside the view', () => buffer.view(0, 8).view(4, 8)],
  ])('%s is refused, naming the buffer', (_, action) => {
    expect(action).toThrow(RangeError);
    expect(action).toThrow('layers.3 W_in');
  });

  test('sizes that are no sizes are refused', () => {
    for (const bytes of [-1, 1.5, Number.NaN, 2 ** 53]) expect(() => device.allocate(bytes, { label: 'odd' })).toThrow(RangeError);
  });

  test('more memory than there is gives a DeviceError with both sizes', () => {
    for (const bytes of [2 ** 45, 2 ** 52]) {
      expect(() => device.allocate(bytes, { label: 'kv cache' })).toThrow(DeviceError);
      expect(() => device.allocate(bytes, { label: 'kv cache' })).toThrow(new RegExp(`^kv cache: needs ${bytes} bytes of memory, available \\d+ bytes`));
    }
  });

  test('buffers that each fit but together do not are refused before memory runs out', () => {
    const total = device.identity.memoryBytes;
    const held: DeviceBuffer[] = [];
    try {
      expect(() => {
        for (let i = 0; i < 8; i++) held.push(device.allocate(Math.floor(total / 5), { label: 'big' }));
      }).toThrow(DeviceError);
    } finally {
      for (const buffer of held) buffer.dispose();
    }
  });
});

describe('views', () => {
  test('share the memory of their parent and keep it alive', () => {
    const before = device.allocatedBytes();
    const parent = bufferOf(device, new Int32Array([1, 2, 3, 4]));
    const view = parent.view(4, 8);
    view.write(new Int32Array([20]));
    expect([...intsOf(parent)]).toEqual([1, 20, 3, 4]);
    const inner = view.view(4, 4);
    parent.dispose();
    view.dispose();
    expect(device.allocatedBytes()).toBe(before + 16);
    expect([...intsOf(inner)]).toEqual([3]);
    inner.dispose();
    expect(device.allocatedBytes()).toBe(before);
  });

  test('an odd length is allowed, as long as the start is aligned', () => {
    expect(device.allocate(10, { label: 'bf16 row' }).view(4, 6).byteLength).toBe(6);
  });
});

describe('disposal', () => {
  test('a disposed buffer refuses use and may be disposed again', () => {
    const buffer = device.allocate(8, { label: 'gone' });
    buffer.dispose();
    buffer.dispose();
    expect(() => buffer.read()).toThrow(DeviceError);
    expect(() => buffer.write(new Uint8Array(1))).toThrow('gone: this buffer is disposed');
    expect(() => buffer.view(0, 4)).toThrow(DeviceError);
    expect(() => buffer.fill(0)).toThrow(DeviceError);
  });

  test('`using` disposes', () => {
    const before = device.allocatedBytes();
    {
      using buffer = device.allocate(8, { label: 'scoped' });
      buffer.fill(1);
    }
    expect(device.allocatedBytes()).toBe(before);
  });
});

describe('canaries', () => {
  async function spillAt(bytes: number, offset: number): Promise<{ before: number | null; after: number | null }> {
    const buffer = device.allocate(bytes, { label: 'guarded', guarded: true });
    const recorder = device.record('spill');
    recorder.step(spill, { buffers: [buffer], ints: [offset], floats: [] });
    await recorder.finish().run();
    return buffer.checkCanaries();
  }

  test('are intact after use of the whole buffer', () => {
    for (const bytes of [0, 1, 100, 3 << 20]) {
      const buffer = device.allocate(bytes, { label: 'guarded', guarded: true });
      buffer.fill(0xff);
      expect(buffer.checkCanaries()).toEqual({ before: null, after: null });
    }
  });

  test.each([1, 63, 100, 3 << 20])('show where a write outside %d bytes landed', async (bytes) => {
    expect(await spillAt(bytes, -1)).toEqual({ before: -1, after: null });
    expect(await spillAt(bytes, -256)).toEqual({ before: -256, after: null });
    expect(await spillAt(bytes, bytes)).toEqual({ before: null, after: bytes });
    expect(await spillAt(bytes, bytes + 255)).toEqual({ before: null, after: bytes + 255 });
    expect(await spillAt(bytes, bytes - 1)).toEqual({ before: null, after: null });
  });

  test('an unguarded buffer has none', () => {
    expect(device.allocate(8, { label: 'plain' }).checkCanaries()).toEqual({ before: null, after: null });
  });
});

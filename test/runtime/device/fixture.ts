import { afterAll } from 'vitest';

import { type CpuDevice, openCpuDevice } from '../../../runtime/device/cpu.js';
import type { DeviceBuffer, Kernel } from '../../../runtime/device/types.js';
import { buildTestKernels, temporaryFolder, TEST_KERNELS } from '../native/fixture.js';

export type TestKernels = Readonly<Record<(typeof TEST_KERNELS)[number], Kernel>>;

/** A temporary folder and the compiled test kernels for one test file; deleted after it. */
export function testLibrary(): { readonly folder: string; readonly path: string } {
  const folder = temporaryFolder();
  afterAll(() => folder.remove());
  return { folder: folder.path, path: buildTestKernels(folder.path) };
}

/** Loads all test kernels on a device. */
export function loadTestKernels(device: CpuDevice, path: string): TestKernels {
  const kernels = device.loadKernels(path, TEST_KERNELS.map((name) => `gk_${name}`));
  return Object.fromEntries(kernels.map((kernel) => [kernel.id, kernel])) as unknown as TestKernels;
}

/** A device that is disposed after the file's tests. */
export function testDevice(threads: number): CpuDevice {
  const device = openCpuDevice({ threads });
  afterAll(() => device.dispose());
  return device;
}

/** A buffer with these 32-bit contents. */
export function bufferOf(device: CpuDevice, values: Int32Array | Float32Array, label = 'values'): DeviceBuffer {
  const buffer = device.allocate(values.byteLength, { label });
  buffer.write(values);
  return buffer;
}

export function intsOf(buffer: DeviceBuffer): Int32Array {
  return new Int32Array(buffer.read().buffer);
}

export function floatsOf(buffer: DeviceBuffer): Float32Array {
  return new Float32Array(buffer.read().buffer);
}

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { afterAll } from 'vitest';

import { type CudaDevice, type CudaDeviceOptions, openCudaDevice } from '../../../runtime/device/cuda.js';
import { parseEmulatedSpec } from '../../../runtime/device/cuda-spec.js';
import type { DeviceBuffer, Kernel, Plan, StepArgs } from '../../../runtime/device/types.js';
import { packageRoot } from '../../../runtime/paths.js';

export const CUDA_TEST_KERNELS = ['axpy', 'append', 'total', 'count_total', 'wide', 'stray', 'transpose', 'fill_random'] as const;
export type CudaTestKernels = Readonly<Record<(typeof CUDA_TEST_KERNELS)[number], Kernel>>;

/** The compiled kernels of cuda-test-kernels.cu for the emulated device; compiled once per contents of what goes into them. */
export function cudaTestKernels(flavour: 'checked' | 'fast', capability: 80 | 90 = 90): string {
  const root = packageRoot();
  const source = join(root, 'test', 'runtime', 'device', 'cuda-test-kernels.cu');
  const include = join(root, 'runtime', 'emulator', 'include');
  const headers = ['emulation.h', 'emulation_abi.h', 'emulation_bind.h', 'emulation_checked.h', 'emulation_cuda.h', 'emulation_gk.h'];
  const hash = createHash('sha256').update(`${flavour} ${capability}`);
  for (const file of [source, join(root, 'templates', 'cuda', 'device.cuh'), ...headers.map((name) => join(include, name))]) hash.update(readFileSync(file));
  const folder = join(root, 'build', 'test-kernels');
  const output = join(folder, `cuda-${hash.digest('hex').slice(0, 16)}.so`);
  if (existsSync(output)) return output;
  mkdirSync(folder, { recursive: true });
  const compiler = process.env['CXX'] ?? 'c++';
  const object = `${output}.${process.pid}.o`;
  const flags = ['-std=c++17', '-O2', '-x', 'c++', '-DGK_EMULATED', `-DGK_EMULATED_CAPABILITY=${capability}`, '-fvisibility=hidden', '-fPIC'];
  if (flavour === 'checked') flags.push('-fsanitize=thread,alignment');
  execFileSync(compiler, [...flags, '-I', join(root, 'templates', 'cuda'), '-I', include, '-c', '-o', object, source], { stdio: 'pipe' });
  execFileSync(compiler, ['-shared', '-o', `${object}.so`, object], { stdio: 'pipe' });
  renameSync(`${object}.so`, output);
  return output;
}

/** Opens `emulated`, or `emulated:<detail>`. The caller disposes it: only one emulated device is open at a time. */
export function openEmulated(detail?: string, options: CudaDeviceOptions = {}): CudaDevice {
  return openCudaDevice(parseEmulatedSpec(detail), options);
}

/** The same, disposed after the file's or the group's tests. */
export function emulatedForTests(detail?: string): CudaDevice {
  const device = openEmulated(detail);
  afterAll(() => device.dispose());
  return device;
}

/** The test kernels that a device can load. */
export function cudaTestKernelsFor(device: CudaDevice): string {
  const { gpu } = device.identity;
  return cudaTestKernels(gpu?.checked === true ? 'checked' : 'fast', (gpu?.capability ?? 0) >= 90 ? 90 : 80);
}

/** Loads the test kernels that every capability runs. */
export function loadCudaTestKernels(device: CudaDevice): CudaTestKernels {
  const kernels = device.loadKernels(cudaTestKernelsFor(device), CUDA_TEST_KERNELS.map((name) => `gk_${name}`));
  return Object.fromEntries(kernels.map((kernel) => [kernel.id, kernel])) as unknown as CudaTestKernels;
}

export function planOf(device: CudaDevice, ...steps: [kernel: Kernel, args: StepArgs][]): Plan {
  const recorder = device.record('test plan');
  for (const [kernel, args] of steps) recorder.step(kernel, args);
  return recorder.finish();
}

/** A buffer with these contents. */
export function gpuBufferOf(device: CudaDevice, values: Int32Array | Float32Array | Uint16Array, label = 'values'): DeviceBuffer {
  const buffer = device.allocate(values.byteLength, { label });
  buffer.write(values);
  return buffer;
}

export const gpuInts = (buffer: DeviceBuffer): number[] => [...new Int32Array(buffer.read().buffer)];
export const gpuFloats = (buffer: DeviceBuffer): number[] => [...new Float32Array(buffer.read().buffer)];

import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';

import { encodeTensor } from '../../../generator/families/common.js';
import { linearGemm } from '../../../generator/families/linear_gemm.js';
import { splitBf16 } from '../../../generator/families/split_bf16.js';
import { kernelId, symbolOf } from '../../../generator/ids.js';
import { renderKernel } from '../../../generator/render.js';
import { defaultVariant } from '../../../generator/space.js';
import type { CudaDevice } from '../../../runtime/device/cuda.js';
import { emulatedLibrary } from '../../../runtime/device/cuda-driver.js';
import type { DeviceBuffer, VendorKernel } from '../../../runtime/device/types.js';
import { DeviceError, LibraryError } from '../../../runtime/errors.js';
import { packageRoot } from '../../../runtime/paths.js';
import { createCaseStore } from '../../../tuning/cases.js';
import { compileEmulatedKernels } from '../../../tuning/cuda/emulated.js';
import { verifyKernel } from '../../../tuning/verify-session.js';
import { emulatedBlas } from '../../support/emulated-blas.js';
import { type CudaTestKernels, gpuBufferOf, gpuFloats, loadCudaTestKernels, openEmulated, planOf } from './cuda-fixture.js';

const FORMS = [
  { dtype: 'f32', layout: 'outin' },
  { dtype: 'f32', layout: 'inout' },
  { dtype: 'bf16', layout: 'outin' },
  { dtype: 'bf16', layout: 'inout' },
] as const;
const store = createCaseStore();

/** Gives the device what `griffin` gives it through the kernel library. */
async function lendSplit(device: CudaDevice): Promise<void> {
  const variant = defaultVariant({ family: 'split_bf16', params: {}, isa: 'sm80' }, { family: splitBf16 });
  const source = { id: kernelId(variant, splitBf16), text: renderKernel(variant, { family: splitBf16 }) };
  const flavour = device.identity.gpu?.checked === true ? 'checked' : 'fast';
  const [built] = await compileEmulatedKernels([source], { flavour, capability: 80, directory: join(packageRoot(), 'build', 'test-kernels') });
  if (built?.ok !== true) throw new Error(`split_bf16 does not compile: ${built?.message ?? ''}`);
  const [kernel] = device.loadKernels(built.file, [symbolOf(variant, splitBf16)]);
  device.useUtilities((family) => (family === 'split_bf16' ? kernel : undefined));
}

function vendor(device: CudaDevice, params: { readonly dtype: string; readonly layout: string }): VendorKernel {
  const kernel = device.vendorKernel('linear_gemm', params);
  if (kernel === null) throw new Error('the emulated cuBLASLt was not found');
  return kernel;
}

beforeEach(() => void vi.stubEnv('GRIFFIN_CUBLASLT', emulatedBlas('checked')));
afterEach(() => void vi.unstubAllEnvs());

describe.each(['fast', 'checked', 'checked,eager', 'checked,random=3', 'fast,sm80'])('cuBLASLt on emulated:%s', (detail) => {
  let device: CudaDevice;
  let kernels: CudaTestKernels;
  beforeAll(async () => {
    vi.stubEnv('GRIFFIN_CUBLASLT', emulatedBlas(detail.startsWith('fast') ? 'fast' : 'checked'));
    device = openEmulated(detail);
    await lendSplit(device);
    kernels = loadCudaTestKernels(device);
    expect(device.vendorKernel('linear_gemm', FORMS[0])?.version).toBe('12.3.4');
  });
  afterAll(() => device.dispose());

  test.each(FORMS)('linear_gemm $dtype $layout equals the reference on ragged shapes', async (params) => {
    const kernel = vendor(device, params);
    expect(kernel.id).toBe(`linear_gemm__${params.dtype}_${params.layout}__cublaslt__base`);
    const target = { device, kernel };
    const request = { family: 'linear_gemm', params, candidate: { kernelId: kernel.id, path: '' }, problems: linearGemm.raggedProblems(params), seed: 0 };
    const reply = await verifyKernel({ many: target, one: target }, linearGemm, request, store, () => Promise.resolve());
    expect(reply.failures).toEqual([]);
    expect(reply.cases).toBeGreaterThanOrEqual(9);
  });

  test('kernels before and behind a product see what it needs and what it gives, run after run', async () => {
    const [rows, width, out] = [3, 40, 24];
    using x = gpuBufferOf(device, new Float32Array(rows * width).fill(1), 'x');
    using w = device.allocate(2 * width * out, { label: 'w' });
    w.write(encodeTensor(new Array<number>(width * out).fill(0.5), 'bf16'));
    using y = gpuBufferOf(device, new Float32Array(rows * out), 'y');
    using total = device.allocate(4, { label: 'total' });
    const product = vendor(device, FORMS[2]);
    using plan = planOf(
      device,
      [kernels.axpy, { buffers: [x, x], ints: [rows * width], floats: [1] }],
      [product, { buffers: [x, w, null, y, y], ints: [rows, width, out], floats: [] }],
      [kernels.total, { buffers: [y, total], ints: [rows * out], floats: [] }],
      [product, { buffers: [x, w, null, null, y], ints: [rows, width, out], floats: [] }],
    );
    expect(plan.steps).toBe(4);
    await plan.run();
    expect(gpuFloats(total)).toEqual([rows * out * width]); // 2 · 0.5 · width each
    expect(gpuFloats(y)).toEqual(new Array(rows * out).fill(width));
    await plan.run();
    // The second run adds 4 · 0.5 · width to what the first one left.
    expect(gpuFloats(total)).toEqual([rows * out * 3 * width]);
    expect((await plan.profile()).map(({ kernel }) => kernel)).toEqual(['axpy', product.id, 'total', product.id]);
  });

  test('rows from device memory count with the most there can be', async () => {
    const [most, width, out] = [4, 8, 5];
    using x = gpuBufferOf(device, new Float32Array(most * width).map((_, i) => i), 'x');
    using w = gpuBufferOf(device, new Float32Array(width * out).fill(1), 'w');
    using y = device.allocate(4 * most * out, { label: 'y' });
    using rows = gpuBufferOf(device, Int32Array.of(2), 'rows');
    const args = { buffers: [x, w, null, null, y], ints: [{ buffer: rows, index: 0 }, width, out], floats: [], maxInts: { 0: most } };
    using plan = planOf(device, [vendor(device, FORMS[0]), args]);
    await plan.run();
    const sums = [28, 92, 156, 220].flatMap((sum) => new Array<number>(out).fill(sum));
    expect(gpuFloats(y).slice(0, 2 * out)).toEqual(sums.slice(0, 2 * out));
  });

  test('buffers that are too short, wrong sizes and refusals of the library are typed errors', () => {
    using small = device.allocate(64, { label: 'small' });
    using large = device.allocate(4 * 5000, { label: 'large' });
    const record = (dims: readonly [number, number, number], ...buffers: (DeviceBuffer | null)[]): void => {
      device.record('refused').step(vendor(device, FORMS[0]), { buffers, ints: dims, floats: [] });
    };
    expect(() => record([2, 4, 4], small, small, null, null, large)).not.toThrow();
    expect(() => record([5, 4, 4], small, small, null, null, large)).toThrow(/x \(small\) has 64 bytes, needed are 80/);
    expect(() => record([2, 4, 4], small, small, null, null, small.view(0, 16))).toThrow(RangeError);
    expect(() => record([0, 4, 4], small, small, null, null, small)).toThrow(/int 0 \(rows\)/);
    expect(() => record([1, 4, 4], small, small, null, small)).toThrow(/takes 5 tensors, found 4/);
    expect(() => record([1, 5000, 1], large, large, null, null, small)).toThrow(LibraryError);
  });
});

describe('where cuBLASLt does not help', () => {
  test('no library, a library of something else: no kernel', async () => {
    for (const path of ['/nowhere/libcublasLt.so.12', emulatedLibrary()]) {
      vi.stubEnv('GRIFFIN_CUBLASLT', path);
      await using device = openEmulated('fast');
      await lendSplit(device);
      expect(device.vendorKernel('linear_gemm', FORMS[0])).toBeNull();
    }
  });

  test('other families, f16 weights, and bf16 weights without the kernel that splits activations: no kernel', async () => {
    vi.stubEnv('GRIFFIN_CUBLASLT', emulatedBlas('fast'));
    await using device = openEmulated('fast');
    expect(device.vendorKernel('linear_gemv', { dtype: 'f32' })).toBeNull();
    expect(device.vendorKernel('linear_gemm', { dtype: 'f16', layout: 'outin' })).toBeNull();
    expect(device.vendorKernel('linear_gemm', FORMS[2])).toBeNull();
    expect(device.vendorKernel('linear_gemm', FORMS[0])).not.toBeNull();
  });

  test('a kernel of another device', async () => {
    vi.stubEnv('GRIFFIN_CUBLASLT', emulatedBlas('fast'));
    await using device = openEmulated('fast');
    await using other = openEmulated('fast');
    using buffer = other.allocate(64, { label: 'any' });
    const args = { buffers: [buffer, buffer, null, null, buffer], ints: [1, 4, 4], floats: [] };
    expect(() => other.record('foreign').step(vendor(device, FORMS[0]), args)).toThrow(DeviceError);
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { CudaDevice } from '../../../runtime/device/cuda.js';
import { emulatedStatistics } from '../../../runtime/device/cuda-driver.js';
import type { DeviceBuffer, Kernel, StepArgs } from '../../../runtime/device/types.js';
import { DeviceError } from '../../../runtime/errors.js';
import { type CudaTestKernels, gpuBufferOf, gpuFloats, gpuInts, loadCudaTestKernels, openEmulated, planOf } from './cuda-fixture.js';

const ramp = (n: number): Float32Array => new Float32Array(n).map((_, i) => i % 50);
const sumOf = (values: Float32Array, n: number): number => values.subarray(0, n).reduce((sum, value) => sum + value, 0);

describe.each(['fast', 'fast,eager', 'fast,sm80', 'checked', 'checked,eager,sm86', 'checked,reverse', 'checked,random=3'])('emulated:%s', (detail) => {
  let device: CudaDevice;
  let kernels: CudaTestKernels;
  beforeAll(() => {
    device = openEmulated(detail);
    kernels = loadCudaTestKernels(device);
  });
  afterAll(() => device.dispose());

  test('a kernel runs over ragged sizes', async () => {
    for (const n of [1, 63, 64, 65, 200]) {
      using x = gpuBufferOf(device, ramp(n));
      using y = gpuBufferOf(device, ramp(n));
      using plan = planOf(device, [kernels.axpy, { buffers: [x, y], ints: [n], floats: [2] }]);
      await plan.run(2);
      expect(gpuFloats(y)).toEqual([...ramp(n)].map((value) => 5 * value));
    }
  });

  test('phases share the workspace, steps share it too, and see what came before', async () => {
    const values = ramp(500);
    using x = gpuBufferOf(device, values);
    using out = device.allocate(8, { label: 'out' });
    using plan = planOf(
      device,
      [kernels.total, { buffers: [x, out], ints: [500], floats: [] }],
      [kernels.axpy, { buffers: [x, x], ints: [500], floats: [1] }],
      [kernels.total, { buffers: [x, out.view(4, 4)], ints: [40], floats: [] }],
    );
    await plan.run();
    expect(gpuFloats(out)).toEqual([sumOf(values, 500), 2 * sumOf(values, 40)]);
  });

  test('counters are zero when a plan starts, and kernels may rely on it run after run', async () => {
    const values = ramp(333);
    using x = gpuBufferOf(device, values);
    using out = device.allocate(4, { label: 'out' });
    using plan = planOf(device, [kernels.count_total, { buffers: [x, out], ints: [333], floats: [] }]);
    for (let i = 0; i < 3; i++) {
      out.fill(0);
      await plan.run(2);
      expect(gpuFloats(out)).toEqual([sumOf(values, 333)]);
    }
  });

  test('more than 48 KiB of dynamic shared memory, and a grid of as many blocks as multiprocessors', async () => {
    const n = 15_000;
    using out = device.allocate(4 * n, { label: 'out' });
    using plan = planOf(device, [kernels.wide, { buffers: [out], ints: [n], floats: [] }]);
    await plan.run();
    expect(gpuFloats(out).findIndex((value, i) => value !== i)).toBe(-1);
    expect(device.geometry(kernels.wide, { buffers: [out], ints: [n], floats: [] })).toEqual({ units: [device.identity.cores], workspaceBytes: 0 });
  });

  test('dynamic ints are read from device memory each time', async () => {
    const values = ramp(100);
    using x = gpuBufferOf(device, values);
    using state = gpuBufferOf(device, new Int32Array([7, 70]));
    using out = device.allocate(4, { label: 'out' });
    const args: StepArgs = { buffers: [x, out], ints: [{ buffer: state, index: 1 }], floats: [], maxInts: { 0: 100 } };
    using plan = planOf(device, [kernels.total, args]);
    await plan.run();
    expect(gpuFloats(out)).toEqual([sumOf(values, 70)]);
    state.write(new Int32Array([100]), 4);
    await plan.run();
    expect(gpuFloats(out)).toEqual([sumOf(values, 100)]);
    // Recording sizes for the largest value, geometry tells what the value of now needs.
    expect(device.geometry(kernels.total, args)).toEqual({ units: [4, 1], workspaceBytes: 16 });
    state.write(new Int32Array([0]), 4);
    expect(device.geometry(kernels.total, args)).toEqual({ units: [0, 1], workspaceBytes: 0 });
    await plan.run();
    expect(gpuFloats(out)).toEqual([0]);
  });

  test('a dynamic int without a maximum counts with its value at record time', () => {
    using x = gpuBufferOf(device, ramp(64));
    using state = gpuBufferOf(device, new Int32Array([64]));
    using out = device.allocate(4, { label: 'out' });
    const before = device.allocatedBytes();
    using plan = planOf(device, [kernels.total, { buffers: [x, out], ints: [{ buffer: state, index: 0 }], floats: [] }]);
    expect(plan.steps).toBe(1);
    expect(device.allocatedBytes()).toBe(before + 8);
  });

  test('steps run in order and a run brings along what a buffer was right after it', async () => {
    using log = device.allocate(4 * 40, { label: 'log' });
    const append = (value: number): [Kernel, StepArgs] => [kernels.append, { buffers: [log], ints: [value, 0], floats: [] }];
    using plan = planOf(device, append(5), append(3));
    using head = log.view(0, 12);
    // All are queued before the first has run.
    const runs = await Promise.all([plan.run(1, { read: head }), plan.run(3, { read: head }), plan.run(), plan.run(0, { read: head })]);
    expect(runs.map(({ read }) => (read === undefined ? undefined : [...new Int32Array(read.buffer)]))).toEqual([[2, 5, 3], [8, 5, 3], undefined, [10, 5, 3]]);
    expect(gpuInts(log).slice(0, 12)).toEqual([10, 5, 3, 5, 3, 5, 3, 5, 3, 5, 3, 0]);
  });

  test('a profile names each step, runs it once and advances the clock by the sum', async () => {
    using log = device.allocate(4 * 40, { label: 'log' });
    using plan = planOf(
      device,
      [kernels.append, { buffers: [log], ints: [1, 0], floats: [], label: 'layers.0 norm' }],
      [kernels.append, { buffers: [log], ints: [2, 0], floats: [] }],
    );
    const before = device.clockNs();
    const steps = await plan.profile();
    expect(steps.map(({ label, kernel }) => ({ label, kernel }))).toEqual([
      { label: 'layers.0 norm', kernel: 'append' },
      { label: 'append', kernel: 'append' },
    ]);
    expect(device.clockNs() - before).toBe(steps.reduce((sum, step) => sum + step.elapsedNs, 0));
    expect(gpuInts(log).slice(0, 3)).toEqual([2, 1, 2]);
  });
});

describe('recording', () => {
  let device: CudaDevice;
  let kernels: CudaTestKernels;
  let log: DeviceBuffer;
  beforeAll(() => {
    device = openEmulated('fast');
    kernels = loadCudaTestKernels(device);
    log = device.allocate(4 * 40, { label: 'log' });
  });
  afterAll(() => device.dispose());

  test('a plan is captured into one graph; a run launches it once per replay', async () => {
    using plan = planOf(
      device,
      [kernels.append, { buffers: [log], ints: [1, 0], floats: [] }],
      [kernels.append, { buffers: [log], ints: [2, 0], floats: [] }],
    );
    const before = emulatedStatistics();
    await plan.run(3);
    const after = emulatedStatistics();
    expect([after.graphLaunches - before.graphLaunches, after.launches - before.launches]).toEqual([3, 6]);
    await plan.profile();
    expect(emulatedStatistics().graphLaunches).toBe(after.graphLaunches);
  });

  test('a plan without steps runs, and zero times does nothing', async () => {
    using empty = planOf(device);
    expect((await empty.run(3)).elapsedNs).toBeGreaterThanOrEqual(0);
    const before = gpuInts(log)[0];
    using plan = planOf(device, [kernels.append, { buffers: [log], ints: [1, 0], floats: [] }]);
    await plan.run(0);
    expect(gpuInts(log)[0]).toBe(before);
  });

  test('arguments are copied', async () => {
    using y = gpuBufferOf(device, new Float32Array([1, 1]));
    using x = gpuBufferOf(device, new Float32Array([1, 2]));
    const args = { buffers: [x, y], ints: [2], floats: [3] };
    const recorder = device.record('copy');
    recorder.step(kernels.axpy, args);
    args.ints[0] = 1_000_000;
    args.floats[0] = 7;
    args.buffers.length = 0;
    await recorder.finish().run();
    expect(gpuFloats(y)).toEqual([4, 7]);
  });

  test('buffers that a plan uses stay alive for it', async () => {
    const own = device.allocate(4 * 40, { label: 'own log' });
    using view = own.view(0, 16);
    const before = device.allocatedBytes();
    const plan = planOf(device, [kernels.append, { buffers: [own], ints: [4, 0], floats: [] }]);
    own.dispose();
    expect(device.allocatedBytes()).toBe(before);
    await plan.run(2);
    expect(gpuInts(view)).toEqual([2, 4, 4, 0]);
    expect(() => planOf(device, [kernels.append, { buffers: [own], ints: [4, 0], floats: [] }])).toThrow('own log: this buffer is disposed');
    plan.dispose();
    view.dispose();
    expect(device.allocatedBytes()).toBe(before - 160);
  });

  test('a plan disposed while runs are queued finishes them, and refuses new ones', async () => {
    using own = device.allocate(4 * 100, { label: 'log' });
    const plan = planOf(device, [kernels.append, { buffers: [own], ints: [1, 0], floats: [] }]);
    const runs = Array.from({ length: 60 }, () => plan.run());
    plan.dispose();
    plan.dispose();
    await Promise.all(runs);
    expect(gpuInts(own)[0]).toBe(60);
    await expect(plan.run()).rejects.toThrow('test plan: this plan is disposed');
    await expect(plan.profile()).rejects.toThrow(DeviceError);
  });

  test('a recorder cannot be used after finish', () => {
    const recorder = device.record('once');
    recorder.finish();
    expect(() => recorder.step(kernels.append, { buffers: [], ints: [0, 0], floats: [] })).toThrow('once: the recording is finished');
    expect(() => recorder.finish()).toThrow(DeviceError);
  });

  test.each<[string, () => StepArgs, string]>([
    ['a missing buffer', () => ({ buffers: [], ints: [0, 0], floats: [] }), 'takes 1 tensors, found 0'],
    ['a missing int', () => ({ buffers: [log], ints: [0], floats: [] }), 'takes 2 ints, found 1'],
    ['a float too many', () => ({ buffers: [log], ints: [0, 0], floats: [1] }), 'takes 0 floats, found 1'],
    ['a fractional int', () => ({ buffers: [log], ints: [1.5, 0], floats: [] }), 'int 0 (value) must be an integer'],
    ['an int of more than 32 bits', () => ({ buffers: [log], ints: [2 ** 31, 0], floats: [] }), 'int 0 (value) must be an integer'],
    ['an int that cannot be dynamic', () => ({ buffers: [log], ints: [0, { buffer: log, index: 0 }], floats: [] }), 'int 1 (spare) must be a number'],
    ['a dynamic int outside its buffer', () => ({ buffers: [log], ints: [{ buffer: log, index: 40 }, 0], floats: [] }), 'index into log'],
    ['a maximum for an int that is not there', () => ({ buffers: [log], ints: [0, 0], floats: [], maxInts: { 2: 1 } }), 'position in maxInts'],
  ])('%s is refused', (_, args, message) => {
    const recorder = device.record('bad');
    expect(() => recorder.step(kernels.append, { ...args(), label: 'layers.1 gate_up' })).toThrow(RangeError);
    expect(() => recorder.step(kernels.append, { ...args(), label: 'layers.1 gate_up' })).toThrow('layers.1 gate_up (append): ');
    expect(() => recorder.step(kernels.append, args())).toThrow(message);
  });

  test('buffers and kernels of something else are refused', () => {
    const recorder = device.record('foreign');
    const foreign = { label: 'x', byteLength: 4 } as unknown as DeviceBuffer;
    expect(() => recorder.step(kernels.append, { buffers: [foreign], ints: [0, 0], floats: [] })).toThrow('is not a buffer of the device emulated:fast');
    expect(() => recorder.step({ id: 'fake', phases: 1, scratchBytes: 0 }, { buffers: [], ints: [], floats: [] })).toThrow('kernel fake was not loaded by');
  });

  test('more shared memory than the GPU has is refused when the step is recorded', () => {
    using out = device.allocate(4, { label: 'out' });
    const recorder = device.record('too wide');
    expect(() => recorder.step(kernels.wide, { buffers: [out], ints: [60_000], floats: [] })).toThrow(DeviceError);
    expect(() => recorder.step(kernels.wide, { buffers: [out], ints: [60_000], floats: [] })).toThrow(
      'asks for 240000 bytes of dynamic shared memory per block, emulated:fast has 232448',
    );
  });

  test.each([-1, 1.5, Number.NaN])('%d times is refused', async (times) => {
    await expect(planOf(device).run(times)).rejects.toThrow(RangeError);
  });

  test('a run that should bring along too much is refused', async () => {
    using large = device.allocate(4097, { label: 'logits' });
    await expect(planOf(device).run(1, { read: large })).rejects.toThrow('a run can read at most 4096 bytes, logits has 4097');
  });

  test('the event loop goes on while a plan runs many times, and runs keep their order', async () => {
    using own = device.allocate(4 * 1000, { label: 'log' });
    const plans = [1, 2, 3].map((value) => planOf(device, [kernels.append, { buffers: [own], ints: [value, 0], floats: [] }]));
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await Promise.all(Array.from({ length: 300 }, async (_, i) => plans[i % 3]?.run()));
    expect(gpuInts(own).slice(1, 301)).toEqual(Array.from({ length: 300 }, (_, i) => 1 + (i % 3)));
    using busy = gpuBufferOf(device, ramp(1000));
    using long = planOf(device, [kernels.axpy, { buffers: [busy, busy], ints: [1000], floats: [0] }]);
    ticks = 0;
    await long.run(400);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
  });
});

describe('clusters', () => {
  test('a kernel of sm90 gets them', async () => {
    await using device = openEmulated('fast,sm90');
    const { cudaTestKernels } = await import('./cuda-fixture.js');
    const [pairs] = device.loadKernels(cudaTestKernels('fast'), ['gk_pairs']);
    using out = device.allocate(24, { label: 'out' });
    using plan = planOf(device, [pairs!, { buffers: [out], ints: [5], floats: [] }]); // made six blocks, three clusters
    await plan.run();
    expect(gpuInts(out)).toEqual([20, 21, 20, 21, 20, 0]);
  });
});

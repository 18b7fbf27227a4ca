import { describe, expect, test } from 'vitest';

import { openCpuDevice } from '../../../runtime/device/cpu.js';
import type { DeviceBuffer, Plan, StepArgs } from '../../../runtime/device/types.js';
import { DeviceError } from '../../../runtime/errors.js';
import { bufferOf, floatsOf, intsOf, loadTestKernels, testDevice, testLibrary } from './fixture.js';

const library = testLibrary().path;
const device = testDevice(2);
const kernels = loadTestKernels(device, library);
const { saxpy, count, append, busy, grow, negative } = kernels;

function planOf(...steps: [kernel: (typeof kernels)[keyof typeof kernels], args: StepArgs][]): Plan {
  const recorder = device.record('test plan');
  for (const [kernel, args] of steps) recorder.step(kernel, args);
  return recorder.finish();
}

describe.each([1, 2, 3, 5, 16])('%d threads', (threads) => {
  test('every unit of every phase runs exactly once, for many unit counts', async () => {
    await using each = openCpuDevice({ threads });
    const { count: kernel } = loadTestKernels(each, library);
    for (const units of [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 100, 127, 1000, 4099, 100_000]) {
      const counters = each.allocate(4 * units, { label: 'counters', guarded: true });
      const recorder = each.record('count');
      recorder.step(kernel, { buffers: [counters], ints: [units], floats: [] });
      using plan = recorder.finish();
      await plan.run(7);
      expect(intsOf(counters).every((n) => n === 3 * 7)).toBe(true);
      expect(counters.checkCanaries()).toEqual({ before: null, after: null });
    }
  });

  test('a phase sees all that the phase before it wrote', async () => {
    await using each = openCpuDevice({ threads });
    const { saxpy: kernel } = loadTestKernels(each, library);
    for (const n of [1, 16, 17, 1000, 20_000]) {
      const x = bufferOf(each, new Float32Array(n).map((_, i) => i));
      const y = bufferOf(each, new Float32Array(n).map((_, i) => -i));
      const recorder = each.record('saxpy');
      recorder.step(kernel, { buffers: [x, y], ints: [n], floats: [2] });
      await recorder.finish().run(20);
      expect(floatsOf(y).findIndex((value, i) => value !== -i + 20 * 2 * i)).toBe(-1);
    }
  });
});

describe('recording', () => {
  test('arguments are copied', async () => {
    const y = bufferOf(device, new Float32Array([1, 1]));
    const args = { buffers: [bufferOf(device, new Float32Array([1, 2])), y], ints: [2], floats: [3] };
    const recorder = device.record('copy');
    recorder.step(saxpy, args);
    args.ints[0] = 1_000_000;
    args.floats[0] = 7;
    args.buffers.length = 0;
    await recorder.finish().run();
    expect([...floatsOf(y)]).toEqual([4, 7]);
  });

  test('steps run in order, and are counted', async () => {
    const log = device.allocate(4 * 40, { label: 'log' });
    const plan = planOf(...[5, 3, 9].map((value): [typeof append, StepArgs] => [append, { buffers: [log], ints: [value], floats: [] }]));
    expect(plan.steps).toBe(3);
    await plan.run(2);
    expect([...intsOf(log).subarray(0, 7)]).toEqual([6, 5, 3, 9, 5, 3, 9]);
  });

  test('a plan without steps runs', async () => {
    expect((await planOf().run(3)).elapsedNs).toBeGreaterThanOrEqual(0);
  });

  test('a recorder cannot be used after finish', () => {
    const recorder = device.record('once');
    recorder.finish();
    expect(() => recorder.step(append, { buffers: [], ints: [0], floats: [] })).toThrow('once: the recording is finished');
    expect(() => recorder.finish()).toThrow(DeviceError);
  });

  test.each<[string, StepArgs]>([
    ['a fractional int', { buffers: [], ints: [1.5], floats: [] }],
    ['a dynamic int outside its buffer', { buffers: [], ints: [{ buffer: device.allocate(8, { label: 'state' }), index: 2 }], floats: [] }],
    ['a dynamic int in an empty buffer', { buffers: [], ints: [{ buffer: device.allocate(0, { label: 'state' }), index: 0 }], floats: [] }],
    ['a maximum for an int that is not there', { buffers: [], ints: [1], floats: [], maxInts: { 1: 5 } }],
    ['a float that is no number', { buffers: [], ints: [], floats: ['1' as unknown as number] }],
  ])('%s is refused', (_, args) => {
    const recorder = device.record('bad');
    expect(() => recorder.step(append, { ...args, label: 'layers.1 gate_up' })).toThrow(RangeError);
    expect(() => recorder.step(append, { ...args, label: 'layers.1 gate_up' })).toThrow('layers.1 gate_up (append)');
  });

  test('buffers and kernels of something else are refused', () => {
    const recorder = device.record('foreign');
    const foreign = { label: 'x', byteLength: 4 } as unknown as StepArgs['buffers'][number];
    expect(() => recorder.step(append, { buffers: [foreign], ints: [0], floats: [] })).toThrow(DeviceError);
    expect(() => recorder.step({ id: 'fake', phases: 1, scratchBytes: 0 }, { buffers: [], ints: [], floats: [] })).toThrow('fake');
  });

  test('a disposed buffer is refused, one disposed after recording stays alive for the plan', async () => {
    const log = device.allocate(4 * 40, { label: 'log' });
    const plan = planOf([append, { buffers: [log], ints: [4], floats: [] }]);
    const view = log.view(0, 160);
    log.dispose();
    await plan.run(3);
    expect([...intsOf(view).subarray(0, 4)]).toEqual([3, 4, 4, 4]);
    expect(() => planOf([append, { buffers: [log], ints: [4], floats: [] }])).toThrow('log: this buffer is disposed');
  });
});

describe('dynamic ints', () => {
  test('are read from device memory each time the step runs', async () => {
    const log = device.allocate(4 * 40, { label: 'log' });
    const state = bufferOf(device, new Int32Array([0, 11]));
    const plan = planOf([append, { buffers: [log], ints: [{ buffer: state, index: 1 }], floats: [] }]);
    await plan.run();
    state.write(new Int32Array([-12]), 4);
    await plan.run();
    expect([...intsOf(log).subarray(0, 3)]).toEqual([2, 11, -12]);
  });

  test('may be written by an earlier step of the same run', async () => {
    // The log's first entry is its length: appending it records 0, 1, 2, …
    const log = device.allocate(4 * 40, { label: 'log' });
    const step: [typeof append, StepArgs] = [append, { buffers: [log], ints: [{ buffer: log, index: 0 }], floats: [] }];
    await planOf(step, step, step).run(2);
    expect([...intsOf(log).subarray(0, 7)]).toEqual([6, 0, 1, 2, 3, 4, 5]);
  });

  test('size the workspace by their stated maximum, and may not pass it', async () => {
    const state = bufferOf(device, new Int32Array([10]));
    const dynamic = { buffer: state, index: 0 };
    const before = device.allocatedBytes();
    const plan = planOf([grow, { buffers: [], ints: [dynamic], floats: [], maxInts: { 0: 1000 }, label: 'layers.0 down' }]);
    expect(device.allocatedBytes()).toBe(before + 1000);
    state.write(new Int32Array([1000]));
    await plan.run();
    state.write(new Int32Array([1001]));
    await expect(plan.run()).rejects.toThrow(DeviceError);
    await expect(plan.run()).rejects.toThrow('layers.0 down (grow) needs 1001 bytes of workspace, recorded with 1000');
    state.write(new Int32Array([1]));
    await plan.run();
    plan.dispose();
    expect(device.allocatedBytes()).toBe(before);
  });

  test('count with their value at record time where no maximum is stated', async () => {
    const state = bufferOf(device, new Int32Array([64]));
    const plan = planOf([grow, { buffers: [], ints: [{ buffer: state, index: 0 }], floats: [] }]);
    await plan.run();
    state.write(new Int32Array([65]));
    await expect(plan.run()).rejects.toThrow('recorded with 64');
  });
});

describe('geometry', () => {
  test('answers units of each phase and workspace for the values of now', () => {
    const x = device.allocate(0, { label: 'x' });
    const state = bufferOf(device, new Int32Array([33]));
    expect(device.geometry(saxpy, { buffers: [x, x], ints: [33], floats: [1] })).toEqual({ units: [3, 3], workspaceBytes: 132 });
    const dynamic: StepArgs = { buffers: [x, x], ints: [{ buffer: state, index: 0 }], floats: [1], maxInts: { 0: 1000 } };
    expect(device.geometry(saxpy, dynamic)).toEqual({ units: [3, 3], workspaceBytes: 132 });
    state.write(new Int32Array([1]));
    expect(device.geometry(saxpy, dynamic)).toEqual({ units: [1, 1], workspaceBytes: 4 });
  });
});

describe('running', () => {
  test('runs of one device are executed in submission order', async () => {
    const log = device.allocate(4 * 400, { label: 'log' });
    const plans = [1, 2, 3].map((value) => planOf([append, { buffers: [log], ints: [value], floats: [] }]));
    await Promise.all(Array.from({ length: 100 }, async (_, i) => plans[i % 3]?.run()));
    expect([...intsOf(log).subarray(1, 101)]).toEqual(Array.from({ length: 100 }, (_, i) => 1 + (i % 3)));
  });

  test('ten thousand runs, one call each, give ten thousand results', async () => {
    const counters = device.allocate(4 * 8, { label: 'counters' });
    const plan = planOf([count, { buffers: [counters], ints: [8], floats: [] }]);
    for (let i = 0; i < 10_000; i++) await plan.run();
    expect([...intsOf(counters)]).toEqual(Array.from({ length: 8 }, () => 30_000));
  });

  test('the event loop goes on while a plan runs', async () => {
    const sink = device.allocate(4, { label: 'sink' });
    const plan = planOf([busy, { buffers: [sink], ints: [1000, 30], floats: [] }]);
    let finished = false;
    let ticks = 0;
    const timer = setInterval(() => (ticks += finished ? 0 : 1), 1);
    await plan.run(3).then(() => (finished = true));
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);
  });

  test('the clock advances by what the runs took', async () => {
    const sink = device.allocate(4, { label: 'sink' });
    const plan = planOf([busy, { buffers: [sink], ints: [100, 2], floats: [] }]);
    const before = device.clockNs();
    const { elapsedNs } = await plan.run(3);
    expect(elapsedNs).toBeGreaterThan(0);
    expect(device.clockNs()).toBe(before + elapsedNs);
  });

  test('a profile names each step and advances the clock by their sum', async () => {
    const log = device.allocate(4 * 40, { label: 'log' });
    const plan = planOf(
      [append, { buffers: [log], ints: [1], floats: [], label: 'layers.0 norm' }],
      [busy, { buffers: [log], ints: [10, 2], floats: [] }],
    );
    const before = device.clockNs();
    const steps = await plan.profile();
    expect(steps.map(({ label, kernel }) => ({ label, kernel }))).toEqual([
      { label: 'layers.0 norm', kernel: 'append' },
      { label: 'busy', kernel: 'busy' },
    ]);
    expect(device.clockNs() - before).toBe(steps.reduce((sum, step) => sum + step.elapsedNs, 0));
    expect(intsOf(log)[0]).toBe(1);
  });

  test('a kernel that answers a negative number of units fails the run, not the process', async () => {
    const plan = planOf([negative, { buffers: [], ints: [], floats: [] }]);
    await expect(plan.run()).rejects.toThrow('negative has -3 units in phase 0');
  });

  test('a run brings along a buffer as it was right after it, also when the next runs are queued already', async () => {
    const log = device.allocate(4 * 40, { label: 'log' });
    const plan = planOf([append, { buffers: [log], ints: [9], floats: [] }]);
    const head = log.view(0, 8);
    const runs = await Promise.all([plan.run(1, { read: head }), plan.run(2, { read: head }), plan.run(), plan.run(0, { read: head })]);
    expect(runs.map(({ read }) => (read === undefined ? undefined : [...new Int32Array(read.buffer)]))).toEqual([[1, 9], [3, 9], undefined, [4, 9]]);
  });

  test('a buffer that is too large to be read by a run, or foreign, is refused', async () => {
    const large = device.allocate(4097, { label: 'logits' });
    await expect(planOf().run(1, { read: large })).rejects.toThrow('a run can read at most 4096 bytes, logits has 4097');
    expect((await planOf().run(1, { read: large.view(0, 4096) })).read).toHaveLength(4096);
    await expect(planOf().run(1, { read: { label: 'x', byteLength: 4 } as unknown as DeviceBuffer })).rejects.toThrow(DeviceError);
  });

  test.each([-1, 1.5, Number.NaN])('%d times is refused', async (times) => {
    await expect(planOf().run(times)).rejects.toThrow(RangeError);
  });

  test('zero times does nothing', async () => {
    const log = device.allocate(4 * 40, { label: 'log' });
    await planOf([append, { buffers: [log], ints: [1], floats: [] }]).run(0);
    expect(intsOf(log)[0]).toBe(0);
  });
});

describe('disposal', () => {
  test('a plan disposed while runs are queued finishes them, and refuses new ones', async () => {
    const log = device.allocate(4 * 100, { label: 'log' });
    const plan = planOf([append, { buffers: [log], ints: [1], floats: [] }]);
    const runs = Array.from({ length: 50 }, () => plan.run());
    plan.dispose();
    plan.dispose();
    await Promise.all(runs);
    expect(intsOf(log)[0]).toBe(50);
    await expect(plan.run()).rejects.toThrow('test plan: this plan is disposed');
    await expect(plan.profile()).rejects.toThrow(DeviceError);
  });
});

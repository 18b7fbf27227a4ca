import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import { callNative } from '../../../runtime/device/addon.js';
import { emulatedLibrary, emulatedStatistics } from '../../../runtime/device/cuda-driver.js';
import { openDevice } from '../../../runtime/device/index.js';
import { DeviceError, LibraryError, UsageError } from '../../../runtime/errors.js';
import { temporaryFolder } from '../native/fixture.js';
import { cudaTestKernels, gpuBufferOf, gpuFloats, loadCudaTestKernels, openEmulated, planOf } from './cuda-fixture.js';

const folder = temporaryFolder();
afterAll(() => folder.remove());

describe('opening', () => {
  test.each([
    ['emulated', 90, ['sm80', 'sm90'], true],
    ['emulated:sm80,fast', 80, ['sm80'], false],
    ['emulated:sm120,random=4', 120, ['sm80', 'sm90'], true],
  ])('%s', async (spec, capability, isas, checked) => {
    await using device = openDevice(spec);
    expect(device.identity).toMatchObject({ kind: 'emulated', isas, memoryBytes: 8 * 2 ** 30, l3Bytes: 0, gpu: { index: 0, capability, checked } });
    expect(device.identity.cores).toBe(device.identity.gpu?.multiprocessors);
    expect(device.isa).toBe(isas.at(-1));
    expect(device.threads).toBe(1);
    expect(device.identity.key).toMatch(new RegExp(`^emulated-${checked ? 'checked' : 'fast'}-[a-z0-9-]+-sm${capability}-\\d+sm-8g$`));
  });

  test('the name cuda opens what the driver library has', async () => {
    process.env['GRIFFIN_CUDA_DRIVER'] = emulatedLibrary();
    try {
      callNative((addon) => addon.gpuProbe(emulatedLibrary(), 'devices=2;capability=89;checked=0'));
      {
        await using device = openDevice('cuda:1,eager');
        expect(device.identity).toMatchObject({ kind: 'cuda', isas: ['sm80'], gpu: { index: 1, capability: 89 } });
        expect(device.identity.gpu?.checked).toBeUndefined();
        using buffer = device.allocate(8, { label: 'b' });
        buffer.write(new Uint8Array([1]), 7);
        expect(buffer.read(7, 1)[0]).toBe(1);
      }
      expect(() => openDevice('cuda:2')).toThrow(UsageError);
      expect(() => openDevice('cuda:2')).toThrow(/there is no cuda:2: cuda:0 is .* \(8\.9\), cuda:1 is .* \(8\.9\)\n {2}try: --device cuda:0/);
      callNative((addon) => addon.gpuProbe(emulatedLibrary(), 'devices=0'));
      expect(() => openDevice('cuda')).toThrow('cuda:0: the CUDA driver finds no GPU\n  try: nvidia-smi');
    } finally {
      delete process.env['GRIFFIN_CUDA_DRIVER'];
      callNative((addon) => addon.gpuProbe(emulatedLibrary(), 'devices=1'));
    }
  });

  test('devices of the same settings may be open together, of others not', async () => {
    {
      await using one = openEmulated('fast');
      await using two = openEmulated('fast');
      using a = gpuBufferOf(one, new Float32Array([1]));
      using b = gpuBufferOf(two, new Float32Array([2]));
      expect([gpuFloats(a), gpuFloats(b)]).toEqual([[1], [2]]);
      expect(() => openEmulated('checked')).toThrow(UsageError);
      expect(() => openEmulated('checked')).toThrow('emulated:checked cannot be opened beside emulated:fast');
      const { axpy } = loadCudaTestKernels(two);
      expect(() => planOf(one, [axpy, { buffers: [a, a], ints: [1], floats: [1] }])).toThrow('kernel axpy was not loaded by the device emulated:fast');
      expect(() => planOf(two, [axpy, { buffers: [a, a], ints: [1], floats: [1] }])).toThrow(DeviceError);
    }
    await using later = openEmulated('checked');
    expect(later.identity.gpu?.checked).toBe(true);
  });
});

describe('kernels', () => {
  test('know their id and phases, and a file is loaded once', async () => {
    await using device = openEmulated('fast');
    const path = cudaTestKernels('fast');
    const modules = emulatedStatistics().modules;
    const [total] = device.loadKernels(path, ['gk_total']);
    const [axpy, again] = device.loadKernels(path, ['gk_axpy', 'gk_total']);
    expect([total, axpy, again].map((kernel) => [kernel?.id, kernel?.phases, kernel?.scratchBytes])).toEqual([
      ['total', 2, 0],
      ['axpy', 1, 0],
      ['total', 2, 0],
    ]);
    expect(emulatedStatistics().modules - modules).toBe(1);
  });

  test('a file that was replaced is loaded anew, kernels of the old one go on', async () => {
    await using device = openEmulated('fast');
    const path = join(folder.path, 'replaced.so');
    copyFileSync(cudaTestKernels('fast'), path);
    const [old] = device.loadKernels(path, ['gk_axpy']);
    writeFileSync(path, readFileSync(cudaTestKernels('fast')));
    const [fresh] = device.loadKernels(path, ['gk_axpy']);
    using x = gpuBufferOf(device, new Float32Array([1, 2]));
    for (const kernel of [old, fresh]) await planOf(device, [kernel!, { buffers: [x, x], ints: [2], floats: [1] }]).run();
    expect(gpuFloats(x)).toEqual([4, 8]);
  });

  test.each<[string, string, string]>([
    ['gk_absent', 'has no gk_meta_absent', ''],
    ['axpy', 'axpy is not the name of a kernel', ''],
    ['gk_old', 'gk_old has kernel ABI version 0, this build runs version 1', ''],
    ['gk_broken', 'gk_broken has a description that is not JSON', ''],
    ['gk_lost_entry', 'has no entry gk_lost_entry__main', ''],
  ])('%s is refused', async (symbol, message) => {
    await using device = openEmulated('fast');
    const path = cudaTestKernels('fast');
    expect(() => device.loadKernels(path, [symbol])).toThrow(LibraryError);
    expect(() => device.loadKernels(path, [symbol])).toThrow(message);
    expect(() => device.loadKernels(path, [symbol])).toThrow(path);
  });

  test('a kernel of an instruction set that the GPU lacks is refused', async () => {
    await using device = openEmulated('fast,sm86');
    expect(() => device.loadKernels(cudaTestKernels('fast', 80), ['gk_pairs'])).toThrow('gk_pairs needs instruction set sm90, emulated:fast,sm86 has sm80');
  });

  test('files that are none are refused', async () => {
    await using device = openEmulated('fast');
    const file = (name: string, contents: Uint8Array | string): string => {
      writeFileSync(join(folder.path, name), contents);
      return join(folder.path, name);
    };
    const load = (path: string) => () => device.loadKernels(path, ['gk_axpy']);
    const whole = readFileSync(cudaTestKernels('fast'));
    expect(load(join(folder.path, 'absent.cubin'))).toThrow(LibraryError);
    expect(load(join(folder.path, 'absent.cubin'))).toThrow('absent.cubin: cannot be opened: No such file');
    expect(load(folder.path)).toThrow('is not a regular file');
    expect(load(file('empty.cubin', ''))).toThrow('is empty');
    expect(load(file('text.cubin', 'no kernels here'))).toThrow(LibraryError);
    expect(load(file('text.cubin', 'no kernels here'))).toThrow(/text\.cubin: cannot be loaded for capability 9\.0: CUDA_ERROR_/);
    expect(load(file('short.cubin', whole.subarray(0, 9000)))).toThrow(/short\.cubin: is truncated \(9000 bytes/);
  });
});

describe('disposal', () => {
  test('everything is given back, whatever is still held', async () => {
    for (let round = 0; round < 3; round++) {
      const device = openEmulated(round === 1 ? 'checked' : 'fast');
      const { append, total } = loadCudaTestKernels(device);
      const log = device.allocate(4 * 40, { label: 'log' });
      const plan = planOf(device, [append, { buffers: [log], ints: [1, 0], floats: [] }], [total, { buffers: [log, log], ints: [3], floats: [] }]);
      await plan.run(3, { read: log });
      await plan.profile();
      await device.dispose();
      expect(emulatedStatistics()).toMatchObject({
        contexts: 0, allocations: 0, allocatedBytes: 0, hostAllocations: 0, streams: 0, events: 0, modules: 0, graphs: 0, graphExecs: 0,
      });
      await expect(plan.run()).rejects.toThrow(/the device emulated:\w+ is disposed/);
      expect(() => log.read()).toThrow('is disposed');
      expect(() => log.write(new Uint8Array(1))).toThrow(DeviceError);
      expect(() => device.allocate(1, { label: 'b' })).toThrow(DeviceError);
      expect(() => device.record('p')).toThrow(DeviceError);
      plan.dispose();
      log.dispose();
      await device.dispose();
      expect(device.allocatedBytes()).toBe(0);
    }
  });

  test('queued work fails as disposed', async () => {
    const device = openEmulated('fast');
    const { append } = loadCudaTestKernels(device);
    const log = device.allocate(4 * 20_000, { label: 'log' });
    const plan = planOf(device, [append, { buffers: [log], ints: [1, 0], floats: [] }]);
    const runs = Array.from({ length: 40 }, () => plan.run(400).catch((error: unknown) => error));
    await device.dispose();
    const last = (await Promise.all(runs)).at(-1);
    expect(last).toBeInstanceOf(DeviceError);
    expect(String(last)).toContain('the device emulated:fast is disposed');
  });

  test('many rounds of opening, loading, running and disposing leave nothing behind', async () => {
    for (let round = 0; round < 100; round++) {
      await using device = openEmulated('fast');
      const [axpy] = device.loadKernels(cudaTestKernels('fast'), ['gk_axpy']);
      const x = gpuBufferOf(device, new Float32Array([1, round]));
      const plan = planOf(device, [axpy!, { buffers: [x, x], ints: [2], floats: [1] }]);
      await plan.run(2);
      expect(gpuFloats(x)).toEqual([4, 4 * round]);
      if (round % 2 === 0) plan.dispose();
    }
    const now = emulatedStatistics();
    expect([now.contexts, now.allocations, now.hostAllocations, now.streams, now.events, now.modules, now.graphExecs]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });
});

import { afterAll, afterEach, describe, expect, test } from 'vitest';

import type { NativeGpuInfo } from '../../../runtime/device/addon-gpu.js';
import { gpuIdentity } from '../../../runtime/device/cuda-driver.js';
import { parseCudaSpec, parseEmulatedSpec } from '../../../runtime/device/cuda-spec.js';
import { openDevice } from '../../../runtime/device/index.js';
import { DeviceError, UsageError } from '../../../runtime/errors.js';
import { temporaryFolder } from '../native/fixture.js';
import { buildFakeDriver, buildFakeNvml, type FakeDriver } from './fake-cuda.js';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const H100: NativeGpuInfo = {
  name: 'NVIDIA H100 80GB HBM3',
  memoryBytes: 84_929_347_584,
  capability: 90,
  multiprocessors: 132,
  l2Bytes: 52_428_800,
  clockKhz: 1_980_000,
  memoryClockKhz: 2_619_000,
  busWidthBits: 5120,
  sharedOptin: 232_448,
  sharedPerSm: 233_472,
  sharedPerBlock: 49_152,
  registersPerSm: 65_536,
  threadsPerSm: 2048,
  blocksPerSm: 32,
};

describe('identity', () => {
  test('says what the driver says', () => {
    expect(gpuIdentity(parseCudaSpec('1'), H100, 12040)).toEqual({
      kind: 'cuda',
      name: 'NVIDIA H100 80GB HBM3',
      key: 'cuda-nvidia-h100-80gb-hbm3-sm90-132sm-80g',
      isas: ['sm80', 'sm90'],
      cores: 132,
      l1dBytes: 233_472,
      l2Bytes: 52_428_800,
      l3Bytes: 0,
      memoryBytes: 84_929_347_584,
      gpu: {
        index: 1,
        driver: 12040,
        capability: 90,
        multiprocessors: 132,
        clockKhz: 1_980_000,
        memoryClockKhz: 2_619_000,
        busWidthBits: 5120,
        theoreticalBandwidth: 3_352_320_000_000,
        sharedOptin: 232_448,
        sharedPerSm: 233_472,
        sharedPerBlock: 49_152,
        registersPerSm: 65_536,
        threadsPerSm: 2048,
        blocksPerSm: 32,
      },
    });
  });

  test('the key is the same where only index, driver and the memory that the driver keeps differ', () => {
    const key = (index: string, memoryBytes: number): string => gpuIdentity(parseCudaSpec(index), { ...H100, memoryBytes }, 12000 + Number(index)).key;
    expect(key('0', 85_045_084_160)).toBe(key('2', 84_929_347_584));
    expect(key('0', 42_949_672_960)).toMatch(/-40g$/);
    expect(gpuIdentity(parseCudaSpec('0'), { ...H100, memoryBytes: 25_387_401_216, capability: 86, name: 'NVIDIA GeForce RTX 3090' }, 12000).key).toBe(
      'cuda-nvidia-geforce-rtx-3090-sm86-132sm-24g',
    );
  });

  test.each([
    [80, ['sm80']],
    [89, ['sm80']],
    [90, ['sm80', 'sm90']],
    [120, ['sm80', 'sm90']],
    [130, ['sm80']],
  ])('capability %d runs %j', (capability, isas) => {
    expect(gpuIdentity(parseCudaSpec('0'), { ...H100, capability }, 12000).isas).toEqual(isas);
  });

  test('an emulated device says its flavour', () => {
    const checked = gpuIdentity(parseEmulatedSpec(undefined), H100, 12000);
    const fast = gpuIdentity(parseEmulatedSpec('fast'), H100, 12000);
    expect([checked.key, checked.gpu?.checked]).toEqual(['emulated-checked-nvidia-h100-80gb-hbm3-sm90-132sm-80g', true]);
    expect([fast.key, fast.gpu?.checked]).toEqual(['emulated-fast-nvidia-h100-80gb-hbm3-sm90-132sm-80g', false]);
  });
});

afterEach(() => {
  delete process.env['GRIFFIN_CUDA_DRIVER'];
  delete process.env['GRIFFIN_NVML'];
});

describe('without a driver', () => {  test('a missing library is named, with what to do', () => {
    process.env['GRIFFIN_CUDA_DRIVER'] = 'libno-such-driver.so.1';
    expect(() => openDevice('cuda')).toThrow(UsageError);
    expect(() => openDevice('cuda:1')).toThrow(/^cuda:1: there is no usable CUDA driver: libno-such-driver\.so\.1: .*\n {2}try: install an NVIDIA driver/);
  });

  test('a library that is no driver is refused', () => {
    process.env['GRIFFIN_CUDA_DRIVER'] = 'libm.so.6';
    expect(() => openDevice('cuda')).toThrow('libm.so.6: has no cuInit');
  });
});

describe('a driver that will not do', () => {
  test.each<[string, FakeDriver, string, string]>([
    ['old', { version: 11080, gpus: [90] }, 'cuda:0: the driver is of CUDA 11.8, needed is 12.0 or later', 'install NVIDIA driver 525 or later'],
    ['broken', { init: 803, version: 12040, gpus: [90] }, 'the CUDA driver (CUDA 12.4) does not start: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803, driver and library differ)', 'nvidia-smi'],
    ['empty', { version: 12040, gpus: [] }, 'cuda:0: the CUDA driver finds no GPU', 'CUDA_VISIBLE_DEVICES'],
    ['no-device', { init: 100, version: 12040, gpus: [] }, 'cuda:0: the CUDA driver finds no GPU', 'CUDA_VISIBLE_DEVICES'],
    ['weak', { version: 12040, gpus: [75] }, 'cuda:0: Fake 0 has compute capability 7.5, needed is 8.0 or higher', '--device cpu'],
    ['mixed', { version: 12040, gpus: [61, 89] }, 'cuda:0: Fake 0 has compute capability 6.1, needed is 8.0 or higher', '--device cuda:1 (Fake 1)'],
  ])('%s', (name, fake, message, remedy) => {
    process.env['GRIFFIN_CUDA_DRIVER'] = buildFakeDriver(folder.path, `libfake-${name}.so`, fake);
    expect(() => openDevice('cuda')).toThrow(UsageError);
    expect(() => openDevice('cuda')).toThrow(message);
    expect(() => openDevice('cuda')).toThrow(remedy);
  });

  test('a GPU that cannot be opened is an error of the device', () => {
    process.env['GRIFFIN_CUDA_DRIVER'] = buildFakeDriver(folder.path, 'libfake-busy.so', { version: 12040, gpus: [90] });
    expect(() => openDevice('cuda')).toThrow(DeviceError);
    expect(() => openDevice('cuda')).toThrow('cuda:0: creating a context: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (801');
  });
});

describe('sensors', () => {
  test('say what the management library says', async () => {
    process.env['GRIFFIN_NVML'] = buildFakeNvml(folder.path);
    await using device = openDevice('emulated:fast');
    expect(device.sensors?.()).toEqual({ smClockMhz: 1755, memClockMhz: 2619, powerW: 654.321, temperatureC: null, throttleReasons: ['power cap', 'thermal'] });
  });

  test('are null where there is none', async () => {
    process.env['GRIFFIN_NVML'] = 'libno-such-nvml.so.1';
    await using device = openDevice('emulated:fast');
    expect(device.sensors?.()).toBeNull();
  });
});

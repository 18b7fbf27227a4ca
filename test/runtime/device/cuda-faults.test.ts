import { afterEach, describe, expect, test } from 'vitest';

import type { CudaDevice } from '../../../runtime/device/cuda.js';
import { emulatedStatistics, injectEmulatedFault } from '../../../runtime/device/cuda-driver.js';
import type { DeviceBuffer, Plan } from '../../../runtime/device/types.js';
import { DeviceError, LibraryError } from '../../../runtime/errors.js';
import { cudaTestKernels, gpuInts, loadCudaTestKernels, openEmulated, planOf } from './cuda-fixture.js';

let opened: CudaDevice[] = [];
afterEach(async () => {
  injectEmulatedFault('none');
  await Promise.all(opened.map((device) => device.dispose())); // also where a test has failed
  opened = [];
});

interface Work {
  readonly device: CudaDevice;
  readonly log: DeviceBuffer;
  readonly plan: Plan;
}

function work(detail: string, watchdogMs?: number): Work {
  const device = openEmulated(detail, watchdogMs === undefined ? {} : { watchdogMs });
  opened.push(device);
  const { append } = loadCudaTestKernels(device);
  const log = device.allocate(4 * 40, { label: 'log' });
  const plan = planOf(device, [append, { buffers: [log], ints: [1, 0], floats: [], label: 'layers.0 norm' }]);
  log.read(); // all of the above has happened on the device
  return { device, log, plan };
}

/** After a fault: everything fails at once and says why, disposal gives everything back, and a new device works. */
async function expectLostAndClean({ device, log, plan }: Work, detail: string, why: string): Promise<void> {
  const lost = `the device emulated:${detail} is lost, dispose it and open it again; it failed with: `;
  for (const call of [() => log.read(), () => log.write(new Uint8Array(1)), () => device.allocate(1, { label: 'b' }), () => planOf(device)]) {
    expect(call).toThrow(DeviceError);
    expect(call).toThrow(lost);
    expect(call).toThrow(why);
  }
  await expect(plan.run()).rejects.toThrow(lost);
  await expect(plan.profile()).rejects.toThrow(DeviceError);
  plan.dispose();
  await device.dispose();
  log.dispose();
  const now = emulatedStatistics();
  expect([now.contexts, now.allocations, now.hostAllocations, now.streams, now.events, now.modules, now.graphExecs]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  injectEmulatedFault('none');
  const fresh = work(detail);
  await fresh.plan.run();
  expect(gpuInts(fresh.log)[0]).toBe(1);
  await fresh.device.dispose();
}

describe.each(['fast', 'checked', 'fast,eager'])('emulated:%s', (detail) => {
  test('a launch that fails loses the device, with the kernel named', async () => {
    const all = work(detail);
    injectEmulatedFault('launch@2');
    await all.plan.run();
    const runs = await Promise.allSettled([all.plan.run(3), all.plan.run(), all.plan.run()]);
    expect(runs.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    const [first] = runs as PromiseRejectedResult[];
    expect(first?.reason).toBeInstanceOf(DeviceError);
    expect(String(first?.reason)).toMatch(/running test plan: .*CUDA_ERROR_LAUNCH_FAILED \(719, .*\)\n.*gk_append__main/s);
    await expectLostAndClean(all, detail, 'CUDA_ERROR_LAUNCH_FAILED');
  });

  test('a device that is lost says so', async () => {
    const all = work(detail);
    injectEmulatedFault('lost@1');
    await expect(all.plan.run()).rejects.toThrow(/running test plan: .*CUDA_ERROR_UNKNOWN/s);
    await expectLostAndClean(all, detail, 'CUDA_ERROR_UNKNOWN');
  });

  test('a kernel that never ends: the watchdog fails the run, disposal returns', async () => {
    const all = work(detail, 200);
    injectEmulatedFault('hang@1');
    const runs = await Promise.allSettled([all.plan.run(), all.plan.run()]);
    expect(runs.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(String((runs[0] as PromiseRejectedResult).reason)).toMatch(/DeviceError: .*running test plan: has not ended within 200 ms/);
    await expectLostAndClean(all, detail, 'has not ended within 200 ms');
  });

  test('a kernel that never ends, without a watchdog: disposal ends it', async () => {
    const { device, plan, log } = work(detail, 0);
    injectEmulatedFault('hang@1');
    const run = plan.run().catch((error: unknown) => error);
    await new Promise((settle) => setTimeout(settle, 30));
    log.dispose(); // must not wait for the kernel
    await device.dispose();
    expect(String(await run)).toContain(`DeviceError: the device emulated:${detail} is disposed`);
    expect(emulatedStatistics().contexts).toBe(0);
  });

  test('a copy that fails', async () => {
    const all = work(detail);
    injectEmulatedFault('memcpy@1');
    expect(() => all.log.read()).toThrow(DeviceError);
    await expectLostAndClean(all, detail, 'reading 160 bytes from log');
  });

  test('a write that fails behind the back of its caller is told by the next read', async () => {
    const all = work(detail);
    injectEmulatedFault('memcpy@1');
    all.log.write(new Uint8Array([1]));
    expect(() => all.log.read()).toThrow(DeviceError);
    await expectLostAndClean(all, detail, 'CUDA_ERROR_');
  });

  test('a module that is refused is an error of the library, and the device goes on', async () => {
    await using device = openEmulated(detail);
    const path = cudaTestKernels(detail.startsWith('checked') ? 'checked' : 'fast');
    injectEmulatedFault('module@1');
    const load = (): unknown => device.loadKernels(path, ['gk_append']);
    expect(load).toThrow(LibraryError);
    injectEmulatedFault('module@1');
    expect(load).toThrow(/cannot be loaded for capability 9\.0: CUDA_ERROR_NO_BINARY_FOR_GPU/);
    expect(load()).toHaveLength(1);
  });

  test('an allocation that fails is tried again after what is kept was given back', async () => {
    await using device = openEmulated(detail);
    {
      using kept = device.allocate(3 * 2 ** 20, { label: 'kept' });
      expect(kept.read(0, 1)[0]).toBe(0);
    }
    injectEmulatedFault('alloc@1');
    using buffer = device.allocate(5 * 2 ** 20, { label: 'b' });
    expect(buffer.read(0, 4)).toEqual(new Uint8Array(4));
    expect(device.reservedBytes()).toBeLessThan(8 * 2 ** 20);
  });
});

test('a fault that checking finds is told with its kernel and buffer', async () => {
  await using device = openEmulated('checked');
  const { stray } = loadCudaTestKernels(device);
  using buffer = device.allocate(100, { label: 'b' });
  using plan = planOf(device, [stray, { buffers: [buffer], ints: [105], floats: [] }]);
  await expect(plan.run()).rejects.toThrow(
    /running test plan: CUDA_ERROR_ILLEGAL_ADDRESS \(700, .*\)\n.*gk_stray__main.*out of bounds.* = byte 105 of `b` \(100 bytes\)/s,
  );
});

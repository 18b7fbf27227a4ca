/** The devices of this machine, as far as they can be found without opening them, for comparing them with what a library was measured on. */
import { callNative } from '../../runtime/device/addon.js';
import { cpuIdentity } from '../../runtime/device/cpu-info.js';
import { cudaLibrary, gpuIdentity } from '../../runtime/device/cuda-driver.js';
import { parseCudaSpec } from '../../runtime/device/cuda-spec.js';
import type { DeviceIdentity } from '../../runtime/device/types.js';
import { GriffinError } from '../../runtime/errors.js';
import { compilerFor } from '../../tuning/kernel-compilers.js';
import type { DeviceFacts } from '../../tuning/library/doctor.js';
import { driverOf } from '../../tuning/run-identity.js';

/** CPU and GPUs. An emulated device is on no machine. */
export async function devicesHere(): Promise<readonly DeviceFacts[]> {
  const facts: DeviceFacts[] = [];
  for (const identity of [cpuIdentity(), ...gpus()]) facts.push({ key: identity.key, driver: driverOf(identity), compiler: await compilerVersion(identity) });
  return facts;
}

function gpus(): readonly DeviceIdentity[] {
  const found = callNative((addon) => addon.gpuProbe(cudaLibrary(), ''));
  return (found.devices ?? []).map((gpu, index) => gpuIdentity(parseCudaSpec(String(index)), gpu, found.driver ?? 0));
}

async function compilerVersion(identity: DeviceIdentity): Promise<string | null> {
  try {
    return (await compilerFor(identity)).version;
  } catch (error) {
    if (error instanceof GriffinError) return null;
    throw error;
  }
}

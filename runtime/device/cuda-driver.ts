import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { UsageError } from '../errors.js';
import { addonPath, callNative } from './addon.js';
import type { EmulatedStatistics, NativeGpuInfo, NativeProbe } from './addon-gpu.js';
import type { CudaSpec, EmulatedSpec } from './cuda-spec.js';
import type { DeviceIdentity } from './types.js';

/** Oldest CUDA version of a driver that this project runs on, as drivers count: 12.0. */
const OLDEST_DRIVER = 12000;
/** Oldest compute capability. */
const OLDEST_CAPABILITY = 80;
const GIB = 2 ** 30;

/** NVIDIA's driver library: `$GRIFFIN_CUDA_DRIVER`, else what the dynamic linker finds. */
export function cudaLibrary(): string {
  return process.env['GRIFFIN_CUDA_DRIVER'] || 'libcuda.so.1';
}

/** NVIDIA's management library: `$GRIFFIN_NVML`, else what the dynamic linker finds. */
export function nvmlLibrary(): string {
  return process.env['GRIFFIN_NVML'] || 'libnvidia-ml.so.1';
}

/** The emulated driver that is built beside the addon. */
export function emulatedLibrary(): string {
  return join(dirname(addonPath()), 'libgriffin_emulated_cuda.so');
}

const version = (driver: number): string => `${Math.floor(driver / 1000)}.${Math.floor((driver % 1000) / 10)}`;
const capabilityText = (capability: number): string => `${Math.floor(capability / 10)}.${capability % 10}`;

function list(devices: readonly NativeGpuInfo[]): string {
  return devices.map((gpu, i) => `cuda:${i} is ${gpu.name} (${capabilityText(gpu.capability)})`).join(', ');
}

/** The GPU that a spec names, with its driver's version. Throws UsageError that says what is there and what to do. */
export function findGpu(spec: CudaSpec): { readonly gpu: NativeGpuInfo; readonly driver: number } {
  const library = cudaLibrary();
  const found = callNative((addon) => addon.gpuProbe(library, ''));
  if (found.missing !== undefined) {
    throw new UsageError(`${spec.name}: there is no usable CUDA driver: ${found.missing}`, {
      remedy: 'install an NVIDIA driver for CUDA 12.0 or later (nvidia-smi shows it), or use --device cpu, or --device emulated to try kernels without a GPU',
    });
  }
  const driver = found.driver ?? 0;
  if (found.failed !== undefined) {
    throw new UsageError(`${spec.name}: the CUDA driver (CUDA ${version(driver)}) does not start: ${found.failed}`, {
      remedy: 'nvidia-smi, which says more; after a driver update the machine must be restarted',
    });
  }
  if (driver < OLDEST_DRIVER) {
    throw new UsageError(`${spec.name}: the driver is of CUDA ${version(driver)}, needed is ${version(OLDEST_DRIVER)} or later`, {
      remedy: 'install NVIDIA driver 525 or later',
    });
  }
  const devices = found.devices ?? [];
  if (devices.length === 0) {
    throw new UsageError(`${spec.name}: the CUDA driver finds no GPU`, { remedy: 'nvidia-smi, and see whether CUDA_VISIBLE_DEVICES hides it' });
  }
  const gpu = devices[spec.index];
  if (gpu === undefined) throw new UsageError(`there is no ${spec.name}: ${list(devices)}`, { remedy: '--device cuda:0' });
  if (gpu.capability < OLDEST_CAPABILITY) {
    const fit = devices.findIndex((other) => other.capability >= OLDEST_CAPABILITY);
    throw new UsageError(
      `${spec.name}: ${gpu.name} has compute capability ${capabilityText(gpu.capability)}, needed is ${capabilityText(OLDEST_CAPABILITY)} or higher`,
      { remedy: fit >= 0 ? `--device cuda:${fit} (${devices[fit]?.name})` : '--device cpu' },
    );
  }
  return { gpu, driver };
}

/** The GPU that the emulated driver plays with these settings. Throws UsageError when that library is not built. */
export function findEmulated(spec: EmulatedSpec, settings: string): { readonly gpu: NativeGpuInfo; readonly driver: number } {
  const library = emulatedLibrary();
  const remedy = 'npm run build:addon';
  if (!existsSync(library)) throw new UsageError(`${spec.name}: the emulated driver is not built: ${library} is missing`, { remedy });
  const found: NativeProbe = callNative((addon) => addon.gpuProbe(library, settings));
  const gpu = found.devices?.[0];
  if (gpu === undefined) throw new UsageError(`${spec.name}: the emulated driver does not start: ${found.missing ?? found.failed ?? 'no device'}`, { remedy });
  return { gpu, driver: found.driver ?? 0 };
}

/** Memory size as sold: the driver keeps some for itself, and how much differs from machine to machine. */
function memoryClass(bytes: number): number {
  const gib = Math.ceil(bytes / GIB);
  return gib > 16 ? Math.ceil(gib / 4) * 4 : gib;
}

/** Letters, digits and hyphens only, so that a key can be a file name or a JSON key anywhere. */
const toKey = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');

/** Who a GPU is. Its key is the same on every machine with the same model. */
export function gpuIdentity(spec: CudaSpec | EmulatedSpec, gpu: NativeGpuInfo, driver: number): DeviceIdentity {
  const { name, memoryBytes, l2Bytes, ...rest } = gpu;
  const flavour = spec.kind === 'emulated' ? `-${spec.checked ? 'checked' : 'fast'}` : '';
  return {
    kind: spec.kind,
    name,
    key: `${spec.kind}${flavour}-${toKey(name)}-sm${gpu.capability}-${gpu.multiprocessors}sm-${memoryClass(memoryBytes)}g`,
    isas: gpu.capability >= 90 && gpu.capability < 130 ? ['sm80', 'sm90'] : ['sm80'],
    cores: gpu.multiprocessors,
    l1dBytes: gpu.sharedPerSm,
    l2Bytes,
    l3Bytes: 0,
    memoryBytes,
    gpu: {
      index: spec.kind === 'cuda' ? spec.index : 0,
      driver,
      ...rest,
      theoreticalBandwidth: 2 * gpu.memoryClockKhz * 1000 * (gpu.busWidthBits / 8),
      ...(spec.kind === 'emulated' ? { checked: spec.checked } : {}),
    },
  };
}

/** What is alive in the emulated driver, over all devices of this process. For tests of leaks. */
export function emulatedStatistics(): EmulatedStatistics {
  return callNative((addon) => addon.gpuEmulatedStatistics(emulatedLibrary()));
}

/** Lets a later call of the emulated driver fail: `alloc@3`, `launch@1`, … (docs/cuda.md). For tests of faults. */
export function injectEmulatedFault(fault: string): void {
  callNative((addon) => addon.gpuEmulatedInject(emulatedLibrary(), fault));
}

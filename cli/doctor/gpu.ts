/** What `griffin doctor` finds of GPUs: driver, devices, compilers, shipped kernels, the emulated device. None of it is needed on a CPU. */
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { bytesText } from '../../runtime/bench/format.js';
import { sensorText } from '../../runtime/bench/sensors.js';
import type { NativeGpuInfo } from '../../runtime/device/addon-gpu.js';
import { callNative } from '../../runtime/device/addon.js';
import { cudaLibrary, emulatedLibrary } from '../../runtime/device/cuda-driver.js';
import { openDevice } from '../../runtime/device/index.js';
import { GriffinError } from '../../runtime/errors.js';
import { readFatbinIndex } from '../../runtime/library/fatbins.js';
import { EMULATED_TARGET_PREFIX, readKernelIndex, readManifest } from '../../runtime/library/manifest.js';
import { findNvcc } from '../../tuning/cuda/nvcc.js';
import { findNvrtc } from '../../tuning/cuda/nvrtc.js';
import type { Check } from './checks.js';

const version = (driver: number): string => `${Math.floor(driver / 1000)}.${Math.floor((driver % 1000) / 10)}`;
const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';

/** Needs the addon. */
export async function gpuChecks(): Promise<readonly Check[]> {
  const { checks, present } = await devices();
  return [...checks, await cudaCompiler(present), ...(present ? [cublas()] : []), shippedFatbins(present), emulated()];
}

async function devices(): Promise<{ checks: readonly Check[]; present: boolean }> {
  const name = 'GPU';
  const found = callNative((addon) => addon.gpuProbe(cudaLibrary(), ''));
  if (found.missing !== undefined) return { checks: [{ name, status: 'ok', found: `none: ${found.missing}` }], present: false };
  if (found.failed !== undefined) {
    return { checks: [{ name, status: 'warning', found: `the driver (CUDA ${version(found.driver ?? 0)}) does not start: ${found.failed}`, remedy: 'nvidia-smi, which says more' }], present: false };
  }
  const gpus = found.devices ?? [];
  if (gpus.length === 0) return { checks: [{ name, status: 'warning', found: `the driver (CUDA ${version(found.driver ?? 0)}) finds no GPU`, remedy: 'nvidia-smi, and see whether CUDA_VISIBLE_DEVICES hides it' }], present: false };
  const checks: Check[] = [];
  for (const [i, gpu] of gpus.entries()) checks.push(await device(i, gpu, found.driver ?? 0));
  return { checks, present: true };
}

async function device(index: number, gpu: NativeGpuInfo, driver: number): Promise<Check> {
  const name = `cuda:${index}`;
  const text = `${gpu.name}, compute capability ${(gpu.capability / 10).toFixed(1)}, ${gpu.multiprocessors} multiprocessors, ${bytesText(gpu.memoryBytes)}, level-2 cache ${bytesText(gpu.l2Bytes)}; driver for CUDA ${version(driver)}`;
  try {
    await using opened = openDevice(name);
    const sensors = opened.sensors?.() ?? null;
    return { name, status: 'ok', found: `${text}; ${(sensors === null ? null : sensorText(sensors)) ?? 'clocks unknown: libnvidia-ml.so.1 is not found'}` };
  } catch (error) {
    const remedy = error instanceof GriffinError ? error.remedy : undefined;
    return { name, status: 'warning', found: `${text}; cannot be opened: ${firstLine(error)}`, ...(remedy === undefined ? {} : { remedy }) };
  }
}

async function cudaCompiler(present: boolean): Promise<Check> {
  const name = 'CUDA compiler';
  const found: string[] = [];
  const problems: string[] = [];
  for (const find of [findNvcc, findNvrtc]) {
    try {
      const compiler = await find();
      if (compiler !== null) found.push(`${compiler.kind} ${compiler.path} (${compiler.version})`);
    } catch (error) {
      problems.push(firstLine(error));
    }
  }
  const text = [...found, ...problems].join('; ');
  if (found.length > 0) return { name, status: problems.length > 0 ? 'warning' : 'ok', found: text };
  if (!present) return { name, status: 'ok', found: text === '' ? 'none, and none is needed without a GPU' : text };
  return { name, status: 'warning', found: `${text === '' ? 'neither nvcc nor libnvrtc' : text}; default kernels run, tuning does not`, remedy: 'install the CUDA toolkit, or set GRIFFIN_NVCC or GRIFFIN_NVRTC' };
}

/** NVIDIA's BLAS, by its file: a candidate for prompts where it is there, never needed. */
function cublas(): Check {
  const homes = [process.env['CUDA_HOME'], process.env['CUDA_PATH'], '/usr/local/cuda'].filter((home) => home !== undefined && home !== '');
  const folders = [...(process.env['LD_LIBRARY_PATH'] ?? '').split(delimiter), ...homes.map((home) => join(home as string, 'lib64')), '/usr/lib/x86_64-linux-gnu', '/usr/lib64'];
  const path = folders.filter((folder) => folder !== '').flatMap((folder) => librariesIn(folder))[0];
  return { name: 'cuBLASLt', status: 'ok', found: path ?? 'not in the usual folders; our own kernels run prompts' };
}

function librariesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /^libcublasLt\.so(\.\d+)*$/.test(name)).map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** Whether the compiled default kernels are of today's sources. */
function shippedFatbins(present: boolean): Check {
  const name = 'CUDA kernels';
  const remedy = 'npx griffin kernels fatbins';
  try {
    const index = readFatbinIndex();
    const forms = Object.values(readManifest().forms).filter(({ isa }) => isa === 'sm80');
    const current = forms.filter((form) => index.families[form.family]?.kernels[form.kernel]?.source === form.sha256).length;
    const found = `${current} of ${forms.length} default kernels for ${index.capabilities.map((capability) => (capability / 10).toFixed(1)).join(', ')} and newer; compiled by ${index.compiler}`;
    return current === forms.length ? { name, status: 'ok', found } : { name, status: 'warning', found: `${found}; the others are missing or of older sources`, remedy };
  } catch (error) {
    return { name, status: present ? 'warning' : 'ok', found: present ? firstLine(error) : 'not compiled', ...(present ? { remedy } : {}) };
  }
}

/** For tests and `griffin verify --device emulated`. */
function emulated(): Check {
  const name = 'emulated GPU';
  if (!existsSync(emulatedLibrary())) return { name, status: 'ok', found: 'its driver is not built (for tests of CUDA kernels without a GPU)' };
  let kernels = 0;
  try {
    kernels = Object.entries(readKernelIndex().isas).filter(([isa]) => isa.startsWith(EMULATED_TARGET_PREFIX)).reduce((sum, [, objects]) => sum + objects.reduce((count, object) => count + object.kernels.length, 0), 0);
  } catch {
    // the check of the default kernels says so
  }
  return kernels > 0 ? { name, status: 'ok', found: `driver and ${kernels} kernels are built` } : { name, status: 'ok', found: 'driver is built, its kernels are not (npm run build:emulated)' };
}

import type { Device, Kernel } from '../device/types.js';
import { LibraryError } from '../errors.js';
import type { KernelProblem } from './dispatch.js';
import { fatbinDirectory, FATBIN_REMEDY, findFatbin, readFatbinIndex, type FatbinIndex } from './fatbins.js';
import { defaultKernelDirectory, EMULATED_TARGET_PREFIX, findForm, findObject, readKernelIndex, type Manifest } from './manifest.js';
import { verifiedBinary } from './winners.js';

/** The default kernel of a form on one device. Throws a LibraryError with the command that mends it. */
export type DefaultKernels = (form: Pick<KernelProblem, 'family' | 'params'>) => { readonly kernel: Kernel; readonly id: string };

export interface DefaultLocations {
  /** Compiled kernels for CPUs and for the emulated device. Default: `build/kernels` of the package. */
  readonly kernels?: string;
  /** Fatbins for GPUs. Default: `generated/cuda` of the package. */
  readonly fatbins?: string;
}

/**
 * Opens the default kernels of a device: shared objects of its instruction set on a CPU, of its flavour (checked or fast) on the emulated
 * device, fatbins on a GPU. Reads the index, and loads each file when a kernel of it is first asked for, after comparing its SHA-256.
 */
export function openDefaults(device: Device, manifest: Manifest, locations: DefaultLocations): DefaultKernels {
  if (device.identity.kind === 'cuda') return fromFatbins(device, manifest, locations.fatbins ?? fatbinDirectory());
  const directory = locations.kernels ?? defaultKernelDirectory();
  if (device.identity.kind !== 'emulated') return fromObjects(device, manifest, directory, device.isa, [device.isa], 'npm run build:kernels');
  const flavour = device.identity.gpu?.checked === false ? 'fast' : 'checked';
  return fromObjects(device, manifest, directory, `${EMULATED_TARGET_PREFIX}${flavour}`, isasUpTo(device), 'npm run build:emulated');
}

/** Instruction sets that the device runs, weakest first, its own last. */
export function isasUpTo(device: Device): readonly string[] {
  return device.identity.isas.slice(0, device.identity.isas.indexOf(device.isa) + 1);
}

/** @param target name of the device's kernels in the index */
function fromObjects(device: Device, manifest: Manifest, directory: string, target: string, isas: readonly string[], remedy: string): DefaultKernels {
  const index = readKernelIndex(directory, remedy);
  if (!Object.hasOwn(index.isas, target)) {
    throw new LibraryError(`${directory}: the default kernels for ${target} are not built (there are: ${Object.keys(index.isas).join(', ') || 'none'})`, { remedy });
  }
  const load = fileLoader(device, directory, remedy);
  return ({ family, params }) => {
    const { kernel: id } = findForm(manifest, family, params, isas);
    const object = findObject(index, target, id);
    if (object === undefined) throw new LibraryError(`${directory}: the default kernel ${id} is not built for ${target}`, { remedy });
    return { kernel: load(object, object.kernels, id), id };
  };
}

function fromFatbins(device: Device, manifest: Manifest, directory: string): DefaultKernels {
  const index = readFatbinIndex(directory);
  requireCode(device, index, directory);
  const load = fileLoader(device, directory, FATBIN_REMEDY);
  return ({ family, params }) => {
    const { kernel: id, sha256 } = findForm(manifest, family, params, isasUpTo(device));
    const fatbin = findFatbin(index, family, id);
    if (fatbin === undefined) throw new LibraryError(`${directory}: the default kernel ${id} is in no fatbin`, { remedy: FATBIN_REMEDY });
    if (fatbin.kernels[id]?.source !== sha256) {
      throw new LibraryError(`${directory}: ${fatbin.file} holds ${id} as it was before its source changed`, { remedy: FATBIN_REMEDY });
    }
    return { kernel: load(fatbin, Object.keys(fatbin.kernels), id), id };
  };
}

/** A GPU runs machine code of its own generation up to its own version, and PTX up to its own. */
function requireCode(device: Device, index: FatbinIndex, directory: string): void {
  const capability = device.identity.gpu?.capability;
  if (capability === undefined || index.ptx <= capability) return;
  const generation = Math.floor(capability / 10);
  if (index.capabilities.some((one) => Math.floor(one / 10) === generation && one <= capability)) return;
  const list = index.capabilities.map((one) => one / 10).join(', ');
  throw new LibraryError(`${directory}: the compiled CUDA kernels are for compute capability ${list} and PTX for ${index.ptx / 10}; this GPU has ${capability / 10}`, {
    remedy: `add the capability to the generator's list, then ${FATBIN_REMEDY}`,
  });
}

/** Loads a file once, all of its kernels together. */
function fileLoader(device: Device, directory: string, remedy: string): (file: { readonly file: string; readonly sha256: string }, kernels: readonly string[], id: string) => Kernel {
  const loaded = new Map<string, ReadonlyMap<string, Kernel>>();
  return (file, names, id) => {
    let kernels = loaded.get(file.file);
    if (kernels === undefined) {
      const path = verified(directory, file, remedy);
      kernels = new Map(device.loadKernels(path, names.map((name) => `gk_${name}`)).map((kernel, i) => [names[i]!, kernel]));
      loaded.set(file.file, kernels);
    }
    return kernels.get(id)!;
  };
}

function verified(directory: string, file: { readonly file: string; readonly sha256: string }, remedy: string): string {
  try {
    return verifiedBinary(directory, file);
  } catch (error) {
    throw new LibraryError((error as Error).message, { remedy, cause: error });
  }
}

import type { Device } from '../runtime/device/types.js';
import { LibraryError } from '../runtime/errors.js';
import type { KernelLibrary } from '../runtime/library/library.js';
import type { Model } from '../runtime/model/model.js';
import { statusLine, warnBriefly } from './output.js';

/** Flags of every command that runs a model. */
export interface DeviceFlags {
  readonly device: string;
  readonly threads?: number;
  readonly library?: string;
}

/**
 * Lets a GPU fill and transpose by the library's kernels instead of on the host; a library without them costs time, nothing else.
 */
export function lendUtilities(device: Device, library: KernelLibrary): void {
  device.useUtilities?.((family, params) => {
    try {
      return library.kernel(family, params, {});
    } catch (error) {
      if (error instanceof LibraryError) return undefined;
      throw error;
    }
  });
}

/** Loads a checkpoint as the flags say, with progress and warnings on standard error. */
export async function loadForCommand(directory: string, flags: DeviceFlags, signal: AbortSignal): Promise<Model> {
  // Imported here so that help and usage errors need no addon.
  const { loadModel } = await import('../runtime/model/load.js');
  const status = statusLine();
  const warnings = warnBriefly();
  try {
    return await loadModel(directory, {
      device: flags.device,
      ...(flags.threads === undefined ? {} : { threads: flags.threads }),
      ...(flags.library === undefined ? {} : { library: flags.library }),
      signal,
      onProgress: ({ bytesDone, bytesTotal }) => status.update(`loading ${directory}: ${Math.floor((100 * bytesDone) / Math.max(1, bytesTotal))} %`),
      onWarning: warnings.add,
    });
  } finally {
    status.clear();
    warnings.end();
  }
}

import { FAMILIES } from '../generator/families/index.js';
import { openDevice } from '../runtime/device/index.js';
import type { Device } from '../runtime/device/types.js';
import { LibraryError } from '../runtime/errors.js';
import { openLibrary, type KernelLibrary } from '../runtime/library/library.js';
import type { TuningEnvironment } from './environment.js';

/** What workers load: every kernel family, on whatever device the runtime can open. */
export const environment: TuningEnvironment = {
  families: FAMILIES,
  openDevice({ device = 'cpu', threads }) {
    const opened = openDevice(device, threads === undefined ? {} : { threads });
    lendUtilities(opened);
    return Promise.resolve(opened);
  },
};

/** A GPU fills gigabytes of test weights by the shipped kernel for it; without one the host does it, slowly. */
function lendUtilities(device: Device): void {
  if (device.useUtilities === undefined) return;
  let library: KernelLibrary | null = null;
  let absent = false;
  device.useUtilities((family, params) => {
    if (absent) return undefined;
    try {
      library ??= openLibrary(device);
      return library.kernel(family, params, {});
    } catch (error) {
      if (!(error instanceof LibraryError)) throw error;
      absent = true;
      return undefined;
    }
  });
}

/** The URL of this module, from sources or built. */
export const DEVICE_ENVIRONMENT_URL = new URL(import.meta.url.endsWith('.ts') ? './device-environment.ts' : './device-environment.js', import.meta.url).href;

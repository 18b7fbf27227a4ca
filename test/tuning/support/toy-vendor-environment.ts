/** The toy environment on a device where a vendor's library has a kernel of the family, faster than the default variant. */
import type { VendorKernel } from '../../../runtime/device/types.js';
import type { TuningEnvironment } from '../../../tuning/environment.js';
import { createFakeDevice } from './fake-device.js';
import { MODES, toyFamily } from './toy-family.js';

const kernel: VendorKernel & { readonly mode: number } = { id: 'toy_scale__any__cublaslt__base', phases: 1, scratchBytes: 0, version: '1.2.3', mode: MODES.faster };

export const environment: TuningEnvironment = {
  families: [toyFamily],
  simulatedTimes: true,
  openDevice: (request) => Promise.resolve({ ...createFakeDevice(request.threads ?? 2), vendorKernel: (family: string) => (family === toyFamily.name ? kernel : null) }),
};

/** The toy environment on a device that reports a fault when the faster kernel is timed, as a GPU does for what a kernel did to it. */
import { DeviceError } from '../../../runtime/errors.js';
import type { TuningEnvironment } from '../../../tuning/environment.js';
import { createFakeDevice } from './fake-device.js';
import { MODES, toyFamily } from './toy-family.js';

export const environment: TuningEnvironment = {
  families: [toyFamily],
  simulatedTimes: true,
  openDevice: (request) =>
    Promise.resolve(
      createFakeDevice(request.threads ?? 2, {
        onRun(label) {
          if (label === `measure toy_scale__any__portable__mode${MODES.faster}`) throw new DeviceError('an illegal memory access');
        },
      }),
    ),
};

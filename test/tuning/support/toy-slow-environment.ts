/** The toy environment on a device whose runs take their time, as real ones do. Writes the worker's process id to the file that the variable names. */
import { writeFileSync } from 'node:fs';
import type { TuningEnvironment } from '../../../tuning/environment.js';
import { createFakeDevice } from './fake-device.js';
import { toyFamily } from './toy-family.js';

export const environment: TuningEnvironment = {
  families: [toyFamily],
  simulatedTimes: true,
  openDevice(request) {
    const file = process.env['GRIFFIN_TOY_PID_FILE'];
    if (file !== undefined) writeFileSync(file, String(process.pid));
    return Promise.resolve(createFakeDevice(request.threads ?? 2, { delayMs: 40 }));
  },
};

/** What the tuner's workers load in tests: the toy family on the fake device. */
import type { TuningEnvironment } from '../../../tuning/environment.js';
import { createFakeDevice } from './fake-device.js';
import { toyFamily } from './toy-family.js';

export const environment: TuningEnvironment = {
  families: [toyFamily],
  simulatedTimes: true,
  openDevice: (request) => Promise.resolve(createFakeDevice(request.threads ?? 2)),
};

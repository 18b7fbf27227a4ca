import { FAMILIES } from '../generator/families/index.js';
import { openCpuDevice } from '../runtime/device/cpu.js';
import type { TuningEnvironment } from './environment.js';

/** What workers load for the CPU. */
export const environment: TuningEnvironment = {
  families: FAMILIES,
  openDevice: (request) => Promise.resolve(openCpuDevice(request)),
};

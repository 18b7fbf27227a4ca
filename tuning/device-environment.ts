import { FAMILIES } from '../generator/families/index.js';
import { openDevice } from '../runtime/device/index.js';
import type { TuningEnvironment } from './environment.js';

/** What workers load: every kernel family, on whatever device the runtime can open. */
export const environment: TuningEnvironment = {
  families: FAMILIES,
  openDevice: ({ device, threads }) => Promise.resolve(openDevice(device ?? 'cpu', threads === undefined ? {} : { threads })),
};

/** The URL of this module, from sources or built. */
export const DEVICE_ENVIRONMENT_URL = new URL(import.meta.url.endsWith('.ts') ? './device-environment.ts' : './device-environment.js', import.meta.url).href;

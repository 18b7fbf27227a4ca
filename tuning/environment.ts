import type { Family } from '../generator/types.js';
import type { Device } from '../runtime/device/types.js';

/** What the tuner's process and its workers must agree on. A worker loads it from a module, so that another device brings its own. */
export interface TuningEnvironment {
  readonly families: readonly Family[];
  openDevice(options: DeviceRequest): Promise<Device>;
}

export interface DeviceRequest {
  /** Default: the device decides. */
  readonly threads?: number;
  readonly isa?: string;
}

import type { Family } from '../generator/types.js';
import type { Device } from '../runtime/device/types.js';

/** What the tuner's process and its workers must agree on. A worker loads it from a module, so that another device brings its own. */
export interface TuningEnvironment {
  readonly families: readonly Family[];
  /** The devices' times are made up: what else runs on this machine does not make them dirty. */
  readonly simulatedTimes?: true;
  openDevice(options: DeviceRequest): Promise<Device>;
}

/** Plain JSON: it travels to a child process. */
export interface DeviceRequest {
  /** A name as `openDevice` takes it, e.g. `cpu:avx2`, `cuda:1`, `emulated:reverse`. Default `cpu`. */
  readonly device?: string;
  /** Default: the device decides. */
  readonly threads?: number;
  /** Path of an expert trace (`griffin generate --record-experts`): measurements mix its lists with uniform ones. */
  readonly experts?: string;
}

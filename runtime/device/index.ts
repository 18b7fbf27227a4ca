import { UsageError } from '../errors.js';
import { openCpuDevice } from './cpu.js';
import type { Device } from './types.js';

export interface OpenDeviceOptions {
  /** Threads that run kernels, on devices that have such. Default: the processors that this process may use. */
  readonly threads?: number;
}

/** Device kinds that `openDevice` knows, with what may follow a colon. */
const KINDS: Readonly<Record<string, (detail: string | undefined, options: OpenDeviceOptions) => Device>> = {
  cpu: (isa, options) => openCpuDevice(isa === undefined ? options : { ...options, isa }),
};

/**
 * Opens a device by its name: `cpu`, or `cpu:avx2` to run the kernels of one instruction set.
 * Throws UsageError for a name that is not known or not available here.
 */
export function openDevice(spec: string, options: OpenDeviceOptions = {}): Device {
  const colon = spec.indexOf(':');
  const kind = colon < 0 ? spec : spec.slice(0, colon);
  const open = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (open === undefined) throw new UsageError(`unknown device ${spec}, supported: cpu, cpu:<instruction set> (for instance cpu:avx2)`);
  return open(colon < 0 ? undefined : spec.slice(colon + 1), options);
}

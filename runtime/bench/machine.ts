/** What differs between a CPU and a GPU for a benchmark. */
import type { Device, DeviceIdentity } from '../device/types.js';

/** Bytes of the last cache before memory; 0 where it is not known. */
export function lastLevelCacheBytes({ l2Bytes, l3Bytes }: Pick<DeviceIdentity, 'l2Bytes' | 'l3Bytes'>): number {
  return Math.max(l2Bytes, l3Bytes);
}

/** Who does the work, for people: `2 threads`, `132 multiprocessors`. */
export function workersText(device: { readonly threads: number; readonly multiprocessors?: number | undefined }): string {
  if (device.multiprocessors !== undefined) return `${device.multiprocessors} multiprocessors`;
  return `${device.threads} ${device.threads === 1 ? 'thread' : 'threads'}`;
}

export function workersOf({ threads, identity }: Pick<Device, 'threads' | 'identity'>): string {
  return workersText({ threads, multiprocessors: identity.gpu?.multiprocessors });
}

/** How much work the roofs' probes do: enough to fill the machine for about a millisecond; next to nothing where time means nothing. */
export interface ProbeSizes {
  readonly leastReadBytes: number;
  readonly fmaUnits: number;
  readonly fmaIterations: number;
}

const FMA_UNITS_PER_THREAD = 8;
const FMA_UNITS_PER_MULTIPROCESSOR = 16;

export function probeSizes({ threads, identity }: Pick<Device, 'threads' | 'identity'>): ProbeSizes {
  if (identity.kind === 'emulated') return { leastReadBytes: 2 ** 18, fmaUnits: 2, fmaIterations: 2 };
  const leastReadBytes = 512 * 2 ** 20;
  if (identity.gpu === undefined) return { leastReadBytes, fmaUnits: threads * FMA_UNITS_PER_THREAD, fmaIterations: 40_000 };
  return { leastReadBytes, fmaUnits: identity.gpu.multiprocessors * FMA_UNITS_PER_MULTIPROCESSOR, fmaIterations: 2000 };
}

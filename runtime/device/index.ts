import { UsageError } from '../errors.js';
import { openCpuDevice } from './cpu.js';
import { openCudaDevice } from './cuda.js';
import { CUDA_FORMS, EMULATED_FORMS, parseCudaSpec, parseEmulatedSpec } from './cuda-spec.js';
import type { Device } from './types.js';

export interface OpenDeviceOptions {
  /** Threads that run kernels, on devices that have such. Default: the processors that this process may use. */
  readonly threads?: number;
  /** Milliseconds after which a GPU's work that makes no progress fails; 0 for never. Default: see `CudaDeviceOptions`. */
  readonly watchdogMs?: number;
}

/** Device kinds that `openDevice` knows, with what may follow a colon. */
const KINDS: Readonly<Record<string, (detail: string | undefined, options: OpenDeviceOptions) => Device>> = {
  cpu: (isa, { threads }) => openCpuDevice({ ...(isa === undefined ? {} : { isa }), ...(threads === undefined ? {} : { threads }) }),
  cuda: (detail, { watchdogMs }) => openCudaDevice(parseCudaSpec(detail), watchdogMs === undefined ? {} : { watchdogMs }),
  emulated: (detail, { watchdogMs }) => openCudaDevice(parseEmulatedSpec(detail), watchdogMs === undefined ? {} : { watchdogMs }),
};

const SUPPORTED = `cpu, cpu:<instruction set> (for instance cpu:avx2), ${CUDA_FORMS}, ${EMULATED_FORMS}`;

/**
 * Opens a device by its name: `cpu`, or `cpu:avx2` to run the kernels of one instruction set; `cuda`, or `cuda:1,eager`; `emulated`, or
 * `emulated:sm86,fast,reverse`. Throws UsageError for a name that is not known or not available here.
 */
export function openDevice(spec: string, options: OpenDeviceOptions = {}): Device {
  const colon = spec.indexOf(':');
  const kind = colon < 0 ? spec : spec.slice(0, colon);
  const open = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (open === undefined) throw new UsageError(`unknown device ${spec}, supported: ${SUPPORTED}`);
  return open(colon < 0 ? undefined : spec.slice(colon + 1), options);
}

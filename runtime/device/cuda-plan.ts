import { DeviceError } from '../errors.js';
import { awaitNative, callNative, type NativeHandle } from './addon.js';
import type { NativeGpuArguments } from './addon-gpu.js';
import { checkInteger, checkRunRead } from './check.js';
import { CudaBuffer } from './cuda-buffer.js';
import { CudaKernel, geometryOf, type LaunchGeometry } from './cuda-kernel.js';
import type { DeviceBuffer, Kernel, Plan, PlanRecorder, PlanRun, RunOptions, StepArgs } from './types.js';

const INT32: readonly [number, number] = [-(2 ** 31), 2 ** 31 - 1];

/** What plans need to know of their device. */
export interface CudaHost {
  /** The native device; throws when it is disposed. Also tells devices apart. */
  readonly native: () => NativeHandle;
  /** For messages: `cuda:0`. */
  readonly name: string;
  readonly multiprocessors: number;
  readonly eager: boolean;
}

/** A kernel that puts itself into a plan: see cuda-blas.ts. */
export interface ProductKernel extends Kernel {
  readonly device: () => NativeHandle;
  addTo(host: CudaHost, plan: NativeHandle, args: StepArgs): void;
}

const isProduct = (kernel: Kernel): kernel is ProductKernel => 'addTo' in kernel;

/** The kernel, if this device loaded it. */
export function cudaKernel(host: CudaHost, kernel: Kernel): CudaKernel {
  if (kernel instanceof CudaKernel && kernel.device === host.native) return kernel;
  throw new DeviceError(`kernel ${String(kernel?.id)} was not loaded by the device ${host.name}`);
}

/** The native object of a buffer of this device. */
export function cudaBuffer(host: CudaHost, buffer: DeviceBuffer, what: string): NativeHandle {
  if (buffer instanceof CudaBuffer && buffer.isOn(host.native)) return buffer.native;
  throw new DeviceError(`${what} is not a buffer of the device ${host.name}`);
}

/** Arguments of a launch, checked against the kernel's description and laid out for the addon. */
export interface CheckedArguments {
  readonly native: NativeGpuArguments;
  /** The ints with dynamic ones as they are in device memory now, or as stated by `maxInts`. */
  ints(largest: boolean): number[];
}

/** Checks the arguments of a launch. Throws RangeError or DeviceError naming the step. */
export function checkArguments(host: CudaHost, kernel: CudaKernel, args: StepArgs): CheckedArguments {
  const { description } = kernel;
  const what = args.label === undefined ? kernel.id : `${args.label} (${kernel.id})`;
  const count = (found: number, expected: number, of: string): void => {
    if (found !== expected) throw new RangeError(`${what}: takes ${expected} ${of}, found ${found}`);
  };
  count(args.buffers.length, description.tensors, 'tensors');
  count(args.ints.length, description.ints.length, 'ints');
  count(args.floats.length, description.floats.length, 'floats');
  const tensors = args.buffers.map((buffer, i) => (buffer === null ? null : cudaBuffer(host, buffer, `${what}: buffer ${i}`)));
  const dynamic: (number | NativeHandle)[] = [];
  const ints = args.ints.map((value, i) => {
    const name = description.ints[i] as string;
    if (typeof value === 'number') return checkInteger(value, `${what}: int ${i} (${name})`, ...INT32);
    if (!description.dynamic.includes(name)) throw new RangeError(`${what}: int ${i} (${name}) must be a number, it cannot be read from device memory`);
    const handle = cudaBuffer(host, value.buffer, `${what}: int ${i}`);
    checkInteger(value.index, `${what}: int ${i}: index into ${value.buffer.label}`, 0, Math.floor(value.buffer.byteLength / 4) - 1);
    dynamic.push(i, handle, value.index);
    return 0;
  });
  const largest = new Map(
    Object.entries(args.maxInts ?? {}).map(([position, value]) => [
      checkInteger(Number(position), `${what}: position in maxInts`, 0, ints.length - 1),
      checkInteger(value, `${what}: maxInts[${position}]`, ...INT32),
    ]),
  );
  const floats = args.floats.map((value, i) => {
    if (typeof value !== 'number') throw new RangeError(`${what}: float ${i} must be a number, found ${String(value)}`);
    return value;
  });
  const mayBeDynamic = description.ints.flatMap((name, i) => (description.dynamic.includes(name) ? [i] : []));
  return {
    native: [tensors, ints, dynamic, mayBeDynamic, floats],
    ints: (useLargest) =>
      args.ints.map((value, i) => {
        const stated = useLargest ? largest.get(i) : undefined;
        if (stated !== undefined) return stated;
        return typeof value === 'number' ? value : (new Int32Array(value.buffer.read(4 * value.index, 4).buffer)[0] as number);
      }),
  };
}

/** What a kernel needs for these arguments, its dynamic ints as they are now. */
export function stepGeometry(host: CudaHost, kernel: Kernel, args: StepArgs): LaunchGeometry {
  const checked = cudaKernel(host, kernel);
  return geometryOf(checked.description, checkArguments(host, checked, args).ints(false), host.multiprocessors);
}

/** Launches as the addon takes them. */
export function launchNumbers({ launches }: Pick<LaunchGeometry, 'launches'>): number[] {
  return launches.flatMap(({ phase, grid, block, sharedBytes, cluster }) => [phase, ...grid, block, sharedBytes, cluster]);
}

/** Appends a step to a native plan that is being recorded. */
export function addStep(host: CudaHost, plan: NativeHandle, kernel: Kernel, args: StepArgs): void {
  const checked = cudaKernel(host, kernel);
  const { native, ints } = checkArguments(host, checked, args);
  const { launches, workspaceBytes, counters } = geometryOf(checked.description, ints(true), host.multiprocessors);
  const numbers = launchNumbers({ launches });
  const { paramBytes } = checked.description;
  callNative((addon) => addon.gpuAddStep(plan, checked.native, args.label ?? '', paramBytes, workspaceBytes, counters, numbers, ...native));
}

/** A recorded plan. Work already queued when it is disposed still runs to its end. */
class CudaPlan implements Plan {
  readonly #host: CudaHost;
  readonly #handle: NativeHandle;
  readonly #name: string;
  readonly #labels: readonly { readonly label: string; readonly kernel: string }[];
  #disposed = false;

  constructor(host: CudaHost, handle: NativeHandle, name: string, labels: readonly { label: string; kernel: string }[]) {
    this.#host = host;
    this.#handle = handle;
    this.#name = name;
    this.#labels = labels;
  }

  get steps(): number {
    return this.#labels.length;
  }

  #native(): NativeHandle {
    if (this.#disposed) throw new DeviceError(`${this.#name}: this plan is disposed`);
    return this.#handle;
  }

  async run(times = 1, options: RunOptions = {}): Promise<PlanRun> {
    checkInteger(times, `${this.#name}: times`, 0);
    const source = options.read === undefined ? null : cudaBuffer(this.#host, checkRunRead(options.read, this.#name), `${this.#name}: the buffer to read`);
    const [elapsedNs, read] = await awaitNative((addon) => addon.gpuRunPlan(this.#host.native(), this.#native(), times, source));
    return read === null ? { elapsedNs } : { elapsedNs, read };
  }

  async profile(): Promise<readonly { readonly label: string; readonly kernel: string; readonly elapsedNs: number }[]> {
    const elapsed = await awaitNative((addon) => addon.gpuProfilePlan(this.#host.native(), this.#native()));
    return this.#labels.map((step, i) => ({ ...step, elapsedNs: elapsed[i] ?? 0 }));
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    callNative((addon) => addon.release(this.#handle));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Starts a recording. `finish` captures all launches into a graph, unless the device is eager. */
export function recordCudaPlan(host: CudaHost, name: string): PlanRecorder {
  const handle = callNative((addon) => addon.gpuCreatePlan(host.native(), name, host.eager));
  const labels: { label: string; kernel: string }[] = [];
  let open = true;
  const checkOpen = (): void => {
    if (!open) throw new DeviceError(`${name}: the recording is finished; start a new one with device.record()`);
  };
  return {
    step(kernel, args) {
      checkOpen();
      if (isProduct(kernel) && kernel.device === host.native) kernel.addTo(host, handle, args);
      else addStep(host, handle, kernel, args);
      labels.push({ label: args.label ?? kernel.id, kernel: kernel.id });
    },
    finish() {
      checkOpen();
      callNative((addon) => addon.gpuFinishPlan(host.native(), handle));
      open = false;
      return new CudaPlan(host, handle, name, labels);
    },
  };
}

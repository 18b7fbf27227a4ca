import { DeviceError } from '../errors.js';
import { awaitNative, callNative, type NativeArguments, type NativeHandle } from './addon.js';
import { checkInteger, checkRunRead } from './check.js';
import { CpuBuffer } from './cpu-buffer.js';
import type { DeviceBuffer, Kernel, Plan, PlanRecorder, PlanRun, RunOptions, StepArgs } from './types.js';

/** A kernel of a loaded shared object. */
export class CpuKernel implements Kernel {
  constructor(
    readonly native: NativeHandle,
    readonly id: string,
    readonly phases: number,
    readonly scratchBytes: number,
  ) {}
}

/** The native object of a kernel that this device loaded. */
export function nativeKernel(kernel: Kernel): NativeHandle {
  if (!(kernel instanceof CpuKernel)) throw new DeviceError(`kernel ${String(kernel?.id)} was not loaded by the cpu device`);
  return kernel.native;
}

/** The native object of a buffer of this device. */
export function nativeBuffer(buffer: DeviceBuffer, what: string): NativeHandle {
  if (!(buffer instanceof CpuBuffer)) throw new DeviceError(`${what} is not a buffer of the cpu device`);
  return buffer.native;
}

/** Checks the arguments of a launch and lays them out for the addon. */
export function nativeArguments(kernel: Kernel, args: StepArgs): NativeArguments {
  const what = args.label === undefined ? kernel.id : `${args.label} (${kernel.id})`;
  const buffers = args.buffers.map((buffer, i) => (buffer === null ? null : nativeBuffer(buffer, `${what}: buffer ${i}`)));
  const dynamic: (number | NativeHandle)[] = [];
  const ints = args.ints.map((value, i) => {
    if (typeof value === 'number') return checkInteger(value, `${what}: int ${i}`, Number.MIN_SAFE_INTEGER);
    const handle = nativeBuffer(value.buffer, `${what}: int ${i}`);
    checkInteger(value.index, `${what}: int ${i}: index into ${value.buffer.label}`, 0, Math.floor(value.buffer.byteLength / 4) - 1);
    dynamic.push(i, handle, value.index);
    return 0;
  });
  const largest = Object.entries(args.maxInts ?? {}).flatMap(([position, value]) => [
    checkInteger(Number(position), `${what}: position in maxInts`, 0, ints.length - 1),
    checkInteger(value, `${what}: maxInts[${position}]`, Number.MIN_SAFE_INTEGER),
  ]);
  const floats = args.floats.map((value, i) => {
    if (typeof value !== 'number') throw new RangeError(`${what}: float ${i} must be a number, found ${String(value)}`);
    return value;
  });
  return [buffers, ints, dynamic, largest, floats];
}

/** A recorded plan of the CPU device. Work already queued when it is disposed still runs to its end. */
class CpuPlan implements Plan {
  readonly #device: () => NativeHandle;
  readonly #handle: NativeHandle;
  readonly #name: string;
  readonly #labels: readonly { readonly label: string; readonly kernel: string }[];
  #disposed = false;

  constructor(device: () => NativeHandle, handle: NativeHandle, name: string, labels: readonly { label: string; kernel: string }[]) {
    this.#device = device;
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
    const source = options.read === undefined ? null : nativeBuffer(checkRunRead(options.read, this.#name), `${this.#name}: the buffer to read`);
    const [elapsedNs, read] = await awaitNative((addon) => addon.runPlan(this.#device(), this.#native(), times, source));
    return read === null ? { elapsedNs } : { elapsedNs, read };
  }

  async profile(): Promise<readonly { readonly label: string; readonly kernel: string; readonly elapsedNs: number }[]> {
    const elapsed = await awaitNative((addon) => addon.profilePlan(this.#device(), this.#native()));
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

/** Starts a recording; `device` answers the native device or throws when it is disposed. */
export function recordPlan(device: () => NativeHandle, name: string): PlanRecorder {
  const handle = callNative((addon) => addon.createPlan(name));
  const labels: { label: string; kernel: string }[] = [];
  let open = true;
  const checkOpen = (): void => {
    if (!open) throw new DeviceError(`${name}: the recording is finished; start a new one with device.record()`);
  };
  return {
    step(kernel, args) {
      checkOpen();
      const label = args.label ?? kernel.id;
      const packed = nativeArguments(kernel, args);
      callNative((addon) => addon.addStep(handle, nativeKernel(kernel), args.label ?? '', ...packed));
      labels.push({ label, kernel: kernel.id });
    },
    finish() {
      checkOpen();
      callNative((addon) => addon.finishPlan(device(), handle));
      open = false;
      return new CpuPlan(device, handle, name, labels);
    },
  };
}

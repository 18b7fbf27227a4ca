import { resolve } from 'node:path';

import { DeviceError, UsageError } from '../errors.js';
import { awaitNative, callNative, type NativeHandle } from './addon.js';
import { checkInteger } from './check.js';
import { CpuBuffer } from './cpu-buffer.js';
import { cpuIdentity } from './cpu-info.js';
import { nativeLoadOp } from './cpu-load.js';
import { CpuMappedFile } from './cpu-mapped-file.js';
import { CpuKernel, nativeArguments, nativeBuffer, nativeKernel, recordPlan } from './cpu-plan.js';
import { checkElementType, guardListener } from './load-op.js';
import type { AllocateOptions, Device, DeviceBuffer, DeviceIdentity, ElementType, Kernel, LoadOp, MappedFile, PlanRecorder, StepArgs } from './types.js';

export interface CpuDeviceOptions {
  /** Threads that run kernels, 1 to 256. Default: the processors that this process may use. More than that is slower. */
  readonly threads?: number;
  /** Instruction set of the kernels, one of `identity.isas`. Default: the strongest. */
  readonly isa?: string;
}

/** The processor and its memory as a device. See `Device` for the methods. */
export class CpuDevice implements Device {
  readonly identity: DeviceIdentity;
  readonly threads: number;
  readonly isa: string;
  readonly #handle: NativeHandle;
  #disposal: Promise<void> | undefined;

  /** Use `openCpuDevice`. */
  constructor(identity: DeviceIdentity, threads: number, isa: string) {
    this.identity = identity;
    this.threads = threads;
    this.isa = isa;
    this.#handle = callNative((addon) => addon.openDevice(threads));
  }

  readonly #native = (): NativeHandle => {
    if (this.#disposal !== undefined) throw new DeviceError('the cpu device is disposed');
    return this.#handle;
  };

  allocate(byteLength: number, options: AllocateOptions): DeviceBuffer {
    checkInteger(byteLength, `${options.label}: byteLength`, 0);
    const handle = callNative((addon) => addon.allocate(this.#native(), byteLength, options.guarded ?? false, options.label));
    return new CpuBuffer(handle, options.label, byteLength);
  }

  mapFile(path: string): MappedFile {
    this.#native();
    return new CpuMappedFile(path);
  }

  async load(ops: readonly LoadOp[], onProgress?: (bytesDone: number) => void): Promise<void> {
    const packed = ops.map((op, i) => nativeLoadOp(op, i));
    const { listener, rethrow } = guardListener(onProgress);
    await awaitNative((addon) => addon.load(this.#native(), packed, listener));
    rethrow();
  }

  async fillRandom(buffer: DeviceBuffer, type: ElementType, seed: number, scale: number): Promise<void> {
    const handle = nativeBuffer(buffer, 'the buffer to fill');
    checkElementType(type);
    checkInteger(seed, 'seed', 0);
    if (!Number.isFinite(scale) || scale < 0) throw new RangeError(`scale must be a finite number of at least 0, found ${scale}`);
    await awaitNative((addon) => addon.fillRandom(this.#native(), handle, type, seed, scale));
  }

  loadKernels(path: string, symbols: readonly string[]): readonly Kernel[] {
    this.#native();
    // Absolute, because a bare name would be searched for in the system's library folders.
    const found = callNative((addon) => addon.loadKernels(resolve(path), symbols));
    return found.map(([handle, id, phases, scratchBytes]) => new CpuKernel(handle, id, phases, scratchBytes));
  }

  geometry(kernel: Kernel, args: StepArgs): { readonly units: readonly number[]; readonly workspaceBytes: number } {
    const [workspaceBytes = 0, ...units] = callNative((addon) => addon.geometry(nativeKernel(kernel), ...nativeArguments(kernel, args)));
    return { units, workspaceBytes };
  }

  record(label: string): PlanRecorder {
    this.#native();
    return recordPlan(this.#native, label);
  }

  clockNs(): number {
    return callNative((addon) => addon.clockNs(this.#handle));
  }

  allocatedBytes(): number {
    return callNative((addon) => addon.allocatedBytes(this.#handle));
  }

  /** Ends running work at its next step, fails queued work with DeviceError, and stops the threads. May be called again. */
  dispose(): Promise<void> {
    this.#disposal ??= awaitNative((addon) => addon.disposeDevice(this.#handle));
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** Opens the CPU with its own threads. Throws UsageError for a thread count or instruction set that this machine cannot run. */
export function openCpuDevice(options: CpuDeviceOptions = {}): CpuDevice {
  const identity = cpuIdentity();
  const threads = options.threads ?? identity.cores;
  if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
    throw new UsageError(`threads must be an integer from 1 to 256, found ${String(threads)}`);
  }
  const isa = options.isa ?? identity.isas.at(-1) ?? 'portable';
  if (!identity.isas.includes(isa)) {
    throw new UsageError(`this machine (${identity.name}) cannot run instruction set ${isa}; it has ${identity.isas.join(', ')}`);
  }
  return new CpuDevice(identity, threads, isa);
}

import { statSync } from 'node:fs';
import { resolve } from 'node:path';

import { DeviceError, LibraryError, UsageError } from '../errors.js';
import { awaitNative, callNative, type NativeHandle } from './addon.js';
import { checkInteger } from './check.js';
import { CpuMappedFile } from './cpu-mapped-file.js';
import { blasKernel, type CudaBlas, CudaBlasKernel, openBlas } from './cuda-blas.js';
import { CudaBuffer } from './cuda-buffer.js';
import { cudaLibrary, emulatedLibrary, findEmulated, findGpu, gpuIdentity, nvmlLibrary } from './cuda-driver.js';
import { CudaKernel, parseDescription } from './cuda-kernel.js';
import { packLoad, recordFill } from './cuda-load.js';
import { cudaBuffer, type CudaHost, recordCudaPlan, stepGeometry } from './cuda-plan.js';
import { type CudaSpec, emulatedSettings, type EmulatedSpec } from './cuda-spec.js';
import { checkElementType, ELEMENT_BYTES, guardListener } from './load-op.js';
import type {
  AllocateOptions,
  Device,
  DeviceBuffer,
  DeviceIdentity,
  ElementType,
  GpuSensors,
  Kernel,
  LoadOp,
  MappedFile,
  PlanRecorder,
  StepArgs,
  UtilityResolver,
  VendorKernel,
} from './types.js';

export interface CudaDeviceOptions {
  /**
   * Milliseconds after which work that makes no progress fails, and the device with it. 0 for never. Default: never on a GPU, 120,000 on the
   * emulated device.
   */
  readonly watchdogMs?: number;
  /** Memory of the emulated device in bytes. Default 8 GiB. */
  readonly emulatedMemoryBytes?: number;
}

/** Modules kept for the next `loadKernels` of the same file; a tuner loads thousands once. Kernels keep their own alive. */
const MOST_MODULES = 64;
const EMULATED_WATCHDOG_MS = 120_000;
const EMULATED_MEMORY_BYTES = 8 * 2 ** 30;
/** The emulated driver's settings count when a context is made, and a device's context is one per process: settings of what is open. */
const openEmulated = new Map<CudaDevice, { readonly name: string; readonly settings: string }>();

/** How long disposal waits for work that is under way: on silicon it cannot be cancelled, the emulated driver cancels it. */
const GRACE_MS = { cuda: 10_000, emulated: 1_000 } as const;

/** A GPU, real or emulated. See `Device` for the methods. Nothing here waits for it but `DeviceBuffer.read` and `checkCanaries`. */
export class CudaDevice implements Device {
  readonly identity: DeviceIdentity;
  /** A GPU is not driven by threads of ours. */
  readonly threads = 1;
  readonly isa: string;
  readonly #handle: NativeHandle;
  readonly #host: CudaHost;
  readonly #modules = new Map<string, { readonly version: string; readonly handle: NativeHandle }>();
  #utilities: UtilityResolver | undefined;
  /** Undefined until it was looked for, null where it is not there. */
  #blas: CudaBlas | null | undefined;
  #disposal: Promise<void> | undefined;

  /** Use `openCudaDevice`. */
  constructor(identity: DeviceIdentity, spec: CudaSpec | EmulatedSpec, handle: NativeHandle) {
    this.identity = identity;
    this.isa = identity.isas.at(-1) ?? 'sm80';
    this.#handle = handle;
    this.#host = { native: this.#native, name: spec.name, multiprocessors: identity.cores, eager: spec.eager };
  }

  readonly #native = (): NativeHandle => {
    if (this.#disposal !== undefined) throw new DeviceError(`the device ${this.#host.name} is disposed`);
    return this.#handle;
  };

  allocate(byteLength: number, options: AllocateOptions): DeviceBuffer {
    checkInteger(byteLength, `${options.label}: byteLength`, 0);
    const handle = callNative((addon) => addon.gpuAllocate(this.#native(), byteLength, options.guarded ?? false, options.label));
    return new CudaBuffer(this.#native, handle, options.label, byteLength);
  }

  mapFile(path: string): MappedFile {
    this.#native();
    return new CpuMappedFile(path);
  }

  async load(ops: readonly LoadOp[], onProgress?: (bytesDone: number) => void): Promise<void> {
    const packed = packLoad(this.#host, ops, this.#utilities, (bytes) => this.allocate(bytes, { label: 'rows to transpose' }));
    const { listener, rethrow } = guardListener(onProgress);
    try {
      await awaitNative((addon) => addon.gpuLoad(this.#native(), packed.ops, listener));
    } finally {
      packed.release();
    }
    rethrow();
  }

  async fillRandom(buffer: DeviceBuffer, type: ElementType, seed: number, scale: number): Promise<void> {
    const handle = cudaBuffer(this.#host, buffer, 'the buffer to fill');
    checkElementType(type);
    checkInteger(seed, 'seed', 0);
    if (!Number.isFinite(scale) || scale < 0) throw new RangeError(`scale must be a finite number of at least 0, found ${scale}`);
    const kernel = buffer.byteLength % ELEMENT_BYTES[type] === 0 ? this.#utilities?.('fill_random', { dtype: type }) : undefined;
    if (kernel === undefined) return awaitNative((addon) => addon.gpuFillRandom(this.#native(), handle, type, seed, scale));
    const plan = recordFill(this.#host, buffer, type, seed, scale, kernel);
    try {
      await awaitNative((addon) => addon.gpuRunPlan(this.#native(), plan, 1, null));
    } finally {
      callNative((addon) => addon.release(plan));
    }
  }

  useUtilities(resolver: UtilityResolver): void {
    this.#utilities = resolver;
  }

  loadKernels(path: string, symbols: readonly string[]): readonly Kernel[] {
    const file = resolve(path);
    const module = this.#module(file);
    return symbols.map((symbol) => {
      const id = /^gk_(\w+)$/.exec(symbol)?.[1];
      if (id === undefined) throw new LibraryError(`${file}: ${symbol} is not the name of a kernel, expected gk_<id>`);
      const description = parseDescription(
        callNative((addon) => addon.gpuModuleText(module, `gk_meta_${id}`)),
        symbol,
        file,
      );
      if (!this.identity.isas.includes(description.isa)) {
        throw new LibraryError(`${file}: ${symbol} needs instruction set ${description.isa}, ${this.#host.name} has ${this.identity.isas.join(', ')}`);
      }
      const entries = description.phases.map(({ entry }) => entry);
      return new CudaKernel(
        callNative((addon) => addon.gpuKernel(module, id, entries)),
        description,
        this.#native,
      );
    });
  }

  /** The loaded module of a file, loaded anew when the file has changed. */
  #module(file: string): NativeHandle {
    let version = 'missing'; // the addon says what is wrong with it
    try {
      const { size, mtimeMs, ino } = statSync(file);
      version = `${size} ${mtimeMs} ${ino}`;
    } catch {
      // as above
    }
    const known = this.#modules.get(file);
    if (known?.version === version) return known.handle;
    const handle = callNative((addon) => addon.gpuLoadModule(this.#native(), file));
    this.#modules.delete(file);
    this.#modules.set(file, { version, handle });
    for (const [oldest, { handle: module }] of this.#modules) {
      if (this.#modules.size <= MOST_MODULES) break;
      this.#modules.delete(oldest);
      callNative((addon) => addon.release(module));
    }
    return handle;
  }

  geometry(kernel: Kernel, args: StepArgs): { readonly units: readonly number[]; readonly workspaceBytes: number } {
    this.#native();
    if (kernel instanceof CudaBlasKernel) return kernel.geometry(args);
    const { units, workspaceBytes } = stepGeometry(this.#host, kernel, args);
    return { units, workspaceBytes };
  }

  record(label: string): PlanRecorder {
    return recordCudaPlan(this.#host, label);
  }

  clockNs(): number {
    return callNative((addon) => addon.gpuClockNs(this.#handle));
  }

  allocatedBytes(): number {
    return callNative((addon) => addon.gpuAllocatedBytes(this.#handle));
  }

  /** Bytes held from the driver: buffers, and blocks that are kept for the next ones. */
  reservedBytes(): number {
    return callNative((addon) => addon.gpuReservedBytes(this.#handle));
  }

  vendorKernel(family: string, params: Readonly<Record<string, string>>): VendorKernel | null {
    if (this.#blas === undefined) this.#blas = openBlas(this.#host);
    return this.#blas === null ? null : blasKernel(this.#host, this.#blas, family, params, this.#utilities);
  }

  sensors(): GpuSensors | null {
    const found = callNative((addon) => addon.gpuSensors(this.#native(), nvmlLibrary()));
    if (found === null) return null;
    const [smClockMhz, memClockMhz, powerW, temperatureC, throttleReasons] = found;
    return { smClockMhz, memClockMhz, powerW, temperatureC, throttleReasons };
  }

  /**
   * Fails queued work with DeviceError, gives what is under way a moment to end, and lets go of everything on the GPU, also when the device
   * is lost or a kernel never ends. May be called again.
   */
  dispose(): Promise<void> {
    this.#disposal ??= awaitNative((addon) => addon.gpuDispose(this.#handle)).finally(() => {
      this.#modules.clear();
      openEmulated.delete(this);
    });
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/**
 * Opens a GPU, or the emulated one. Throws UsageError where there is no such device here (saying what is), DeviceError when the driver
 * does not give it. Emulated devices that are open at the same time have the same settings, and share their fate when one fails.
 */
export function openCudaDevice(spec: CudaSpec | EmulatedSpec, options: CudaDeviceOptions = {}): CudaDevice {
  const emulated = spec.kind === 'emulated';
  const configuration = emulated ? emulatedSettings(spec, checkInteger(options.emulatedMemoryBytes ?? EMULATED_MEMORY_BYTES, 'emulatedMemoryBytes', 1)) : '';
  for (const { name, settings } of emulated ? openEmulated.values() : []) {
    if (settings !== configuration) throw new UsageError(`${spec.name} cannot be opened beside ${name}: dispose that device first, and wait for it`);
  }
  const watchdogMs = checkInteger(options.watchdogMs ?? (emulated ? EMULATED_WATCHDOG_MS : 0), 'watchdogMs', 0);
  const { gpu, driver } = emulated ? findEmulated(spec, configuration) : findGpu(spec);
  const identity = gpuIdentity(spec, gpu, driver);
  const handle = callNative((addon) =>
    addon.gpuOpen({
      library: emulated ? emulatedLibrary() : cudaLibrary(),
      configuration,
      index: emulated ? 0 : spec.index,
      name: spec.name,
      exactMemory: emulated && spec.checked,
      watchdogMs,
      graceMs: GRACE_MS[spec.kind],
    }),
  );
  const device = new CudaDevice(identity, spec, handle);
  if (emulated) openEmulated.set(device, { name: spec.name, settings: configuration });
  return device;
}

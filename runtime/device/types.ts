/**
 * The device interface. One implementation per device kind; `cpu` is the embedded default. Everything above this line (transformer,
 * GRIFFIN selection, generation, tuning) speaks only this interface, so that another device slots in beside the CPU.
 */

export interface DeviceIdentity {
  /** `cpu`, `cuda` or `emulated`. */
  readonly kind: string;
  /** Marketing name, e.g. `AMD EPYC 9B14`. */
  readonly name: string;
  /** A stable key: kind, vendor, family/model/stepping, instruction sets. Two machines with the same key may share winners. */
  readonly key: string;
  /** Instruction sets this machine can run, weakest first. */
  readonly isas: readonly string[];
  readonly cores: number;
  readonly l1dBytes: number;
  readonly l2Bytes: number;
  readonly l3Bytes: number;
  readonly memoryBytes: number;
  /** Of `cuda` and `emulated` devices. */
  readonly gpu?: GpuIdentity;
}

/** What a GPU is, as its driver says. Bytes and kHz. */
export interface GpuIdentity {
  /** Position among the driver's devices. */
  readonly index: number;
  /** Compute capability, 10 × major + minor: 80, 86, 90, 120. */
  readonly capability: number;
  readonly multiprocessors: number;
  /** Version of CUDA that the driver speaks, 1000 × major + 10 × minor: 12040. */
  readonly driver: number;
  /** Highest clocks; 0 where the driver does not say. */
  readonly clockKhz: number;
  readonly memoryClockKhz: number;
  readonly busWidthBits: number;
  /** Bytes per second that memory clock and bus width allow (two transfers per clock); 0 where one of them is not known. */
  readonly theoreticalBandwidth: number;
  /** Shared memory of one block after opting in, of one multiprocessor, and of one block without opting in. */
  readonly sharedOptin: number;
  readonly sharedPerSm: number;
  readonly sharedPerBlock: number;
  readonly registersPerSm: number;
  readonly threadsPerSm: number;
  readonly blocksPerSm: number;
  /** For `emulated`: whether every access is checked. */
  readonly checked?: boolean;
}

/** Clocks and state of a GPU while it works. What the library does not tell is null. */
export interface GpuSensors {
  readonly smClockMhz: number | null;
  readonly memClockMhz: number | null;
  readonly powerW: number | null;
  readonly temperatureC: number | null;
  /** Why clocks are lowered right now, for instance `power cap`; empty when they are not. */
  readonly throttleReasons: readonly string[];
}

export interface AllocateOptions {
  /** For error messages, e.g. `layers.3 W_in`. */
  readonly label: string;
  /** Surround the buffer by canary bytes that `checkCanaries` inspects. Used by verification. Default false. */
  readonly guarded?: boolean;
}

export interface DeviceBuffer extends Disposable {
  readonly label: string;
  readonly byteLength: number;
  /** A window onto the same memory; keeps the parent alive. Throws a RangeError outside it or when not 4-byte aligned. */
  view(byteOffset: number, byteLength: number): DeviceBuffer;
  /** Copies from the host. Throws a RangeError past the end. */
  write(source: ArrayBufferView, byteOffset?: number): void;
  /** Copies to the host. */
  read(byteOffset?: number, byteLength?: number): Uint8Array<ArrayBuffer>;
  /** Sets every byte. */
  fill(byte: number): void;
  /** For guarded buffers: the byte offsets (relative to the buffer start; negative before it) of the first damaged canary before and after, or null. */
  checkCanaries(): { before: number | null; after: number | null };
  dispose(): void;
}

/** A loaded kernel: one `gk_kernel` of a module. Stays valid while its device lives. */
export interface Kernel {
  readonly id: string;
  readonly phases: number;
  readonly scratchBytes: number;
}

/** An int scalar: immediate, or a 32-bit integer in device memory that is read each time the step runs. */
export type IntArg = number | { readonly buffer: DeviceBuffer; readonly index: number };

export interface StepArgs {
  /** One per tensor of the family, in its declared order. */
  readonly buffers: readonly (DeviceBuffer | null)[];
  readonly ints: readonly IntArg[];
  readonly floats: readonly number[];
  /**
   * Largest values the dynamic ints can take, by position in `ints` (default: their value at record time), used to size the workspace.
   */
  readonly maxInts?: Readonly<Record<number, number>>;
  /** For profiles and error messages, e.g. `layers.3 gate_up`. */
  readonly label?: string;
}

export interface PlanRecorder {
  step(kernel: Kernel, args: StepArgs): void;
  /** Freezes the recording. The recorder cannot be used afterwards. */
  finish(): Plan;
}

export interface PlanRun {
  /** Nanoseconds that the device worked on this run. */
  readonly elapsedNs: number;
  /** With `RunOptions.read`: that buffer's bytes as they were right after this run. */
  readonly read?: Uint8Array<ArrayBuffer>;
}

export interface RunOptions {
  /**
   * A buffer of at most `MAX_RUN_READ_BYTES` whose bytes to bring along, as they are right after this run. A run queued behind this one does
   * not wait for them to arrive.
   */
  readonly read?: DeviceBuffer;
}

/** Most bytes that `RunOptions.read` may ask for. */
export const MAX_RUN_READ_BYTES = 4096;

export interface Plan extends Disposable {
  readonly steps: number;
  /** Replays the plan `times` times back to back without blocking the event loop. Runs of one device are executed in submission order. */
  run(times?: number, options?: RunOptions): Promise<PlanRun>;
  /** Replays once with a clock around every step. */
  profile(): Promise<readonly { readonly label: string; readonly kernel: string; readonly elapsedNs: number }[]>;
  dispose(): void;
}

/** A read-only memory mapping of a file. Never writable; its length is checked when it is opened. */
export interface MappedFile extends Disposable {
  readonly path: string;
  readonly byteLength: number;
  /** Copies a range to the host. Throws a RangeError past the end. */
  read(byteOffset: number, byteLength: number): Uint8Array<ArrayBuffer>;
  dispose(): void;
}

export type ElementType = 'f32' | 'f16' | 'bf16';

/** One rectangular copy from a mapped file to a buffer, rows × cols elements. */
export interface LoadOp {
  readonly source: MappedFile;
  /** Byte offset of element [0, 0]; source rows are contiguous (row stride = cols). */
  readonly sourceOffset: number;
  readonly type: ElementType;
  readonly rows: number;
  readonly cols: number;
  readonly target: DeviceBuffer;
  /** Byte offset of element [0, 0] in the target. */
  readonly targetOffset: number;
  /** Target row stride in elements (of the target's element type); with `transpose` the target is cols × rows and this is its row stride. */
  readonly targetStride: number;
  readonly transpose?: boolean;
  /** Widen to f32 on the way (norm weights, biases). Default false: same element type. */
  readonly toF32?: boolean;
}

/** In the place of an instruction set: kernels that NVIDIA's cuBLASLt runs, not a binary of ours. */
export const VENDOR_ISA = 'cublaslt';

/** A kernel of a vendor's library. Recorded as any other; its steps take the family's arguments. */
export interface VendorKernel extends Kernel {
  /** The library's version, e.g. `12.8.4`. */
  readonly version: string;
}

/** Answers the kernel of a family for its compile-time parameters. */
export type UtilityResolver = (family: string, params: Readonly<Record<string, string>>) => Kernel | undefined;

export interface Device extends AsyncDisposable {
  readonly identity: DeviceIdentity;
  readonly threads: number;
  /** The instruction set whose kernels this device runs. */
  readonly isa: string;
  /** Zero-filled, 64-byte aligned, in huge pages where that pays. Throws DeviceError with the size when memory runs out. */
  allocate(byteLength: number, options: AllocateOptions): DeviceBuffer;
  mapFile(path: string): MappedFile;
  /** Runs copies on the device's threads; each operation's bounds are checked before any byte moves. Pages of the mapping are dropped from residency behind the copy. */
  load(ops: readonly LoadOp[], onProgress?: (bytesDone: number) => void): Promise<void>;
  /** Fills with seeded pseudo-random values, uniform in ±scale, of the element type. Same seed, same bytes. */
  fillRandom(buffer: DeviceBuffer, type: ElementType, seed: number, scale: number): Promise<void>;
  /** Loads a shared object and looks up `gk_kernel` symbols. Typed error when the file is not loadable, of another ABI version, or lacks a symbol. */
  loadKernels(path: string, symbols: readonly string[]): readonly Kernel[];
  /** Work units of each phase and workspace bytes that a kernel would use for these arguments. Dynamic ints are read from their buffers now. */
  geometry(kernel: Kernel, args: StepArgs): { readonly units: readonly number[]; readonly workspaceBytes: number };
  record(label: string): PlanRecorder;
  /** Total nanoseconds this device has worked on plans: a clock for benchmarks that the host's load does not disturb. */
  clockNs(): number;
  /** Bytes currently allocated through this device. */
  allocatedBytes(): number;
  /**
   * Hands over kernels that the device itself can make use of: `transpose` (loading), `fill_random` and `split_bf16` (vendor kernels). `resolver` answers the kernel of a
   * family for compile-time parameters, or undefined where there is none; the device then does that work on the host, slower.
   */
  useUtilities?(resolver: UtilityResolver): void;
  /**
   * The kernel of a vendor's library for a family's parameters; null where there is none, or no such library. Throws DeviceError when the library is
   * there and does not start. Only on GPUs.
   */
  vendorKernel?(family: string, params: Readonly<Record<string, string>>): VendorKernel | null;
  /** Clocks, power and temperature now; null where they cannot be read. Only on GPUs. */
  sensors?(): GpuSensors | null;
  dispose(): Promise<void>;
}

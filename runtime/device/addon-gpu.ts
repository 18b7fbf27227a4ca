import type { NativeHandle } from './addon.js';

/** What `gpuProbe` finds behind a driver library. */
export interface NativeProbe {
  /** Why the library cannot be loaded. */
  readonly missing?: string;
  /** Why the driver does not start. */
  readonly failed?: string;
  /** 1000 × major + 10 × minor. */
  readonly driver?: number;
  readonly devices?: readonly NativeGpuInfo[];
}

/** One GPU as its driver describes it; 0 for what it does not tell. */
export interface NativeGpuInfo {
  readonly name: string;
  readonly memoryBytes: number;
  readonly capability: number;
  readonly multiprocessors: number;
  readonly l2Bytes: number;
  readonly clockKhz: number;
  readonly memoryClockKhz: number;
  readonly busWidthBits: number;
  readonly sharedOptin: number;
  readonly sharedPerSm: number;
  readonly sharedPerBlock: number;
  readonly registersPerSm: number;
  readonly threadsPerSm: number;
  readonly blocksPerSm: number;
}

export interface NativeGpuOptions {
  readonly library: string;
  /** Settings of the emulated driver; empty on silicon. */
  readonly configuration: string;
  readonly index: number;
  readonly name: string;
  /** Every buffer is an allocation of the driver of its own. */
  readonly exactMemory: boolean;
  /** 0: none. */
  readonly watchdogMs: number;
  readonly graceMs: number;
}

/** What is alive in the emulated driver now, and what it has done since it was loaded. */
export interface EmulatedStatistics {
  readonly contexts: number;
  readonly allocations: number;
  readonly allocatedBytes: number;
  readonly hostAllocations: number;
  readonly streams: number;
  readonly events: number;
  readonly modules: number;
  readonly graphs: number;
  readonly graphExecs: number;
  readonly mostAllocatedBytes: number;
  readonly launches: number;
  readonly graphLaunches: number;
  readonly copies: number;
  readonly memsets: number;
  readonly faults: number;
}

export interface NativeGpuLoadOp {
  readonly source: NativeHandle;
  readonly sourceOffset: number;
  readonly type: string;
  readonly rows: number;
  readonly cols: number;
  readonly target: NativeHandle;
  readonly targetOffset: number;
  readonly targetStride: number;
  readonly transpose: boolean;
  readonly toF32: boolean;
  /** Transposition on the device: rows go to `temporary` in chunks, step `firstStep` + chunk of `plan` turns them. */
  readonly turn?: { readonly plan: NativeHandle; readonly firstStep: number; readonly chunkRows: number; readonly temporary: NativeHandle };
}

/** Tensors, ints, dynamic ints (position, buffer, index, …), positions that may be dynamic, floats. */
export type NativeGpuArguments = readonly [
  tensors: readonly (NativeHandle | null)[],
  ints: readonly number[],
  dynamic: readonly (number | NativeHandle)[],
  mayBeDynamic: readonly number[],
  floats: readonly number[],
];

/** The functions of runtime/native/cuda/js_gpu*.cc. */
export interface NativeGpuFunctions {
  gpuProbe(library: string, configuration: string): NativeProbe;
  gpuOpen(options: NativeGpuOptions): NativeHandle;
  gpuDispose(device: NativeHandle): Promise<void>;
  gpuClockNs(device: NativeHandle): number;
  gpuAllocatedBytes(device: NativeHandle): number;
  /** Held from the driver, in use or kept for later. */
  gpuReservedBytes(device: NativeHandle): number;
  gpuSensors(device: NativeHandle, library: string): [number | null, number | null, number | null, number | null, string[]] | null;
  gpuEmulatedInject(library: string, fault: string): void;
  gpuEmulatedStatistics(library: string): EmulatedStatistics;
  gpuAllocate(device: NativeHandle, byteLength: number, guarded: boolean, label: string): NativeHandle;
  gpuView(buffer: NativeHandle, byteOffset: number, byteLength: number): NativeHandle;
  gpuWrite(device: NativeHandle, buffer: NativeHandle, byteOffset: number, source: Uint8Array): void;
  gpuRead(device: NativeHandle, buffer: NativeHandle, byteOffset: number, target: Uint8Array): void;
  gpuFill(device: NativeHandle, buffer: NativeHandle, byte: number): void;
  gpuCanaries(device: NativeHandle, buffer: NativeHandle): [number | null, number | null];
  gpuLoadModule(device: NativeHandle, path: string): NativeHandle;
  gpuModuleText(module: NativeHandle, symbol: string): string;
  gpuKernel(module: NativeHandle, id: string, entries: readonly string[]): NativeHandle;
  gpuCreatePlan(device: NativeHandle, label: string, eager: boolean): NativeHandle;
  /** `launches`: phase, grid x, y, z, threads, dynamic shared bytes, cluster; and so on. */
  gpuAddStep(
    plan: NativeHandle,
    kernel: NativeHandle,
    label: string,
    parameterBytes: number,
    workspaceBytes: number,
    counters: number,
    launches: readonly number[],
    ...args: NativeGpuArguments
  ): void;
  /** The first of these libraries that is there and fits the device: handle, version as it counts, name. */
  gpuOpenBlas(device: NativeHandle, paths: readonly string[]): [handle: NativeHandle, version: number, path: string] | null;
  /** Sizes: rows, in, out. Tensors: x, w, bias, residual, y. `split`: kernel of split_bf16 for bf16 weights, with its launches as in gpuAddStep. */
  gpuAddProduct(
    plan: NativeHandle,
    blas: NativeHandle,
    label: string,
    id: string,
    sizes: readonly number[],
    bf16: boolean,
    outMajor: boolean,
    tensors: readonly (NativeHandle | null)[],
    split: NativeHandle | null,
    launches: readonly number[],
  ): void;
  gpuFinishPlan(device: NativeHandle, plan: NativeHandle): void;
  gpuRunPlan(device: NativeHandle, plan: NativeHandle, times: number, read: NativeHandle | null): Promise<[number, Uint8Array<ArrayBuffer> | null]>;
  gpuProfilePlan(device: NativeHandle, plan: NativeHandle): Promise<number[]>;
  gpuLoad(device: NativeHandle, ops: readonly NativeGpuLoadOp[], onProgress?: (bytes: number) => void): Promise<void>;
  gpuFillRandom(device: NativeHandle, buffer: NativeHandle, type: string, seed: number, scale: number): Promise<void>;
}

import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

import { AddonError, DeviceError, FileError, GriffinError, LibraryError } from '../errors.js';
import { packageRoot } from '../paths.js';
import type { NativeGpuFunctions } from './addon-gpu.js';

/** An object of the addon, seen from JavaScript. */
export type NativeHandle = { readonly __native: never };

/** What `cpuInfo` answers. */
export interface NativeCpuInfo {
  readonly name: string;
  readonly key: string;
  readonly isas: readonly string[];
  readonly cores: number;
  readonly l1dBytes: number;
  readonly l2Bytes: number;
  readonly l3Bytes: number;
  readonly memoryBytes: number;
}

export interface NativeLoadOp {
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
}

/** The five arrays of a launch: buffers, ints, dynamic ints (position, buffer, index, …), largest ints (position, value, …), floats. */
export type NativeArguments = readonly [
  buffers: readonly (NativeHandle | null)[],
  ints: readonly number[],
  dynamic: readonly (number | NativeHandle)[],
  largest: readonly number[],
  floats: readonly number[],
];

/** The functions of runtime/native/js_*.cc. */
export interface NativeAddon extends NativeGpuFunctions {
  cpuInfo(): NativeCpuInfo;
  release(handle: NativeHandle): void;
  openDevice(threads: number): NativeHandle;
  disposeDevice(device: NativeHandle): Promise<void>;
  clockNs(device: NativeHandle): number;
  allocatedBytes(device: NativeHandle): number;
  allocate(device: NativeHandle, byteLength: number, guarded: boolean, label: string): NativeHandle;
  view(buffer: NativeHandle, byteOffset: number, byteLength: number): NativeHandle;
  write(buffer: NativeHandle, byteOffset: number, source: Uint8Array): void;
  read(buffer: NativeHandle, byteOffset: number, target: Uint8Array): void;
  fill(buffer: NativeHandle, byte: number): void;
  canaries(buffer: NativeHandle): [number | null, number | null];
  mapFile(path: string): [NativeHandle, number];
  readMapped(file: NativeHandle, byteOffset: number, target: Uint8Array): void;
  load(device: NativeHandle, ops: readonly NativeLoadOp[], onProgress?: (bytes: number) => void): Promise<void>;
  fillRandom(device: NativeHandle, buffer: NativeHandle, type: string, seed: number, scale: number): Promise<void>;
  loadKernels(path: string, symbols: readonly string[]): [NativeHandle, string, number, number][];
  geometry(kernel: NativeHandle, ...args: NativeArguments): number[];
  createPlan(label: string): NativeHandle;
  addStep(plan: NativeHandle, kernel: NativeHandle, label: string, ...args: NativeArguments): void;
  finishPlan(device: NativeHandle, plan: NativeHandle): void;
  /** Nanoseconds, and with `read` that buffer's bytes after the last replay. */
  runPlan(device: NativeHandle, plan: NativeHandle, times: number, read: NativeHandle | null): Promise<[number, Uint8Array<ArrayBuffer> | null]>;
  profilePlan(device: NativeHandle, plan: NativeHandle): Promise<number[]>;
  /** Major and minor version of the NVRTC library at a path. */
  nvrtcVersion(path: string): [number, number];
  /** Its log, and the machine code or null when it refused the source. */
  nvrtcCompile(path: string, source: string, name: string, options: readonly string[]): Promise<[string, Uint8Array | null]>;
}

const require = createRequire(import.meta.url);
const remedy = 'npm run build:addon';
let loaded: NativeAddon | undefined;

/** The file that is loaded: `$GRIFFIN_ADDON` (for instance a sanitizer build), else the one that `npm run build:addon` writes. */
export function addonPath(): string {
  const explicit = process.env['GRIFFIN_ADDON'];
  if (explicit !== undefined && explicit !== '') return resolve(explicit);
  return join(packageRoot(), 'build', 'addon', 'Release', 'griffin.node');
}

/** The native addon, loaded once. Throws AddonError when it is missing, or built for another system. */
export function nativeAddon(): NativeAddon {
  if (loaded !== undefined) return loaded;
  const path = addonPath();
  if (!existsSync(path)) throw new AddonError(`the native addon is not built: ${path} is missing`, { remedy });
  const missing = missingElfBytes(path);
  if (missing > 0) throw new AddonError(`the native addon ${path} is cut short: ${missing} bytes are missing`, { remedy: `rm -r build/addon && ${remedy}` });
  try {
    loaded = require(path) as NativeAddon;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AddonError(`the native addon ${path} cannot be loaded: ${reason}`, { remedy: `rm -r build/addon && ${remedy}`, cause });
  }
  return loaded;
}

/**
 * How many bytes a 64-bit little-endian ELF file lacks at its end, where its section headers are; 0 for a whole file and for anything else.
 * The dynamic linker maps a file without looking at its length, and a process that touches what is not there dies (SIGBUS).
 */
function missingElfBytes(path: string): number {
  const header = Buffer.alloc(64);
  let length: number;
  const file = openSync(path, 'r');
  try {
    length = fstatSync(file).size;
    if (readSync(file, header, 0, 64, 0) < 64) return 0; // too short for a header: dlopen says so
  } finally {
    closeSync(file);
  }
  if (header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1) return 0;
  const sectionsEnd = Number(header.readBigUInt64LE(0x28)) + header.readUInt16LE(0x3a) * header.readUInt16LE(0x3c);
  return Math.max(0, sectionsEnd - length);
}

/** The typed error for one that the addon threw; anything else is passed on as it is. */
export function typedError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof GriffinError) return error;
  switch ((error as { kind?: string }).kind) {
    case 'DEVICE': {
      // Out of device memory is the one native failure that knows its remedy.
      const [message = '', remedy] = error.message.split('\n  try: ');
      return new DeviceError(message, remedy === undefined ? {} : { remedy });
    }
    case 'FILE':
      return new FileError(error.message);
    case 'LIBRARY':
      return new LibraryError(error.message, { remedy: 'npm run build:kernels, or tune again if the file is of a tuned library' });
    case 'RANGE':
      return new RangeError(error.message);
    default:
      return error;
  }
}

/** Calls into the addon; its errors come out typed. */
export function callNative<T>(body: (addon: NativeAddon) => T): T {
  try {
    return body(nativeAddon());
  } catch (error) {
    throw typedError(error);
  }
}

/** The same for a call that answers with a promise. */
export async function awaitNative<T>(body: (addon: NativeAddon) => Promise<T>): Promise<T> {
  try {
    return await body(nativeAddon());
  } catch (error) {
    throw typedError(error);
  }
}

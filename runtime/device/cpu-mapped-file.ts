import { resolve } from 'node:path';

import { DeviceError } from '../errors.js';
import { callNative, type NativeHandle } from './addon.js';
import { checkWindow } from './check.js';
import type { MappedFile } from './types.js';

/** A read-only file mapping. A file that another process cuts short meanwhile gives a FileError at the next access, not a crash. */
export class CpuMappedFile implements MappedFile {
  readonly path: string;
  readonly byteLength: number;
  readonly #handle: NativeHandle;
  #disposed = false;

  /** Throws FileError when the file is missing, unreadable, empty, or not a regular file. */
  constructor(path: string) {
    this.path = path;
    [this.#handle, this.byteLength] = callNative((addon) => addon.mapFile(resolve(path)));
  }

  /** The native object. Throws DeviceError once disposed. */
  get native(): NativeHandle {
    if (this.#disposed) throw new DeviceError(`${this.path}: this mapping is disposed`);
    return this.#handle;
  }

  read(byteOffset: number, byteLength: number): Uint8Array<ArrayBuffer> {
    checkWindow(byteOffset, byteLength, this.byteLength, `read from ${this.path}`);
    const target = new Uint8Array(byteLength);
    callNative((addon) => addon.readMapped(this.native, byteOffset, target));
    return target;
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

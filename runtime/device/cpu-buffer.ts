import { DeviceError } from '../errors.js';
import { callNative, type NativeHandle } from './addon.js';
import { checkInteger, checkWindow } from './check.js';
import type { DeviceBuffer } from './types.js';

/** A buffer of the CPU device: memory of this process, shared by reference count with its views, plans and queued work. */
export class CpuBuffer implements DeviceBuffer {
  readonly label: string;
  readonly byteLength: number;
  readonly #handle: NativeHandle;
  #disposed = false;

  /** Made by `Device.allocate` and `view`. */
  constructor(handle: NativeHandle, label: string, byteLength: number) {
    this.#handle = handle;
    this.label = label;
    this.byteLength = byteLength;
  }

  /** The native object. Throws DeviceError once disposed. */
  get native(): NativeHandle {
    if (this.#disposed) throw new DeviceError(`${this.label}: this buffer is disposed`);
    return this.#handle;
  }

  view(byteOffset: number, byteLength: number): DeviceBuffer {
    checkWindow(byteOffset, byteLength, this.byteLength, `view of ${this.label}`);
    if (byteOffset % 4 !== 0) throw new RangeError(`view of ${this.label}: byteOffset must be a multiple of 4, found ${byteOffset}`);
    return new CpuBuffer(callNative((addon) => addon.view(this.native, byteOffset, byteLength)), this.label, byteLength);
  }

  write(source: ArrayBufferView, byteOffset = 0): void {
    checkWindow(byteOffset, source.byteLength, this.byteLength, `write to ${this.label}`);
    callNative((addon) => addon.write(this.native, byteOffset, new Uint8Array(source.buffer, source.byteOffset, source.byteLength)));
  }

  read(byteOffset = 0, byteLength = this.byteLength - byteOffset): Uint8Array<ArrayBuffer> {
    checkWindow(byteOffset, byteLength, this.byteLength, `read from ${this.label}`);
    const target = new Uint8Array(byteLength);
    callNative((addon) => addon.read(this.native, byteOffset, target));
    return target;
  }

  fill(byte: number): void {
    checkInteger(byte, `fill of ${this.label}: byte`, 0, 255);
    callNative((addon) => addon.fill(this.native, byte));
  }

  checkCanaries(): { before: number | null; after: number | null } {
    const [before, after] = callNative((addon) => addon.canaries(this.native));
    return { before, after };
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

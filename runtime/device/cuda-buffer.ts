import { DeviceError } from '../errors.js';
import { callNative, type NativeHandle } from './addon.js';
import { checkInteger, checkWindow } from './check.js';
import type { DeviceBuffer } from './types.js';

/**
 * A buffer in a GPU's memory. Its methods take their place behind everything that was queued before: a small write is sent off and does
 * not wait, a read waits for the runs ahead of it.
 */
export class CudaBuffer implements DeviceBuffer {
  readonly label: string;
  readonly byteLength: number;
  readonly #handle: NativeHandle;
  readonly #device: () => NativeHandle;
  #disposed = false;

  /** Made by `Device.allocate` and `view`; `device` answers the native device or throws when it is disposed. */
  constructor(device: () => NativeHandle, handle: NativeHandle, label: string, byteLength: number) {
    this.#device = device;
    this.#handle = handle;
    this.label = label;
    this.byteLength = byteLength;
  }

  /** The native object. Throws DeviceError once disposed. */
  get native(): NativeHandle {
    if (this.#disposed) throw new DeviceError(`${this.label}: this buffer is disposed`);
    return this.#handle;
  }

  /** Whether the buffer lies on that device. */
  isOn(device: () => NativeHandle): boolean {
    return this.#device === device;
  }

  view(byteOffset: number, byteLength: number): DeviceBuffer {
    checkWindow(byteOffset, byteLength, this.byteLength, `view of ${this.label}`);
    if (byteOffset % 4 !== 0) throw new RangeError(`view of ${this.label}: byteOffset must be a multiple of 4, found ${byteOffset}`);
    return new CudaBuffer(this.#device, callNative((addon) => addon.gpuView(this.native, byteOffset, byteLength)), this.label, byteLength);
  }

  write(source: ArrayBufferView, byteOffset = 0): void {
    checkWindow(byteOffset, source.byteLength, this.byteLength, `write to ${this.label}`);
    const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    callNative((addon) => addon.gpuWrite(this.#device(), this.native, byteOffset, bytes));
  }

  read(byteOffset = 0, byteLength = this.byteLength - byteOffset): Uint8Array<ArrayBuffer> {
    checkWindow(byteOffset, byteLength, this.byteLength, `read from ${this.label}`);
    const target = new Uint8Array(byteLength);
    callNative((addon) => addon.gpuRead(this.#device(), this.native, byteOffset, target));
    return target;
  }

  fill(byte: number): void {
    checkInteger(byte, `fill of ${this.label}: byte`, 0, 255);
    callNative((addon) => addon.gpuFill(this.#device(), this.native, byte));
  }

  /** On a device that checks every access there are no canaries: a stray access makes the run fail. */
  checkCanaries(): { before: number | null; after: number | null } {
    const [before, after] = callNative((addon) => addon.gpuCanaries(this.#device(), this.native));
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

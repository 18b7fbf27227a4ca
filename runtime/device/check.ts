/** Argument checks shared by the device's classes: everything is validated in JavaScript before one native call. */
import { type DeviceBuffer, MAX_RUN_READ_BYTES } from './types.js';

/** `value` if it is an integer in [least, most], else a RangeError naming `what`. */
export function checkInteger(value: unknown, what: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new RangeError(`${what} must be an integer ${range}, found ${String(value)}`);
}

/** Throws a RangeError unless [byteOffset, byteOffset + byteLength) lies inside [0, total). */
export function checkWindow(byteOffset: number, byteLength: number, total: number, what: string): void {
  checkInteger(byteOffset, `${what}: byteOffset`, 0);
  checkInteger(byteLength, `${what}: byteLength`, 0);
  if (byteOffset > total || byteLength > total - byteOffset) {
    throw new RangeError(`${what}: ${byteLength} bytes at byte ${byteOffset} are outside its ${total} bytes`);
  }
}

/** `buffer` if a run of the plan `name` may bring its bytes along, else a RangeError. */
export function checkRunRead(buffer: DeviceBuffer, name: string): DeviceBuffer {
  if (buffer.byteLength <= MAX_RUN_READ_BYTES) return buffer;
  throw new RangeError(`${name}: a run can read at most ${MAX_RUN_READ_BYTES} bytes, ${buffer.label} has ${buffer.byteLength}; read a view of it`);
}

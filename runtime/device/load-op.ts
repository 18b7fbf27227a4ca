import { DeviceError } from '../errors.js';
import { checkInteger } from './check.js';
import { CpuMappedFile } from './cpu-mapped-file.js';
import type { ElementType, LoadOp } from './types.js';

export const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = { f32: 4, f16: 2, bf16: 2 };

/** `type` if it is an element type, else a RangeError naming the supported ones. */
export function checkElementType(type: string): ElementType {
  if (Object.hasOwn(ELEMENT_BYTES, type)) return type as ElementType;
  throw new RangeError(`unknown element type ${String(type)}, supported: ${Object.keys(ELEMENT_BYTES).join(', ')}`);
}

/**
 * Bytes from the first to past the last element of `rows` rows of `cols` elements, `stride` apart; in BigInt, since the product of
 * sizes from a malformed file can be larger than any number is exact.
 */
function extent(rows: number, cols: number, stride: number, element: number): bigint {
  if (rows === 0 || cols === 0) return 0n;
  return ((BigInt(rows) - 1n) * BigInt(stride) + BigInt(cols)) * BigInt(element);
}

/** How an operation is called in messages. */
export function nameOfLoadOp(op: LoadOp, index: number): string {
  return `load operation ${index} (${op.target.label})`;
}

/**
 * Checks one operation against its file and its buffer. Throws a RangeError that says which end it runs over, or DeviceError for a source
 * that no device of this process mapped.
 */
export function checkLoadOp(op: LoadOp, index: number): LoadOp & { readonly source: CpuMappedFile; readonly transpose: boolean; readonly toF32: boolean } {
  const what = nameOfLoadOp(op, index);
  const type = checkElementType(op.type);
  if (!(op.source instanceof CpuMappedFile)) throw new DeviceError(`${what}: the source is not a file mapped by a device`);
  for (const name of ['sourceOffset', 'rows', 'cols', 'targetOffset', 'targetStride'] as const) checkInteger(op[name], `${what}: ${name}`, 0);
  const transpose = op.transpose ?? false;
  const toF32 = op.toF32 ?? false;
  const sourceEnd = BigInt(op.sourceOffset) + extent(op.rows, op.cols, op.cols, ELEMENT_BYTES[type]);
  if (sourceEnd > BigInt(op.source.byteLength)) {
    throw new RangeError(`${what} reads up to byte ${sourceEnd} of ${op.source.path}, which has ${op.source.byteLength}`);
  }
  const [rows, cols] = transpose ? [op.cols, op.rows] : [op.rows, op.cols];
  const element = toF32 ? 4 : ELEMENT_BYTES[type];
  if (op.targetStride < cols && rows > 0) throw new RangeError(`${what}: targetStride ${op.targetStride} is less than the row of ${cols} elements`);
  if (op.targetOffset % element !== 0) throw new RangeError(`${what}: targetOffset ${op.targetOffset} is not a multiple of ${element}`);
  const targetEnd = BigInt(op.targetOffset) + extent(rows, cols, op.targetStride, element);
  if (targetEnd > BigInt(op.target.byteLength)) {
    throw new RangeError(`${what} writes up to byte ${targetEnd} of a buffer of ${op.target.byteLength}`);
  }
  return { ...op, source: op.source, transpose, toF32 };
}

/** An error in a progress listener belongs to the load's promise, not to the event loop that calls it. */
export function guardListener(onProgress: ((bytesDone: number) => void) | undefined): {
  readonly listener: ((bytesDone: number) => void) | undefined;
  rethrow(): void;
} {
  let failure: { readonly error: unknown } | undefined;
  return {
    listener:
      onProgress &&
      ((bytes) => {
        try {
          if (failure === undefined) onProgress(bytes);
        } catch (error) {
          failure = { error };
        }
      }),
    rethrow() {
      if (failure !== undefined) throw failure.error;
    },
  };
}

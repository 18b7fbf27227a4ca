import type { NativeLoadOp } from './addon.js';
import { nativeBuffer } from './cpu-plan.js';
import { checkLoadOp, nameOfLoadOp } from './load-op.js';
import type { LoadOp } from './types.js';

/** Checks one operation and lays it out for the addon. Throws what `checkLoadOp` throws. */
export function nativeLoadOp(op: LoadOp, index: number): NativeLoadOp {
  const { source, sourceOffset, type, rows, cols, targetOffset, targetStride, transpose, toF32 } = checkLoadOp(op, index);
  const target = nativeBuffer(op.target, `${nameOfLoadOp(op, index)}: the target`);
  return { source: source.native, sourceOffset, type, rows, cols, target, targetOffset, targetStride, transpose, toF32 };
}

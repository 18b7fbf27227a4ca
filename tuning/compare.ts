/** Comparison of a kernel's output with what was expected. */
import type { Dtype, ReferenceOutput } from '../generator/types.js';
import { decodeTensor } from '../generator/families/common.js';

/** Every byte of an output before a launch: NaN in each float type, -1 as i32. */
export const POISON = 0xff;

/** Null when every element is within its bound; else one sentence about the first bad element and how many there are. */
export function compareOutput(name: string, bytes: Uint8Array<ArrayBuffer>, dtype: Dtype, expected: ReferenceOutput): string | null {
  const actual = decodeTensor(bytes, dtype);
  const { values, bound } = expected;
  let bad = 0;
  let first = '';
  for (let i = 0; i < values.length; i++) {
    const want = values[i] ?? Number.NaN;
    const got = actual[i] ?? Number.NaN;
    const allowed = typeof bound === 'number' ? bound : (bound[i] ?? 0);
    if (allowed === Number.POSITIVE_INFINITY || Object.is(got, want) || Math.abs(got - want) <= allowed) continue;
    if (bad++ === 0) first = `${name}[${i}] is ${isPoison(bytes, dtype, i) ? 'never written' : got}, expected ${want}${allowed > 0 ? ` ± ${allowed.toExponential(2)}` : ''}`;
  }
  return bad === 0 ? null : `${first}; ${bad} of ${values.length} elements are wrong`;
}

/** Largest error as a share of what the bound allows, over the elements whose bound is finite and not zero; 0 where all must be equal. */
export function worstRatio(bytes: Uint8Array<ArrayBuffer>, dtype: Dtype, expected: ReferenceOutput): number {
  const actual = decodeTensor(bytes, dtype);
  const { values, bound } = expected;
  let worst = 0;
  for (let i = 0; i < values.length; i++) {
    const allowed = typeof bound === 'number' ? bound : (bound[i] ?? 0);
    const error = Math.abs((actual[i] ?? Number.NaN) - (values[i] ?? Number.NaN));
    if (allowed > 0 && Number.isFinite(allowed) && error / allowed > worst) worst = error / allowed;
  }
  return worst;
}

function isPoison(bytes: Uint8Array, dtype: Dtype, element: number): boolean {
  const size = dtype === 'f16' || dtype === 'bf16' ? 2 : 4;
  return bytes.subarray(element * size, (element + 1) * size).every((byte) => byte === POISON);
}

/**
 * Largest absolute error per unit of output magnitude (root mean square) that the oracle allows: it carries a bound over to a size at
 * which the oracle is not run. Null for outputs that must be equal.
 */
export function relativeBound(expected: ReferenceOutput): number | null {
  const { values, bound } = expected;
  if (values instanceof Int32Array) return null;
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const allowed = typeof bound === 'number' ? bound : (bound[i] ?? 0);
    if (Number.isFinite(allowed)) largest = Math.max(largest, allowed);
  }
  const size = rootMeanSquare(values);
  return largest === 0 || size === 0 ? null : largest / size;
}

export function rootMeanSquare(values: Float64Array | Int32Array): number {
  let sum = 0;
  for (const value of values) sum += Number.isFinite(value) ? value * value : 0;
  return Math.sqrt(sum / Math.max(1, values.length));
}

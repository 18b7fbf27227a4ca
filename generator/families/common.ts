import type { AxisValues, Dims, Dtype, Params, Random, ScalarSpec, TensorSpec, WeightDtype } from '../types.js';

/** What families share: sizes, tensor and scalar declarations, number formats, random contents and error bounds. Pure. */

/** The size of that name. Throws a RangeError when the problem lacks it. */
export function dim(dims: Dims, name: string): number {
  const value = dims[name];
  if (value === undefined) throw new RangeError(`the problem has no size "${name}"; it has ${Object.keys(dims).join(', ') || 'none'}`);
  return value;
}

/** The value of a tuning axis. Throws a RangeError when the variant has none. */
export function axis(axes: AxisValues, name: string): number {
  const value = axes[name];
  if (value === undefined) throw new RangeError(`the variant has no axis "${name}"`);
  return value;
}

/** A size that may be left out, such as `bias` (0 = absent, 1 = present). */
export function dimOr(dims: Dims, name: string, fallback: number): number {
  return dims[name] ?? fallback;
}

export function ceilDiv(a: number, b: number): number {
  return Math.ceil(a / b);
}

export function roundUp(a: number, b: number): number {
  return ceilDiv(a, b) * b;
}

/** Elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

export const DTYPE_BYTES: Readonly<Record<Dtype, number>> = { f32: 4, f16: 2, bf16: 2, i32: 4 };

/** The element type of a family's weights: its `dtype` parameter. */
export function dtypeParam(params: Params): WeightDtype {
  const dtype = params['dtype'];
  if (dtype !== 'f32' && dtype !== 'f16' && dtype !== 'bf16') throw new RangeError(`parameter dtype is ${String(dtype)}; expected f32, f16 or bf16`);
  return dtype;
}

/** Bytes of one weight. */
export function weightBytes(params: Params): number {
  return DTYPE_BYTES[dtypeParam(params)];
}

type Shape = TensorSpec['shape'];
type Role = TensorSpec['role'];

/** An f32 tensor of a family. */
export function f32Spec(name: string, role: Role, shape: Shape, doc: string, optional = false): TensorSpec {
  return { name, role, dtype: () => 'f32', shape, doc, ...(optional ? { optional } : {}) };
}

/** An i32 tensor of a family. */
export function i32Spec(name: string, role: Role, shape: Shape, doc: string, optional = false): TensorSpec {
  return { name, role, dtype: () => 'i32', shape, doc, ...(optional ? { optional } : {}) };
}

/** A tensor of the family's weight type. */
export function weightSpec(name: string, role: Role, shape: Shape, doc: string): TensorSpec {
  return { name, role, dtype: dtypeParam, shape, doc };
}

/** An int scalar whose value is the size of the same name (`fallback` where the problem leaves it out). */
export function intScalar(name: string, doc: string, options: { readonly dynamic?: boolean; readonly fallback?: number } = {}): ScalarSpec {
  const { dynamic = false, fallback } = options;
  const value = (dims: Dims): number => (fallback === undefined ? dim(dims, name) : dimOr(dims, name, fallback));
  return { name, type: 'int', value, doc, ...(dynamic ? { dynamic } : {}) };
}

const word = new DataView(new ArrayBuffer(4));

function floatBits(value: number): number {
  word.setFloat32(0, value);
  return word.getUint32(0);
}

function bitsFloat(bits: number): number {
  word.setUint32(0, bits);
  return word.getFloat32(0);
}

/** The stored bits of a number in a 16-bit format, rounded to nearest, ties to even. */
export function halfBits(value: number, dtype: 'f16' | 'bf16'): number {
  const bits = floatBits(value);
  if (dtype === 'bf16') return Number.isNaN(value) ? (bits >>> 16) | 0x40 : ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(Math.fround(value));
  if (Number.isNaN(magnitude)) return sign | 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  // Adding 2^(e+13) to a number of exponent e leaves ten fraction bits; below 2^-14 the spacing stays 2^-24.
  const exponent = Math.max(((floatBits(magnitude) >>> 23) & 0xff) - 127, -14);
  const spacing = 2 ** (exponent - 10);
  const steps = magnitude / spacing;
  const floor = Math.floor(steps);
  const up = steps - floor > 0.5 || (steps - floor === 0.5 && floor % 2 === 1) ? 1 : 0;
  return sign | (((exponent + 14) << 10) + floor + up);
}

/** The number that those bits stand for. */
export function halfValue(bits: number, dtype: 'f16' | 'bf16'): number {
  if (dtype === 'bf16') return bitsFloat((bits << 16) >>> 0);
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The nearest number that the type can hold. */
export function roundedTo(value: number, dtype: WeightDtype): number {
  return dtype === 'f32' ? Math.fround(value) : halfValue(halfBits(value, dtype), dtype);
}

/** The bytes of a tensor as kernels read it, little-endian. */
export function encodeTensor(values: ArrayLike<number>, dtype: Dtype): Uint8Array<ArrayBuffer> {
  const { length } = values;
  if (dtype === 'i32') return new Uint8Array(Int32Array.from(values).buffer);
  if (dtype === 'f32') return new Uint8Array(Float32Array.from(values).buffer);
  const bits = new Uint16Array(length);
  for (let i = 0; i < length; i++) bits[i] = halfBits(values[i] ?? NaN, dtype);
  return new Uint8Array(bits.buffer);
}

/** The numbers in a tensor's bytes. */
export function decodeTensor(bytes: Uint8Array, dtype: Dtype): Float64Array | Int32Array {
  const buffer = bytes.slice().buffer;
  if (dtype === 'i32') return new Int32Array(buffer);
  if (dtype === 'f32') return Float64Array.from(new Float32Array(buffer));
  return Float64Array.from(new Uint16Array(buffer), (bits) => halfValue(bits, dtype));
}

/** Roughly normal numbers (a sum of three uniform ones) of standard deviation `scale`, each rounded to the type. */
export function randomValues(count: number, random: Random, dtype: WeightDtype = 'f32', scale = 1): Float64Array {
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = roundedTo(2 * scale * (random() + random() + random() - 1.5), dtype);
  return values;
}

/** Roughly normal f32 numbers. */
export function f32Tensor(count: number, random: Random, scale = 1): Float64Array {
  return randomValues(count, random, 'f32', scale);
}

/** k distinct neurons of `intermediate`, ascending, every set equally likely. */
export function ascendingExperts(k: number, intermediate: number, random: Random): Int32Array {
  if (k > intermediate) throw new RangeError(`cannot choose ${k} of ${intermediate} neurons`);
  const experts = new Int32Array(k);
  for (let neuron = 0, chosen = 0; chosen < k; neuron++) {
    if (random() * (intermediate - neuron) < k - chosen) experts[chosen++] = neuron;
  }
  return experts;
}

/** Half the distance from 1 to the next fp32 number: the relative error of one operation. */
export const F32_ROUNDING = 2 ** -24;

/**
 * Largest error of an fp32 sum of `terms` products whose absolute values sum to `magnitude`, whatever the order (Higham, Accuracy and
 * Stability of Numerical Algorithms, section 3.1: γ_n = n·u / (1 − n·u)); a few more roundings are allowed for what surrounds the sum.
 */
export function sumBound(terms: number, magnitude: number): number {
  return (terms + 8) * F32_ROUNDING * 1.01 * magnitude + 1e-37;
}

/** The tensor of that name as numbers. Throws a RangeError when it is missing. */
export function numbers(values: Readonly<Record<string, Float64Array | Int32Array | null>>, name: string): Float64Array {
  const tensor = values[name];
  if (!(tensor instanceof Float64Array)) throw new RangeError(`the inputs lack the tensor "${name}"`);
  return tensor;
}

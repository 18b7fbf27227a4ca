/** Tensor values to device bytes and back. Values are already rounded to their dtype, so encoding is exact. */
import type { Dtype } from '../generator/types.js';

export function elementSize(dtype: Dtype): number {
  return dtype === 'f16' || dtype === 'bf16' ? 2 : 4;
}

export function encode(values: Float64Array | Int32Array, dtype: Dtype): Uint8Array<ArrayBuffer> {
  if (dtype === 'i32') return bytesOf(Int32Array.from(values));
  if (dtype === 'f32') return bytesOf(Float32Array.from(values));
  const words = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) words[i] = dtype === 'bf16' ? bf16Bits(values[i] ?? 0) : f16Bits(values[i] ?? 0);
  return bytesOf(words);
}

export function decode(bytes: Uint8Array<ArrayBuffer>, dtype: Dtype): Float64Array | Int32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  if (dtype === 'i32') return new Int32Array(buffer, byteOffset, byteLength / 4).slice();
  if (dtype === 'f32') return Float64Array.from(new Float32Array(buffer, byteOffset, byteLength / 4));
  const words = new Uint16Array(buffer, byteOffset, byteLength / 2);
  return Float64Array.from(words, dtype === 'bf16' ? bf16Value : f16Value);
}

function bytesOf(array: Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** The upper half of the fp32 pattern: exact for values that are bf16 numbers. */
function bf16Bits(value: number): number {
  float[0] = value;
  return (word[0] ?? 0) >>> 16;
}

function bf16Value(bits: number): number {
  word[0] = bits << 16;
  return float[0] ?? 0;
}

/** Exact for values that are f16 numbers (subnormals included). */
function f16Bits(value: number): number {
  float[0] = value;
  const bits = word[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return sign | 0x7e00;
  if (magnitude === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | Math.round(magnitude * 2 ** 24);
  return sign | ((((bits >>> 23) & 0xff) - 112) << 10) | ((bits >>> 13) & 0x3ff);
}

function f16Value(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * Number formats of weights, written plainly in JavaScript: the tests' own idea of F16 and BF16, independent of the native code.
 */
export type WeightType = 'f32' | 'f16' | 'bf16';

export const BYTES_PER_ELEMENT: Readonly<Record<WeightType, number>> = { f32: 4, f16: 2, bf16: 2 };

const scratch = new DataView(new ArrayBuffer(4));

function bitsOfFloat32(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

/** The float32 nearest to `value` (ties to even) as BF16 bits. */
export function toBf16Bits(value: number): number {
  const bits = bitsOfFloat32(value);
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

export function fromBf16Bits(bits: number): number {
  scratch.setUint32(0, (bits << 16) >>> 0);
  return scratch.getFloat32(0);
}

/** The half-precision number nearest to `value` (ties to even) as bits; too large becomes infinity. */
export function toF16Bits(value: number): number {
  const sign = bitsOfFloat32(value) >>> 31 === 1 ? 0x8000 : 0;
  const magnitude = Math.abs(Math.fround(value));
  if (Number.isNaN(magnitude)) return sign | 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  // Every half is a multiple of 2^-24; normal numbers of exponent e are multiples of 2^(e-10).
  const exponent = magnitude < 2 ** -14 ? -14 : Math.floor(Math.log2(magnitude));
  const safeExponent = 2 ** exponent > magnitude && exponent > -14 ? exponent - 1 : exponent;
  const steps = roundHalfToEven(magnitude / 2 ** (safeExponent - 10));
  return sign | (((safeExponent + 14) << 10) + steps);
}

export function fromF16Bits(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** The bytes of `values` in `type`, little-endian. */
export function encodeElements(values: ArrayLike<number>, type: WeightType): Uint8Array {
  const bytes = new Uint8Array(values.length * BYTES_PER_ELEMENT[type]);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (type === 'f32') view.setFloat32(4 * i, value, true);
    else view.setUint16(2 * i, type === 'bf16' ? toBf16Bits(value) : toF16Bits(value), true);
  }
  return bytes;
}

/** The numbers stored in `bytes`. */
export function decodeElements(bytes: Uint8Array, type: WeightType): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.byteLength / BYTES_PER_ELEMENT[type] }, (_, i) => {
    if (type === 'f32') return view.getFloat32(4 * i, true);
    const bits = view.getUint16(2 * i, true);
    return type === 'bf16' ? fromBf16Bits(bits) : fromF16Bits(bits);
  });
}

import { describe, expect, it } from 'vitest';
import { halfBits, halfValue } from '../../../generator/families/common.js';
import { splitBf16 } from '../../../generator/families/split_bf16.js';
import { describeKernels } from '../../support/run-kernel.js';

describe('the reference of split_bf16', () => {
  it('gives bf16 numbers of which two come within 2^-17 of the number and three equal it', () => {
    const x = Float32Array.from({ length: 500 }, (_, i) => Math.sin(i * 12.9898) * 2 ** ((i % 41) - 20));
    const { high, middle, low } = splitBf16.reference({ family: 'split_bf16', params: {}, dims: { n: x.length } }, { x: Float64Array.from(x) });
    x.forEach((value, i) => {
      const [a, b, c] = [high?.values[i] ?? NaN, middle?.values[i] ?? NaN, low?.values[i] ?? NaN];
      for (const part of [a, b, c]) expect(halfValue(halfBits(part, 'bf16'), 'bf16')).toBe(part);
      expect(a + b + c).toBe(value);
      expect(Math.abs(value - a - b)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -17);
    });
  });
});

describeKernels(splitBf16);

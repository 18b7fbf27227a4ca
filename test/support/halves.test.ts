import { describe, expect, it } from 'vitest';

import { fromBf16Bits, fromF16Bits, toBf16Bits, toF16Bits } from './halves.js';

describe('half-precision conversions of the tests', () => {
  it('every f16 number survives a round trip', () => {
    for (let bits = 0; bits < 0x7c01; bits++) expect(toF16Bits(fromF16Bits(bits))).toBe(bits);
  });

  it('rounds to the nearest f16, ties to even', () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const low = fromF16Bits(bits);
      const high = fromF16Bits(bits + 1);
      expect(toF16Bits((low + high) / 2)).toBe(bits % 2 === 0 ? bits : bits + 1);
      expect(toF16Bits(low + (high - low) * 0.49)).toBe(bits);
    }
    expect(toF16Bits(70000)).toBe(0x7c00);
    expect(toF16Bits(-0)).toBe(0x8000);
    expect(toF16Bits(-2.5)).toBe(0xc100);
  });

  it('rounds to the nearest bf16, ties to even', () => {
    expect(toBf16Bits(1)).toBe(0x3f80);
    expect(toBf16Bits(1 + 2 ** -8)).toBe(0x3f80);
    expect(toBf16Bits(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(toBf16Bits(-1 - 2 ** -8 - 2 ** -20)).toBe(0xbf81);
    for (let bits = 0; bits < 0x7f81; bits++) expect(toBf16Bits(fromBf16Bits(bits))).toBe(bits);
  });
});

import { describe, expect, it } from 'vitest';
import { encodeTensor } from '../../generator/families/common.js';
import { compareOutput, relativeBound } from '../../tuning/compare.js';

const values = Float64Array.of(1, 2, 3);
const bytes = (...numbers: number[]) => encodeTensor(numbers, 'f32');

describe('compareOutput', () => {
  it('accepts what is within the bound, per element or for all', () => {
    expect(compareOutput('y', bytes(1, 2.05, 3), 'f32', { values, bound: 0.1 })).toBeNull();
    expect(compareOutput('y', bytes(1, 2.05, 3), 'f32', { values, bound: Float64Array.of(0, 0.1, 0) })).toBeNull();
  });

  it('names the first wrong element and counts them', () => {
    expect(compareOutput('y', bytes(1, 2.5, 4), 'f32', { values, bound: 0.1 })).toBe('y[1] is 2.5, expected 2 ± 1.00e-1; 2 of 3 elements are wrong');
  });

  it('tells unwritten from wrong, and never accepts NaN for a number', () => {
    const poisoned = bytes(1, 2, 3).fill(0xff, 4, 8);
    expect(compareOutput('y', poisoned, 'f32', { values, bound: 1e9 })).toBe('y[1] is never written, expected 2 ± 1.00e+9; 1 of 3 elements are wrong');
    expect(compareOutput('y', bytes(1, Number.NaN, 3), 'f32', { values, bound: 1e9 })).toContain('y[1] is NaN');
    expect(compareOutput('y', bytes(1), 'f32', { values: Float64Array.of(Number.NaN), bound: 1 })).not.toBeNull();
    expect(compareOutput('y', bytes(Number.NaN), 'f32', { values: Float64Array.of(Number.NaN), bound: 1 })).toBeNull();
  });

  it('compares integers and half floats', () => {
    expect(compareOutput('e', encodeTensor([1, 2], 'i32'), 'i32', { values: Int32Array.of(1, 2), bound: 0 })).toBeNull();
    expect(compareOutput('e', encodeTensor([1, 3], 'i32'), 'i32', { values: Int32Array.of(1, 2), bound: 0 })).toBe('e[1] is 3, expected 2; 1 of 2 elements are wrong');
    expect(compareOutput('t', encodeTensor([0.5, -1.25], 'bf16'), 'bf16', { values: Float64Array.of(0.5, -1.25), bound: 0 })).toBeNull();
    expect(compareOutput('t', encodeTensor([0.5, -1.25], 'f16'), 'f16', { values: Float64Array.of(0.5, -1.26), bound: 0 })).not.toBeNull();
  });
});

describe('relativeBound', () => {
  it('is the largest bound over the size of the output, and null where equality is asked for', () => {
    expect(relativeBound({ values: Float64Array.of(3, -3), bound: Float64Array.of(0.03, 0.3) })).toBeCloseTo(0.1);
    expect(relativeBound({ values: Int32Array.of(1), bound: 1 })).toBeNull();
    expect(relativeBound({ values: Float64Array.of(3), bound: 0 })).toBeNull();
  });
});

import { describe, expect, test } from 'vitest';

import { checkInteger, checkWindow } from '../../../runtime/device/check.js';

describe('checkInteger', () => {
  test('answers integers in range', () => {
    expect(checkInteger(0, 'n', 0)).toBe(0);
    expect(checkInteger(-3, 'n', -3, 5)).toBe(-3);
    expect(checkInteger(5, 'n', -3, 5)).toBe(5);
  });
  test.each([[-1], [1.5], [Number.NaN], [Number.POSITIVE_INFINITY], [2 ** 53], ['1'], [null], [undefined]])('refuses %s', (value) => {
    expect(() => checkInteger(value, 'rows', 0)).toThrow(/^rows must be an integer of at least 0, found /);
  });
  test('names the range', () => {
    expect(() => checkInteger(9, 'byte', 0, 8)).toThrow('byte must be an integer from 0 to 8, found 9');
  });
});

describe('checkWindow', () => {
  test('accepts windows up to the end', () => {
    expect(() => checkWindow(0, 10, 10, 'w')).not.toThrow();
    expect(() => checkWindow(10, 0, 10, 'w')).not.toThrow();
  });
  test.each([[0, 11], [10, 1], [11, 0], [2 ** 53 - 1, 2 ** 53 - 1], [-1, 1], [1, -1]])('refuses %d + %d of 10', (offset, length) => {
    expect(() => checkWindow(offset, length, 10, 'w')).toThrow(RangeError);
  });
});

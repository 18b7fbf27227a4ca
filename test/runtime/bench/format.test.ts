import { describe, expect, it } from 'vitest';
import { bytesText, percent, significant, timesWithSpread, withSpread } from '../../../runtime/bench/format.js';

describe('format', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 KB'],
    [999_900, '1.00 MB'],
    [13_900_288, '13.9 MB'],
    [2.2e12, '2.20 TB'],
  ])('bytesText(%d) is %s', (bytes, text) => expect(bytesText(bytes)).toBe(text));

  it.each([
    [1234.5, 3, '1235'],
    [0.012345, 3, '0.0123'],
    [0, 3, '0'],
    [Number.NaN, 3, '–'],
    [99.96, 3, '100'],
  ])('significant(%d, %d) is %s', (value, digits, text) => expect(significant(value, digits)).toBe(text));

  it('shows a missing share as a dash', () => {
    expect(percent(null)).toBe('–');
    expect(percent(0.9312)).toBe('93.1 %');
    expect(timesWithSpread(null)).toBe('–');
  });

  it('scales median and spread alike', () => {
    expect(withSpread({ median: 0.0123456, mad: 0.00012 }, 1000)).toBe('12.35 ± 0.12');
  });
});

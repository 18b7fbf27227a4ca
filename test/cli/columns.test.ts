import { describe, expect, it } from 'vitest';
import { sideBySide, wrap } from '../../cli/columns.js';

describe('wrap', () => {
  it('breaks at spaces and keeps line breaks', () => {
    expect(wrap('the quick brown fox\njumps', 10)).toEqual(['the quick', 'brown fox', 'jumps']);
  });
  it('breaks a word that is longer than a line', () => expect(wrap('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij']));
  it('keeps indentation', () => expect(wrap('if x:\n    return 1', 20)).toEqual(['if x:', '    return 1']));
  it('never exceeds the width and loses no letters', () => {
    const text = 'In the beginning was the Word, and a-very-long-hyphenated-word-that-does-not-fit was there\n\nThe end.';
    for (let width = 5; width < 40; width++) {
      const lines = wrap(text, width);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
      expect(lines.join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
    }
  });
});

describe('sideBySide', () => {
  it('puts two texts of different length beside each other within the width', () => {
    const text = sideBySide({ heading: 'full', text: 'one two three' }, { heading: 'half', text: 'a b c d e f g h i j k l' }, 23);
    expect(text.split('\n')).toEqual(['full       │ half', '────────── │ ──────────', 'one two    │ a b c d e', 'three      │ f g h i j', '           │ k l']);
  });
});

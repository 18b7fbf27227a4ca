import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { parseLaunchExpression } from '../../../runtime/device/launch-expression.js';
import { LibraryError } from '../../../runtime/errors.js';

const VALUES = { rows: 5, hidden: 4097, k: 0, sms: 132, below: -7 };
const value = (text: string): number => parseLaunchExpression(text).evaluate(VALUES);

describe('values', () => {
  test.each([
    ['1', 1],
    ['  12 ', 12],
    ['rows', 5],
    ['1 + 2 * 3', 7],
    ['(1 + 2) * 3', 9],
    ['10 - 4 - 3', 3],
    ['100 / 7 / 2', 7],
    ['100 % 7 * 2', 4],
    ['2*3%4', 2],
    ['below / 2', -4],
    ['7 / below', -1],
    ['8 / below', -2],
    ['below % 3', 2],
    ['7 % below', 0],
    ['8 % below', -6],
    ['ceilDiv(hidden, 8)', 513],
    ['ceilDiv(k, 8)', 0],
    ['ceilDiv(below, 2)', -3],
    ['ceilDiv(7, 0 - 2)', -3],
    ['min(rows, sms, 3)', 3],
    ['max(rows, 1)', 5],
    ['max(rows)', 5],
    ['min(sms * 2, ceilDiv(hidden, max(1, rows)))', 264],
    ['((((rows))))', 5],
  ])('%s = %d', (text, expected) => {
    expect(value(text)).toBe(expected);
  });

  test('names are listed once each, in order', () => {
    expect(parseLaunchExpression('hidden * 4 + min(rows, hidden, sms)').names).toEqual(['hidden', 'rows', 'sms']);
  });

  test('products past 2^53 are exact on the way', () => {
    expect(parseLaunchExpression('a * a / a').evaluate({ a: 9007199254740991 })).toBe(9007199254740991);
  });
});

describe('what is wrong is named with its position', () => {
  test.each([
    ['', 'expected a number, a name or `(`, found `the end` at position 0'],
    ['1 +', 'found `the end` at position 3'],
    ['1 + * 2', 'found `*` at position 4'],
    ['-1', 'found `-` at position 0'],
    ['(1 + 2', 'expected `)`, found `the end` at position 6'],
    ['1 2', 'expected an operator or the end, found `2` at position 2'],
    ['rows;', 'unexpected `;` at position 4'],
    ['1.5', 'unexpected `.` at position 1'],
    ['rows $ 2', 'unexpected `$` at position 5'],
    ['log2(rows)', 'unknown function log2'],
    ['ceilDiv(1)', 'ceilDiv takes two arguments, found 1 at position 0'],
    ['1 + ceilDiv(1, 2, 3)', 'ceilDiv takes two arguments, found 3 at position 4'],
    ['max()', 'found `)` at position 4'],
    ['min', 'expected `(`, found `the end` at position 3'],
  ])('%j when parsed', (text, message) => {
    expect(() => parseLaunchExpression(text)).toThrow(LibraryError);
    expect(() => parseLaunchExpression(text)).toThrow(message);
  });

  test.each([
    ['1 + cols', 'no value for cols at position 4'],
    ['toString', 'no value for toString at position 0'],
    ['rows / k', 'division by zero at position 5'],
    ['rows % k', 'division by zero at position 5'],
    ['ceilDiv(rows, k)', 'division by zero at position 0'],
    ['9007199254740991 + 1', 'the result 9007199254740992 is not a safe integer'],
  ])('%s when evaluated', (text, message) => {
    const expression = parseLaunchExpression(text);
    expect(() => expression.evaluate(VALUES)).toThrow(LibraryError);
    expect(() => expression.evaluate(VALUES)).toThrow(message);
  });

  test('a value that is no integer', () => {
    expect(() => parseLaunchExpression('1 + a').evaluate({ a: 0.5 })).toThrow('a must be a safe integer, found 0.5, at position 4');
  });
});

/** A random expression with its value by a plain recursion over the tree, or null for a division by zero. */
interface Sample {
  readonly text: string;
  readonly value: bigint | null;
}

const floor = (a: bigint, b: bigint): bigint => {
  let quotient = a / b;
  while (quotient * b > a === b > 0n && quotient * b !== a) quotient -= 1n;
  return quotient;
};
const both = (a: Sample, b: Sample, body: (x: bigint, y: bigint) => bigint | null): bigint | null =>
  a.value === null || b.value === null ? null : body(a.value, b.value);

const { sample } = fc.letrec<{ sample: Sample }>((tie) => ({
  sample: fc.oneof(
    { maxDepth: 5, depthIdentifier: 'expression' },
    fc.nat(5000).map((n): Sample => ({ text: `${n}`, value: BigInt(n) })),
    fc.constantFrom(...Object.entries(VALUES)).map(([text, n]): Sample => ({ text, value: BigInt(n) })),
    fc.tuple(fc.constantFrom('+', '-', '*', '/', '%', 'ceilDiv', 'min', 'max'), tie('sample'), tie('sample')).map(([symbol, a, b]): Sample => {
      if (symbol.length > 1) {
        const text = `${symbol}(${a.text}, ${b.text})`;
        if (symbol === 'ceilDiv') return { text, value: both(a, b, (x, y) => (y === 0n ? null : -floor(-x, y))) };
        return { text, value: both(a, b, (x, y) => (x < y === (symbol === 'min') ? x : y)) };
      }
      const text = `(${a.text} ${symbol} ${b.text})`;
      if (symbol === '+') return { text, value: both(a, b, (x, y) => x + y) };
      if (symbol === '-') return { text, value: both(a, b, (x, y) => x - y) };
      if (symbol === '*') return { text, value: both(a, b, (x, y) => x * y) };
      return { text, value: both(a, b, (x, y) => (y === 0n ? null : symbol === '/' ? floor(x, y) : x - y * floor(x, y))) };
    }),
  ),
}));

test('random expressions equal a plain evaluation of their tree', () => {
  fc.assert(
    fc.property(sample, ({ text, value: expected }) => {
      const expression = parseLaunchExpression(text);
      if (expected === null) expect(() => expression.evaluate(VALUES)).toThrow('division by zero');
      else if (expected > 9007199254740991n || expected < -9007199254740991n) expect(() => expression.evaluate(VALUES)).toThrow('not a safe integer');
      else expect(expression.evaluate(VALUES)).toBe(Number(expected));
    }),
    { seed: 11, numRuns: 1000 },
  );
});

test('precedence and associativity equal those of JavaScript for + - * on flat chains', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('+', '-', '*'), fc.nat(99)), { maxLength: 7 }), fc.nat(99), (rest, first) => {
      const text = rest.reduce((so, [symbol, n]) => `${so} ${symbol} ${n}`, `${first}`);
      expect(parseLaunchExpression(text).evaluate({})).toBe(Number(eval(text)));
    }),
    { seed: 12 },
  );
});

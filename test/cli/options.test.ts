import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../runtime/errors.js';
import { collect, density, densityList, duration, integer, nameList, real, shard, tokenIds, usage } from '../../cli/options.js';

describe('density', () => {
  it.each([['0', 0], ['1', 1], ['0.5', 0.5], ['.25', 0.25], ['5e-1', 0.5]])('takes %s', (text, value) => expect(density(text)).toBe(value));
  it.each(['', 'NaN', 'Infinity', '2', '-0.1', '1.0001', '50%', '0x1', 'half', '1 2'])('refuses %j', (text) => {
    expect(() => density(text)).toThrow(InvalidArgumentError);
  });
  it('reads lists', () => {
    expect(densityList('1,0.5, 0.25')).toEqual([1, 0.5, 0.25]);
    expect(() => densityList('1,,0.5')).toThrow(InvalidArgumentError);
  });
});

describe('integer', () => {
  it.each(['0', '1.5', '', 'one', '-3', '1e400', '9007199254740993'])('refuses %j when at least 1 is asked for', (text) => {
    expect(() => integer(1)(text)).toThrow(/integer of at least 1/);
  });
  it('takes values up to the last safe one', () => expect(integer(0)('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER));
  it('names both ends of a range', () => expect(() => integer(1, 4)('5')).toThrow(/from 1 to 4/));
});

describe('real', () => {
  it('can exclude its lower end', () => {
    expect(() => real(0, 1, { openMin: true })('0')).toThrow(InvalidArgumentError);
    expect(real(0, 1)('0')).toBe(0);
  });
  it('says that there is no upper end', () => expect(() => real(0, Number.MAX_VALUE)('-1')).toThrow(/of at least 0/));
});

describe('tokenIds', () => {
  it('reads ids, with spaces allowed', () => expect(tokenIds('5, 9,2')).toEqual([5, 9, 2]));
  it.each(['', ' ', '5,', '5,x', '-1', '1.5'])('refuses %j', (text) => expect(() => tokenIds(text)).toThrow(InvalidArgumentError));
});

describe('duration', () => {
  it.each([['30s', 30], ['2m', 120], ['500ms', 0.5], ['1.5h', 5400]])('%s is %d seconds', (text, seconds) => expect(duration(text)).toBe(seconds));
  it.each(['30', '0s', '-1s', 's', '1d'])('refuses %j', (text) => expect(() => duration(text)).toThrow(InvalidArgumentError));
});

describe('shard', () => {
  it('counts from one outside and from zero inside', () => expect(shard('2/4')).toEqual({ index: 1, of: 4 }));
  it.each(['', '0/4', '5/4', '1', '1/0', '-1/4', '1/4/2'])('refuses %j', (text) => expect(() => shard(text)).toThrow(InvalidArgumentError));
});

describe('nameList', () => {
  it('splits at commas', () => expect(nameList('a, b,')).toEqual(['a', 'b']));
  it('refuses nothing', () => expect(() => nameList(' ,')).toThrow(InvalidArgumentError));
});

describe('usage', () => {
  it('turns usage errors into messages about the option, and no others', () => {
    expect(() => usage(() => { throw new UsageError('not so'); })('x')).toThrow(InvalidArgumentError);
    expect(() => usage(() => { throw new RangeError('a bug'); })('x')).toThrow(RangeError);
    expect(usage((text) => text.length)('abc')).toBe(3);
  });
});

describe('collect', () => {
  it('gathers a repeated option', () => expect(collect('b', collect('a', undefined))).toEqual(['a', 'b']));
});

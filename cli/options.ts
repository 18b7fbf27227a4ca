/** Parsers for option values: each throws commander's InvalidArgumentError with what was expected, which ends in exit code 2. */
import { InvalidArgumentError } from 'commander';
import { UsageError } from '../runtime/errors.js';

/** Digits with an optional fraction and exponent: unlike Number(), neither '' nor '0x10' nor 'Infinity'. */
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function decimal(text: string): number {
  return DECIMAL.test(text.trim()) ? Number(text) : Number.NaN;
}

/** A parser for an integer in [min, max]. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = decimal(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected an integer ${max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`}.`);
  };
}

/** A parser for a number in [min, max]; `openMin` excludes min itself. */
export function real(min: number, max: number, options: { readonly openMin?: boolean } = {}) {
  return (text: string): number => {
    const value = decimal(text);
    if (Number.isFinite(value) && (options.openMin === true ? value > min : value >= min) && value <= max) return value;
    const range = max === Number.MAX_VALUE ? `${options.openMin === true ? 'above' : 'of at least'} ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`Expected a number ${range}.`);
  };
}

/** Share of the feed-forward neurons to keep. */
export const density = (text: string): number => {
  const value = decimal(text);
  if (value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('Expected a share from 0 (no feed-forward neurons) to 1 (all of them: the full model).');
};

export function densityList(text: string): number[] {
  return text.split(',').map((part) => density(part));
}

/** `5,9,2`: token ids; whether they are inside the vocabulary is for the model to say. */
export function tokenIds(text: string): number[] {
  if (text.trim() === '') throw new InvalidArgumentError('Expected token ids separated by commas, e.g. 5,9,2; found none.');
  return text.split(',').map((part) => {
    const trimmed = part.trim();
    if (!/^\d+$/.test(trimmed)) throw new InvalidArgumentError(`Expected token ids separated by commas, e.g. 5,9,2; found '${trimmed}'.`);
    return Number(trimmed);
  });
}

/** A parser for one of a few names. */
export function oneOf<T extends string>(names: readonly T[], what: string) {
  return (text: string): T => {
    const found = names.find((name) => name === text.trim());
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Expected a ${what} (${names.join(', ')}), found '${text}'.`);
  };
}

/** For options that may be given several times. */
export function collect(text: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), text];
}

/** `30s`, `2m`, `500ms`, `1h`: seconds. */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  const scale = { ms: 0.001, s: 1, m: 60, h: 3600 };
  if (match !== null) {
    const seconds = Number(match[1]) * scale[match[2] as keyof typeof scale];
    if (seconds > 0) return seconds;
  }
  throw new InvalidArgumentError('Expected a length of time such as 30s, 2m or 1h.');
}

/** `2/4`: the second of four parts; 0-based inside the program. */
export function shard(text: string): { readonly index: number; readonly of: number } {
  const match = /^(\d+)\/(\d+)$/.exec(text.trim());
  const [index, of] = [Number(match?.[1]), Number(match?.[2])];
  if (match !== null && index >= 1 && index <= of) return { index: index - 1, of };
  throw new InvalidArgumentError(`Expected i/n with 1 ≤ i ≤ n, e.g. 2/4, found '${text}'.`);
}

/** Names separated by commas. */
export function nameList(text: string): string[] {
  const names = text.split(',').map((part) => part.trim()).filter((part) => part !== '');
  if (names.length === 0) throw new InvalidArgumentError('Expected names separated by commas.');
  return names;
}

/** A parser that throws UsageError, as one whose message commander puts behind the option's name. */
export function usage<T>(parse: (text: string) => T) {
  return (text: string): T => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof UsageError) throw new InvalidArgumentError(error.message);
      throw error;
    }
  };
}

import { UsageError } from '../errors.js';
import { SELECTIONS, type Selection } from '../griffin/selection.js';

/** Options of one generation. Every field may be left out; unknown names are refused. */
export interface GenerateOptions {
  /** How many tokens to generate at most. Default 64. In `class` mode exactly one token is produced. */
  readonly maxNewTokens?: number;
  /** Share of FF neurons kept after the prompt, 0 to 1; 1 is the full model, 0 drops the FF blocks. Default 0.5. */
  readonly density?: number;
  /** How the kept neurons are chosen. Default `topk`, the paper's method. */
  readonly selection?: Selection;
  /** `gen`: the prompt runs dense, generated tokens run sparse. `class`: all prompt tokens but the last run dense, the last sparse. Default `gen`. */
  readonly mode?: 'gen' | 'class';
  /** Read kept neurons in place or pack them first; `auto` asks the kernel library what was measured. Default `auto`. */
  readonly strategy?: 'auto' | 'gather' | 'compact';
  /** 0 is greedy. Default 0. */
  readonly temperature?: number;
  /** Sample among the k most likely tokens; 0 is off. Default 0. */
  readonly topK?: number;
  /** Sample among the most likely tokens that together have this probability; 1 is off. Default 1. */
  readonly topP?: number;
  /** Drop tokens below this share of the most likely token's probability; 0 is off. Default 0. */
  readonly minP?: number;
  /** Divides positive and multiplies negative logits of tokens that were seen; 1 is off. Default 1. */
  readonly repetitionPenalty?: number;
  /** Seed of token sampling and of drawn experts: a whole number from 0 to 2^53 − 1. Default 0. */
  readonly seed?: number;
  /** Texts that end the generation; they are not part of the result. Default none. */
  readonly stop?: string | readonly string[];
  /** Go on past end-of-sequence tokens. Default false. */
  readonly ignoreEos?: boolean;
  /** Prompt tokens per prefill step, 1 to 256. Default 256. */
  readonly prefillChunk?: number;
  /** Put the kept neurons per layer into the result. Default false. */
  readonly dumpExperts?: boolean;
  /** Put the first and last logits into the result. Default false. */
  readonly dumpLogits?: boolean;
  /** Stops the generation; what was generated so far is the result, with `finishReason: 'aborted'`. */
  readonly signal?: AbortSignal;
}

/** All options with their defaults filled in. */
export type ResolvedOptions = Required<Omit<GenerateOptions, 'signal' | 'stop'>> & {
  readonly stop: readonly string[];
  readonly signal: AbortSignal | undefined;
};

/** Largest prefill chunk, rows of one prefill step. */
export const MAX_PREFILL_CHUNK = 256;

export const GENERATE_DEFAULTS = {
  maxNewTokens: 64,
  density: 0.5,
  selection: 'topk',
  mode: 'gen',
  strategy: 'auto',
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  seed: 0,
  stop: [],
  ignoreEos: false,
  prefillChunk: MAX_PREFILL_CHUNK,
  dumpExperts: false,
  dumpLogits: false,
  signal: undefined,
} as const satisfies ResolvedOptions;

/** Checks every option and fills in the defaults. Throws a {@link UsageError} that names the option, what was found and what is expected. */
export function resolveOptions(options: GenerateOptions = {}): ResolvedOptions {
  requireKnownNames('generate option', options, Object.keys(GENERATE_DEFAULTS));
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as GenerateOptions;
  const merged = { ...GENERATE_DEFAULTS, ...given };
  const resolved: ResolvedOptions = { ...merged, stop: typeof merged.stop === 'string' ? [merged.stop] : merged.stop };

  requireNumber('density', resolved.density, 'a number from 0 (drop the FF blocks) to 1 (full model)', (v) => v >= 0 && v <= 1);
  requireNumber('maxNewTokens', resolved.maxNewTokens, 'a whole number of at least 1', (v) => Number.isSafeInteger(v) && v >= 1);
  requireNumber('temperature', resolved.temperature, 'a finite number of at least 0', (v) => Number.isFinite(v) && v >= 0);
  requireNumber('topK', resolved.topK, 'a whole number of at least 0 (0 is off)', (v) => Number.isInteger(v) && v >= 0 && v < 2 ** 31);
  requireNumber('topP', resolved.topP, 'a number over 0, at most 1 (1 is off)', (v) => v > 0 && v <= 1);
  requireNumber('minP', resolved.minP, 'a number from 0 (off) to 1', (v) => v >= 0 && v <= 1);
  requireNumber('repetitionPenalty', resolved.repetitionPenalty, 'a finite number over 0 (1 is off)', (v) => Number.isFinite(v) && v > 0);
  requireNumber('seed', resolved.seed, 'a whole number from 0 to 2^53 - 1', (v) => Number.isSafeInteger(v) && v >= 0);
  requireNumber('prefillChunk', resolved.prefillChunk, `a whole number from 1 to ${MAX_PREFILL_CHUNK}`, (v) => Number.isInteger(v) && v >= 1 && v <= MAX_PREFILL_CHUNK);
  requireChoice('selection', resolved.selection, SELECTIONS);
  requireChoice('mode', resolved.mode, ['gen', 'class']);
  requireChoice('strategy', resolved.strategy, ['auto', 'gather', 'compact']);
  for (const name of ['ignoreEos', 'dumpExperts', 'dumpLogits'] as const) {
    if (typeof resolved[name] !== 'boolean') throw new UsageError(`${name} is ${show(resolved[name])}; expected true or false`);
  }
  if (!Array.isArray(resolved.stop) || resolved.stop.some((text) => typeof text !== 'string' || text === '')) {
    throw new UsageError(`stop is ${show(options.stop)}; expected a text, or a list of texts, none of them empty`);
  }
  if (resolved.signal !== undefined && !(resolved.signal instanceof AbortSignal)) throw new UsageError(`signal is ${show(resolved.signal)}; expected an AbortSignal`);
  return resolved;
}

/** Refuses names that are not known, and says which known name was probably meant. */
export function requireKnownNames(what: string, given: object, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null) throw new UsageError(`${what}s are ${show(given)}; expected an object`);
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const guess = likelyName(name, known);
    throw new UsageError(guess === null ? `Unknown ${what} "${name}"; known are ${known.join(', ')}` : `Misspelled ${what} "${name}" should be "${guess}"`);
  }
}

/** The known name nearest to `name`, if it is near enough to be a slip: letter case and separators do not count. */
export function likelyName(name: string, known: readonly string[]): string | null {
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '');
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(plain(name).length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(plain(name), plain(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

function requireNumber(name: string, value: unknown, expected: string, holds: (value: number) => boolean): void {
  if (typeof value !== 'number' || !holds(value)) throw new UsageError(`${name} is ${show(value)}; expected ${expected}`);
}

function requireChoice(name: string, value: unknown, choices: readonly string[]): void {
  if (typeof value === 'string' && choices.includes(value)) return;
  const guess = typeof value === 'string' ? likelyName(value, choices) : null;
  throw new UsageError(`${name} is ${show(value)}; expected one of ${choices.join(', ')}${guess === null ? '' : ` (did you mean ${guess}?)`}`);
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return JSON.stringify(value);
  return String(value);
}

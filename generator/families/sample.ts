import type { Dims, Family, Problem, Random } from '../types.js';
import { ceilDiv, dim, dimOr, f32Spec, f32Tensor, i32Spec, intScalar, numbers } from './common.js';
import { sampleCuda } from './cuda/sample.js';

/** Slots of the `state` tensor that sampling uses; the whole list is in docs/design.md. */
export const SAMPLE_STATE = { token: 0, position: 1, seedLow: 5, seedHigh: 6, draws: 7, topK: 8 } as const;
/** Slots of the `settings` tensor. */
export const SAMPLE_SETTINGS = { temperature: 0, topP: 1, minP: 2, repetitionPenalty: 3 } as const;

export interface SampleOptions {
  /** 0 (or anything that is not above 0) is greedy. */
  readonly temperature: number;
  /** 1 or more is off. */
  readonly topP: number;
  /** 0 or less is off. */
  readonly minP: number;
  /** 1 is off. */
  readonly repetitionPenalty: number;
  /** 0 or less is off. */
  readonly topK: number;
  readonly seedLow: number;
  readonly seedHigh: number;
  /** Draws made so far: the counter of the generator. */
  readonly draws: number;
}

const MASK64 = (1n << 64n) - 1n;

/**
 * The number in [0, 1) for one draw: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014) at a counter, upper 53 bits.
 */
export function drawUniform(seedLow: number, seedHigh: number, draws: number): number {
  const seed = (BigInt(seedHigh >>> 0) << 32n) | BigInt(seedLow >>> 0);
  let z = (seed + (BigInt(draws >>> 0) + 1n) * 0x9e3779b97f4a7c15n) & MASK64;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK64;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK64;
  z ^= z >> 31n;
  return Number(z >> 11n) * 2 ** -53;
}

/**
 * The whole sampling rule in plain TypeScript, what the kernel must agree with token by token.
 *
 * Logits are fp32; NaN counts as −∞; where every logit is NaN or −∞ the token is 0. In this order:
 *
 * 1. repetition penalty p ≠ 1: a seen token's logit x becomes x / p if x > 0, else x · p (CTRL, arXiv 1909.05858, as in Hugging Face transformers);
 * 2. temperature T not above 0: the largest logit wins, ties to the lower id, done;
 * 3. distance d = (max − x) / T in fp32, weight exp(−d);
 * 4. top-k: the k smallest distances, ties to the lower id;
 * 5. top-p: the shortest prefix, in order of (distance, id), whose weight is at least p of the weight of what top-k left; at least one;
 * 6. min-p: what weighs less than min-p times the heaviest token goes;
 * 7. draw: kept tokens in ascending order of id, the first whose running weight exceeds u · total, with u from `drawUniform`.
 */
export function sampleToken(logits: ArrayLike<number>, seen: ArrayLike<number>, options: SampleOptions): number {
  const { repetitionPenalty: penalty, temperature } = options;
  const x = Float64Array.from({ length: logits.length }, (_, id) => {
    const raw = logits[id] ?? NaN;
    const value = penalty === 1 || !seen[id] ? raw : Math.fround(raw > 0 ? raw / penalty : raw * penalty);
    return Number.isNaN(value) ? -Infinity : value;
  });
  let best = 0;
  for (let id = 1; id < x.length; id++) if ((x[id] ?? 0) > (x[best] ?? 0)) best = id;
  const max = x[best] ?? -Infinity;
  if (!(temperature > 0) || !Number.isFinite(max)) return best;

  let kept = [...x.keys()].map((id) => {
    const distance = Math.fround(Math.fround(max - (x[id] ?? 0)) / temperature);
    return { id, distance, weight: Math.exp(-distance) };
  });
  kept = kept.filter((token) => token.distance < Infinity);
  kept.sort((a, b) => a.distance - b.distance || a.id - b.id);
  if (options.topK > 0) kept = kept.slice(0, options.topK);
  if (options.topP < 1) {
    const wanted = options.topP * total(kept);
    let sum = 0;
    const length = kept.findIndex((token) => (sum += token.weight) >= wanted) + 1;
    kept = kept.slice(0, length === 0 ? kept.length : length);
  }
  if (options.minP > 0) kept = kept.filter((token) => token.distance === 0 || token.weight >= options.minP);
  kept.sort((a, b) => a.id - b.id);
  const target = drawUniform(options.seedLow, options.seedHigh, options.draws) * total(kept);
  let sum = 0;
  const chosen = kept.find((token) => (sum += token.weight) > target) ?? kept.at(-1);
  return chosen?.id ?? best;
}

function total(tokens: readonly { readonly weight: number }[]): number {
  return tokens.reduce((sum, token) => sum + token.weight, 0);
}

/** The options that `state` and `settings` hold. */
export function sampleOptions(state: ArrayLike<number>, settings: ArrayLike<number>): SampleOptions {
  return {
    temperature: settings[SAMPLE_SETTINGS.temperature] ?? 0,
    topP: settings[SAMPLE_SETTINGS.topP] ?? 1,
    minP: settings[SAMPLE_SETTINGS.minP] ?? 0,
    repetitionPenalty: settings[SAMPLE_SETTINGS.repetitionPenalty] ?? 1,
    topK: state[SAMPLE_STATE.topK] ?? 0,
    seedLow: state[SAMPLE_STATE.seedLow] ?? 0,
    seedHigh: state[SAMPLE_STATE.seedHigh] ?? 0,
    draws: state[SAMPLE_STATE.draws] ?? 0,
  };
}

/** Test settings by the problem's optional size `kind`: what a caller may ask for, one thing at a time and together. */
export const SAMPLE_KINDS = ['greedy', 'penalised', 'temperature', 'topk', 'topp', 'minp', 'all', 'ties', 'odd', 'none'] as const;

type Kind = (typeof SAMPLE_KINDS)[number];

function kindOf(dims: Dims): Kind {
  return SAMPLE_KINDS[dimOr(dims, 'kind', 0)] ?? 'greedy';
}

function settingsOf(kind: Kind, random: Random): Float64Array {
  const on = (...kinds: readonly Kind[]): boolean => kinds.includes(kind);
  return Float64Array.of(
    on('greedy', 'penalised') ? 0 : 0.3 + random(),
    on('topp', 'all', 'ties') ? random() : 1,
    on('minp', 'all') ? random() * 0.2 : 0,
    on('penalised', 'all', 'odd') ? 0.7 + random() : 1,
  ).map(Math.fround);
}

function logitsOf(kind: Kind, vocab: number, random: Random): Float64Array {
  if (kind === 'none') return new Float64Array(vocab).map((_, id) => (id % 2 === 0 ? NaN : -Infinity));
  const logits = f32Tensor(vocab, random, 3);
  if (kind === 'ties') return logits.map(Math.round);
  if (kind === 'odd') return logits.map((value) => [NaN, -Infinity, value, value, 3e38, -3e38][Math.floor(random() * 4.02)] ?? value);
  return logits;
}

const problem = (vocab: number, kind: Kind, advance = 1): Problem => ({
  family: 'sample',
  params: {},
  dims: { vocab, advance, kind: SAMPLE_KINDS.indexOf(kind) },
});

/** The next token from the logits. */
export const sample: Family = {
  name: 'sample',
  summary: 'Chooses the next token: repetition penalty, temperature, top-k, top-p, min-p and a seeded draw, or the largest logit.',
  formula: 'token = sampleToken(logits, seen, state, settings); seen[token] = 1; draws += 1; position += advance',
  source:
    'CTRL (arXiv 1909.05858) for the penalty, Holtzman et al. (arXiv 1904.09751) for top-p, Nguyen et al. (arXiv 2407.01082) for min-p, in the order of Hugging Face transformers',
  params: [],
  dims: [
    { name: 'vocab', doc: 'logits' },
    { name: 'advance', doc: 'added to the position: 1 in decoding, 0 after the prompt' },
    { name: 'kind', doc: `only for test inputs: ${SAMPLE_KINDS.map((kind, i) => `${i} ${kind}`).join(', ')} (default 0)` },
  ],
  tensors: [
    f32Spec('logits', 'input', (d) => [dim(d, 'vocab')], '[vocab]'),
    i32Spec('state', 'inout', () => [16], '[16] token, position, seed, draws and top-k by the slots of docs/design.md'),
    f32Spec('settings', 'input', () => [4], '[4] temperature (0 = greedy), top-p (1 = off), min-p (0 = off), repetition penalty (1 = off)'),
    i32Spec('seen', 'inout', (d) => [dim(d, 'vocab')], '[vocab] not zero where a token has occurred; the chosen one is marked'),
  ],
  scalars: [intScalar('vocab', 'logits'), intScalar('advance', 'added to the position')],
  cpu: {
    kind: 'cpu',
    axes: [
      {
        name: 'block',
        values: [2048, 4096, 8192, 16384],
        doc: 'tokens per work unit of the first two phases: 4096 cuts a vocabulary of 32000 into 8 units; the smaller, the shorter the search for the winner',
      },
    ],
    constraints: [],
    template: 'cpu/sample.cc.hbs',
    defaults: () => ({ block: 4096 }),
    launch: ({ dims }, { axes }) => {
      const blocks = ceilDiv(dim(dims, 'vocab'), dim(axes, 'block'));
      return {
        phases: [
          { name: 'largest', units: blocks },
          { name: 'weights', units: blocks },
          { name: 'choose', units: 1 },
        ],
        scratchBytes: 4 * 2048 * 8,
        workspaceBytes: blocks * 16 + dim(dims, 'vocab') * 12,
      };
    },
    // Sums of weights are cut by blocks; the exponential differs in its last bit between instruction sets.
    numericsClass: ({ isa, axes }) => `${isa}-block${String(axes['block'])}`,
  },
  cuda: sampleCuda,
  cost: ({ dims }) => ({ readBytes: dim(dims, 'vocab') * 4, writeBytes: 16, flops: dim(dims, 'vocab') }),
  makeInputs: ({ dims }, random) => {
    const vocab = dim(dims, 'vocab');
    const kind = kindOf(dims);
    const state = Int32Array.from({ length: 16 }, () => Math.floor(random() * 1000));
    state[SAMPLE_STATE.topK] = kind === 'topk' || kind === 'all' || kind === 'ties' ? 1 + Math.floor(random() * 60) : 0;
    return {
      logits: logitsOf(kind, vocab, random),
      state,
      settings: settingsOf(kind, random),
      seen: Int32Array.from({ length: vocab }, () => (random() < 0.3 ? 1 : 0)),
    };
  },
  reference: ({ dims }, inputs) => {
    const state = Int32Array.from(inputs['state'] ?? []);
    const seen = Int32Array.from(inputs['seen'] ?? []);
    const token = sampleToken(numbers(inputs, 'logits'), seen, sampleOptions(state, numbers(inputs, 'settings')));
    state[SAMPLE_STATE.token] = token;
    state[SAMPLE_STATE.position] = (state[SAMPLE_STATE.position] ?? 0) + dim(dims, 'advance');
    state[SAMPLE_STATE.draws] = (state[SAMPLE_STATE.draws] ?? 0) + 1;
    seen[token] = 1;
    return { state: { values: state, bound: 0 }, seen: { values: seen, bound: 0 } };
  },
  raggedProblems: () => [
    problem(1, 'greedy', 0),
    problem(37, 'temperature'),
    ...SAMPLE_KINDS.map((kind, i) => problem(4099 + 700 * i, kind, i % 2)),
    problem(131, 'all'),
  ],
};

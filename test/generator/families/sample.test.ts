import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawUniform, sample, sampleOptions, sampleToken, type SampleOptions } from '../../../generator/families/sample.js';
import { describeKernels } from '../../support/run-kernel.js';
import { openKernels, type KernelBench } from '../../support/launch-kernel.js';
import { seededRandom } from '../../support/random.js';

const OFF: SampleOptions = { temperature: 0, topP: 1, minP: 0, repetitionPenalty: 1, topK: 0, seedLow: 1, seedHigh: 0, draws: 0 };

/** How often each token comes out of `draws` draws. */
function shares(logits: readonly number[], options: Partial<SampleOptions>, draws = 4000): number[] {
  const counts = logits.map(() => 0);
  for (let i = 0; i < draws; i++) {
    const token = sampleToken(logits, logits.map(() => 0), { ...OFF, temperature: 1, ...options, draws: i });
    counts[token] = (counts[token] ?? 0) + 1;
  }
  return counts.map((count) => count / draws);
}

describe('drawUniform', () => {
  it('gives the numbers of SplitMix64', () => {
    // The first outputs for seed 1234567, as published with the algorithm's reference implementation.
    const expected = [6457827717110365317n, 3203168211198807973n, 9817491932198370423n, 4593380528125082431n, 16408922859458223821n];
    expect(expected.map((_, draw) => drawUniform(1234567, 0, draw))).toEqual(expected.map((z) => Number(z >> 11n) * 2 ** -53));
  });

  it('takes both halves of the seed as unsigned', () => {
    const drawn = [drawUniform(-1, 0, 0), drawUniform(-1, -1, 0), drawUniform(0, -1, 0), drawUniform(0, 0, -1)];
    expect(new Set(drawn).size).toBe(4);
    expect(drawn.every((u) => u >= 0 && u < 1)).toBe(true);
  });
});

describe('sampleToken', () => {
  it('is greedy without a temperature, ties to the lower id', () => {
    expect(sampleToken([1, 3, 3, 2], [0, 0, 0, 0], OFF)).toBe(1);
    expect(sampleToken([1, 3, 3, 2], [0, 0, 0, 0], { ...OFF, temperature: NaN })).toBe(1);
  });

  it('penalises what was seen: positive logits shrink, negative ones fall', () => {
    expect(sampleToken([4, 3], [1, 0], { ...OFF, repetitionPenalty: 2 })).toBe(1);
    expect(sampleToken([-4, -3], [0, 1], { ...OFF, repetitionPenalty: 2 })).toBe(0);
    expect(sampleToken([4, 3], [1, 0], { ...OFF, repetitionPenalty: 1.25 })).toBe(0);
  });

  it('treats NaN as minus infinity and answers 0 when nothing is left', () => {
    expect(sampleToken([NaN, 1, NaN], [0, 0, 0], OFF)).toBe(1);
    expect(sampleToken([NaN, -Infinity], [0, 0], { ...OFF, temperature: 1 })).toBe(0);
    expect(sampleToken([1, Infinity, 2], [0, 0, 0], { ...OFF, temperature: 1 })).toBe(1);
  });

  it('draws in proportion to the softmax', () => {
    const drawn = shares([Math.log(1), Math.log(2), Math.log(5)], {});
    // 0.03 is four standard deviations of a share of 4000 draws.
    [1 / 8, 2 / 8, 5 / 8].forEach((share, id) => expect(Math.abs((drawn[id] ?? 0) - share)).toBeLessThan(0.03));
    const hot = shares([Math.log(1), Math.log(4)], { temperature: 2 });
    expect(Math.abs((hot[1] ?? 0) - 2 / 3)).toBeLessThan(0.03);
  });

  it('top-k keeps k tokens, ties to the lower id', () => {
    expect(shares([0, 2, 1, 2, 2], { topK: 2 }, 400).map((share) => share > 0)).toEqual([false, true, false, true, false]);
    expect(shares([0, 2, 1, 2, 2], { topK: 1 }, 100)).toEqual([0, 1, 0, 0, 0]);
  });

  it('top-p keeps the shortest prefix that reaches p of what top-k left, at least one token', () => {
    const logits = [0.1, 0.4, 0.3, 0.2].map(Math.log);
    expect(shares(logits, { topP: 0.65 }, 400).map((share) => share > 0)).toEqual([false, true, true, false]);
    expect(shares(logits, { topP: 0.75 }, 400).map((share) => share > 0)).toEqual([false, true, true, true]);
    expect(shares(logits, { topP: 0 }, 50)).toEqual([0, 1, 0, 0]);
    expect(shares(logits, { topP: 0.55, topK: 2 }, 50)).toEqual([0, 1, 0, 0]);
  });

  it('min-p drops what weighs less than its share of the heaviest', () => {
    const logits = [0.1, 0.4, 0.3, 0.2].map(Math.log);
    expect(shares(logits, { minP: 0.6 }, 400).map((share) => share > 0)).toEqual([false, true, true, false]);
    expect(shares(logits, { minP: 1 }, 50)).toEqual([0, 1, 0, 0]);
  });

  it('is a function of seed and counter', () => {
    const logits = Array.from({ length: 50 }, (_, id) => Math.sin(id));
    const run = (seedLow: number): number[] => Array.from({ length: 20 }, (_, draws) => sampleToken(logits, [], { ...OFF, temperature: 1, seedLow, draws }));
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
  });
});

describeKernels(sample, { samples: 3 });

describe('the sample kernel, token by token', () => {
  let bench: KernelBench;
  beforeAll(async () => {
    bench = await openKernels(sample);
  });
  afterAll(() => bench.dispose());

  const slots = (options: SampleOptions): { state: Int32Array; settings: Float64Array } => ({
    state: Int32Array.of(-1, 41, 0, 0, 0, options.seedLow, options.seedHigh, options.draws, options.topK, 0, 0, 0, 0, 0, 0, 99),
    settings: Float64Array.of(options.temperature, options.topP, options.minP, options.repetitionPenalty).map(Math.fround),
  });
  const settings: readonly (readonly [name: string, options: Partial<SampleOptions>])[] = [
    ['greedy', { temperature: 0 }],
    ['greedy with penalty', { temperature: 0, repetitionPenalty: 1.3 }],
    ['temperature', { temperature: 0.8 }],
    ['hot', { temperature: 50 }],
    ['cold', { temperature: 0.01 }],
    ['top-k', { topK: 40 }],
    ['top-k 1', { topK: 1 }],
    ['top-k beyond the vocabulary', { topK: 1_000_000 }],
    ['top-p', { topP: 0.9 }],
    ['top-p near 0', { topP: 1e-9 }],
    ['min-p', { minP: 0.05 }],
    ['all at once', { temperature: 0.7, topK: 50, topP: 0.92, minP: 0.02, repetitionPenalty: 1.1 }],
    ['useless settings', { temperature: 1, topP: NaN, minP: NaN, topK: -3 }],
  ];

  it.each(settings)('follows the rule over many seeds: %s', async (_, chosen) => {
    const random = seededRandom(17);
    for (let round = 0; round < 12; round++) {
      const vocab = [7, 300, 5003][round % 3] ?? 7;
      const flat = round % 4 === 3; // many equal logits
      const logits = Float64Array.from({ length: vocab }, () => (flat ? Math.round(random() * 4) : Math.fround(12 * (random() + random() - 1))));
      if (round % 5 === 4) logits.fill(NaN, 1, 4);
      const seen = Int32Array.from({ length: vocab }, () => (random() < 0.2 ? 1 : 0));
      const seed = { seedLow: Math.floor(random() * 2 ** 32) | 0, seedHigh: Math.floor(random() * 2 ** 32) | 0, draws: round * 1000 };
      const options = { ...OFF, temperature: 1, ...seed, ...chosen };
      const problem = { family: 'sample', params: {}, dims: { vocab, advance: 1 } };
      const { state, settings: floats } = slots(options);
      const token = sampleToken(logits, seen, sampleOptions(state, floats));
      for (const kernel of bench.kernels) {
        const out = await kernel.run(problem, { logits, state, settings: floats, seen });
        expect([...(out['state'] ?? [])], `${kernel.isa}, round ${round}`).toEqual([...state.with(0, token).with(1, 42).with(7, options.draws + 1)]);
        expect(out['seen']?.join('')).toBe(seen.with(token, 1).join(''));
      }
    }
  });

  it('answers 0 where no logit is a number above minus infinity', async () => {
    const logits = Float64Array.of(NaN, -Infinity, NaN, -Infinity);
    for (const temperature of [0, 1]) {
      const inputs = { logits, ...slots({ ...OFF, temperature, topP: 0.5 }), seen: new Int32Array(4) };
      for (const kernel of bench.kernels) {
        const out = await kernel.run({ family: 'sample', params: {}, dims: { vocab: 4, advance: 0 } }, inputs);
        expect([out['state']?.[0], out['state']?.[1]], kernel.isa).toEqual([0, 41]);
      }
    }
  });

  it('stays within its buffers for any settings and logits', async () => {
    const odd = [NaN, Infinity, -Infinity, 0, -1, 1e-45, 3e38];
    const random = seededRandom(23);
    const any = (): number => odd[Math.floor(random() * odd.length)] ?? 0;
    for (let round = 0; round < 60; round++) {
      const vocab = 1 + Math.floor(random() * 50);
      const inputs = {
        logits: Float64Array.from({ length: vocab }, any),
        state: Int32Array.from({ length: 16 }, () => Math.floor(random() * 2 ** 32) | 0),
        settings: Float64Array.from({ length: 4 }, any),
        seen: Int32Array.from({ length: vocab }, () => Math.floor(random() * 2)),
      };
      for (const kernel of bench.kernels) {
        const token = (await kernel.run({ family: 'sample', params: {}, dims: { vocab, advance: 0 } }, inputs))['state']?.[0] ?? -1;
        expect(token >= 0 && token < vocab, `${kernel.isa}, round ${round}: token ${token} of ${vocab}`).toBe(true);
      }
    }
  });
});

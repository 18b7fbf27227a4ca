import { describe, expect, it } from 'vitest';
import { drawUniform, sample, type SampleOptions, sampleToken } from '../../../generator/families/sample.js';
import { describeKernels } from '../../support/run-kernel.js';

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

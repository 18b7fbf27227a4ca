import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../runtime/griffin/random.js';
import { drawExperts, drawWithoutReplacement, drawsOnHost, expertCount, needsStatistic, SELECTIONS } from '../../../runtime/griffin/selection.js';

describe('expertCount', () => {
  it('is floor(F * density)', () => {
    expect(expertCount(176, 0.5)).toBe(88);
    expect(expertCount(177, 0.5)).toBe(88);
    expect(expertCount(11008, 1)).toBe(11008);
    expect(expertCount(11008, 0)).toBe(0);
    expect(expertCount(10, 0.05)).toBe(0);
  });
});

describe('selection kinds', () => {
  it('says which need the prompt and which draw on the host', () => {
    expect(SELECTIONS.filter(needsStatistic)).toEqual(['topk', 'topk-sample', 'sample']);
    expect(SELECTIONS.filter(drawsOnHost)).toEqual(['topk-sample', 'sample', 'random']);
  });
});

describe('drawWithoutReplacement', () => {
  it('gives distinct indices, never a negative weight, zeros last and by index', () => {
    const weights = Float64Array.from([0, 3, -1, 2, 0, 1]);
    for (let seed = 0; seed < 50; seed++) {
      const all = drawWithoutReplacement(weights, 5, seededRandom(seed));
      expect([...all].sort((a, b) => a - b)).toEqual([0, 1, 3, 4, 5]);
      expect(all.slice(3)).toEqual([0, 4]);
    }
  });

  it('draws the first index in proportion to the weights', () => {
    const weights = Float64Array.from([1, 2, 5]);
    const counts = [0, 0, 0];
    const random = seededRandom(3);
    for (let i = 0; i < 16_000; i++) counts[drawWithoutReplacement(weights, 1, random)[0]!]! += 1;
    // 2000, 4000 and 10000 expected; the largest standard deviation is 62.
    expect(Math.abs(counts[0]! - 2000)).toBeLessThan(250);
    expect(Math.abs(counts[1]! - 4000)).toBeLessThan(300);
    expect(Math.abs(counts[2]! - 10_000)).toBeLessThan(350);
  });
});

describe('drawExperts', () => {
  const layers = 3;
  const intermediateSize = 40;
  const s2 = Float32Array.from({ length: layers * intermediateSize }, (_, i) => ((i * 37) % 101) / 101);

  function rows(experts: Int32Array, k: number): number[][] {
    return Array.from({ length: layers }, (_, l) => Array.from(experts.subarray(l * intermediateSize, l * intermediateSize + k)));
  }

  it.each(['topk-sample', 'sample', 'random'] as const)('%s: k distinct, ascending, repeatable', (selection) => {
    for (const k of [0, 1, 7, 20, 40]) {
      const experts = drawExperts(selection, s2, { layers, intermediateSize, k }, 5);
      for (const row of rows(experts, k)) {
        expect(new Set(row).size).toBe(k);
        expect(row).toEqual([...row].sort((a, b) => a - b));
        for (const index of row) expect(index >= 0 && index < intermediateSize).toBe(true);
      }
      expect(drawExperts(selection, s2, { layers, intermediateSize, k }, 5)).toEqual(experts);
    }
    const k = 12;
    expect(drawExperts(selection, s2, { layers, intermediateSize, k }, 6)).not.toEqual(drawExperts(selection, s2, { layers, intermediateSize, k }, 5));
  });

  it('topk-sample keeps the larger half of k by size', () => {
    const k = 11;
    const experts = rows(drawExperts('topk-sample', s2, { layers, intermediateSize, k }, 1), k);
    experts.forEach((row, layer) => {
      const scores = Array.from(s2.subarray(layer * intermediateSize, (layer + 1) * intermediateSize));
      const best = scores.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, 5);
      expect(row).toEqual(expect.arrayContaining(best));
    });
  });

  it('does not use the statistic for random', () => {
    const shape = { layers, intermediateSize, k: 9 };
    expect(drawExperts('random', null, shape, 2)).toEqual(drawExperts('random', s2, shape, 2));
  });
});

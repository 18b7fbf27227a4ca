import { describe, expect, it } from 'vitest';
import { axisEffects, explainedShare } from '../../../tuning/report/axis-effects.js';
import { seededRandom } from '../../../tuning/statistics.js';

const SPECS = [
  { name: 'rows', values: [1, 2, 4], doc: 'rows at once' },
  { name: 'hint', values: [0, 1], doc: 'cache hint' },
  { name: 'fixed', values: [8], doc: 'no choice' },
];
// rows decides the time, hint does nothing, everything is a little noisy.
const random = seededRandom(5);
const points = Array.from({ length: 60 }, (_, i) => {
  const rows = [1, 2, 4][i % 3] ?? 1;
  return { axes: { rows, hint: Math.floor(i / 3) % 2, fixed: 8 }, ratio: (rows === 4 ? 0.7 : rows === 2 ? 0.85 : 1) * (1 + 0.02 * random()) };
});

describe('effects of axes', () => {
  const effects = axisEffects(SPECS, points, { rows: 4, hint: 0, fixed: 8 });

  it('come with the deciding axis first; an axis without a choice is left out', () => {
    expect(effects.map(({ axis }) => axis)).toEqual(['rows', 'hint']);
    expect(effects[0]?.share).toBeGreaterThan(0.95);
    expect(effects[1]?.share).toBeLessThan(0.05);
  });

  it('give best, median and quartiles of what was measured with each value, and mark the winner’s', () => {
    const four = effects[0]?.values.find(({ value }) => value === 4);
    const ratios = points.filter(({ axes }) => axes.rows === 4).map(({ ratio }) => ratio);
    expect(four).toMatchObject({ count: 20, best: Math.min(...ratios), isWinner: true });
    expect(four?.lowQuartile).toBeLessThan(four?.median ?? 0);
    expect(four?.median).toBeLessThan(four?.highQuartile ?? 0);
    expect(effects[0]?.values.filter(({ isWinner }) => isWinner)).toHaveLength(1);
  });
});

describe('the share of variance that groups explain', () => {
  it('is 1 where groups differ and their members do not', () => {
    expect(explainedShare([[1, 1, 1, 1], [2, 2, 2, 2]])).toBeCloseTo(1);
  });

  it('is the textbook value for a small example', () => {
    // Logarithms 0 1 2 | 2 3 4 | 1 2 3: between 6, within 6 over 6 degrees of freedom, total 12: (6 − 2·1) / (12 + 1).
    const groups = [[0, 1, 2], [2, 3, 4], [1, 2, 3]].map((group) => group.map(Math.exp));
    expect(explainedShare(groups)).toBeCloseTo(4 / 13);
  });

  it('is not stated for a few candidates, and is 0 where nothing differs', () => {
    expect(explainedShare([[1, 2], [3]])).toBeNull();
    expect(explainedShare([[1, 1, 1, 1], [1, 1, 1, 1]])).toBe(0);
  });
});

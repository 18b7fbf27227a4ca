import { describe, expect, it } from 'vitest';
import { createEstimate, planRound, roundTime, type ProblemShare } from '../../tuning/budget.js';

const share = (change: Partial<ProblemShare> = {}): ProblemShare => ({ weight: 1, remaining: 100, spentMs: 0, candidateMs: 100, firstMs: 100, started: true, ...change });

describe('planRound', () => {
  it('spends about the time there is', () => {
    const counts = planRound([share(), share({ candidateMs: 50 })], 1000);
    const cost = (counts[0] ?? 0) * 100 + (counts[1] ?? 0) * 50;
    expect(cost).toBeLessThanOrEqual(1000);
    expect(cost).toBeGreaterThan(850);
  });

  it('shares by weight', () => {
    const [heavy = 0, light = 0] = planRound([share({ weight: 3 }), share({ weight: 1 })], 4000);
    expect(heavy).toBeGreaterThanOrEqual(28);
    expect(light).toBeGreaterThanOrEqual(8);
    expect(heavy + light).toBe(40);
  });

  it('lets a problem that was given less catch up', () => {
    const [ahead = 0, behind = 0] = planRound([share({ spentMs: 1000 }), share()], 1000);
    expect(behind).toBe(10);
    expect(ahead).toBe(0);
  });

  it('gives every problem its default even without time', () => {
    expect(planRound([share({ started: false }), share({ started: false, firstMs: 9000 }), share()], 0)).toEqual([1, 1, 0]);
  });

  it('charges the default its own price', () => {
    expect(planRound([share({ started: false, firstMs: 10 })], 110)).toEqual([2]);
  });

  it('never asks for more than remains', () => {
    expect(planRound([share({ remaining: 3 }), share({ remaining: 0, started: false })], 1e6)).toEqual([3, 0]);
  });
});

describe('roundTime', () => {
  it('leaves time for later rounds and finals, and gives the last round all', () => {
    expect(roundTime(1000, 1000, 100)).toBeCloseTo(0.45 * 900);
    expect(roundTime(1000, 150, 100)).toBe(50);
    expect(roundTime(1000, 50, 100)).toBe(0);
  });
});

describe('createEstimate', () => {
  it('is the expectation, then the first observation, then a running mean', () => {
    const estimate = createEstimate(500, 0.5);
    expect(estimate.value).toBe(500);
    estimate.observe(100);
    expect(estimate.value).toBe(100);
    estimate.observe(200);
    expect(estimate.value).toBe(150);
  });
});

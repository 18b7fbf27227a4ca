import { describe, expect, it } from 'vitest';
import { candidateLimit, createEstimate, EFFORTS, etaMs, pickProblem, type ProblemShare } from '../../tuning/budget.js';

const share = (change: Partial<ProblemShare> = {}): ProblemShare => ({ weight: 1, expectedGain: 0.1, spentMs: 100, remaining: 100, inFlight: 0, ...change });

describe('pickProblem', () => {
  /** Gives 100 ms at a time to whoever is picked. */
  function spend(problems: readonly ProblemShare[], turns: number): number[] {
    const spent = problems.map(() => 0);
    for (let turn = 0; turn < turns; turn++) {
      const index = pickProblem(problems.map((problem, i) => ({ ...problem, spentMs: problem.spentMs + (spent[i] ?? 0) })));
      if (index !== null) spent[index] = (spent[index] ?? 0) + 100;
    }
    return spent;
  }

  it('shares time by the root of weight times expected gain', () => {
    const [heavy = 0, light = 0] = spend([share({ weight: 9 }), share({ weight: 1 })], 40);
    expect(heavy / light).toBeGreaterThan(2.4);
    expect(heavy / light).toBeLessThan(3.6);
    const [promising = 0, hopeless = 0] = spend([share({ expectedGain: 0.4 }), share({ expectedGain: 0.1 })], 30);
    expect(promising / hopeless).toBeGreaterThan(1.6);
    expect(promising / hopeless).toBeLessThan(2.4);
  });

  it('does not starve a problem whose search expects nothing more', () => {
    expect(spend([share(), share({ expectedGain: 0 })], 100)[1]).toBeGreaterThan(0);
  });

  it('lets a problem that was given less catch up', () => {
    expect(pickProblem([share({ spentMs: 1000 }), share()])).toBe(1);
  });

  it('leaves problems with candidates in flight until all have some', () => {
    expect(pickProblem([share({ weight: 100, inFlight: 8 }), share()])).toBe(1);
    expect(pickProblem([share({ weight: 100, inFlight: 8 }), share({ inFlight: 8 })])).toBe(0);
  });

  it('takes none where nothing is left', () => {
    expect(pickProblem([share({ remaining: 0 }), share({ weight: 0 })])).toBeNull();
    expect(pickProblem([])).toBeNull();
  });
});

describe('candidateLimit', () => {
  it('grows with the effort, covers small spaces and never passes the space', () => {
    for (const size of [1, 8, 100, 5000, 100_000]) {
      const [quick = 0, normal = 0, exhaustive = 0] = EFFORTS.map((effort) => candidateLimit(effort, size));
      expect(quick).toBeLessThanOrEqual(normal);
      expect(normal).toBeLessThanOrEqual(exhaustive);
      expect(exhaustive).toBe(size);
      expect(quick).toBeGreaterThanOrEqual(Math.min(size, 24));
    }
    expect(candidateLimit('quick', 100_000)).toBe(24);
  });
});

describe('etaMs', () => {
  it('is what the candidates left will take, or the end of the budget if that comes first', () => {
    expect(etaMs(10, 100, 500, 10_000)).toBe(1500);
    expect(etaMs(10, 100, 500, 700)).toBe(700);
    expect(etaMs(10, 100, 500, -5)).toBe(0);
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

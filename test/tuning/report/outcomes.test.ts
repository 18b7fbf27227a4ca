import { describe, expect, it } from 'vitest';
import { addMessages, addOutcomes, convergenceOf, countOutcomes, groupMessages } from '../../../tuning/report/outcomes.js';
import type { CandidateDetail } from '../../../tuning/report/types.js';

const candidate = (kernelId: string, state: CandidateDetail['state'], more: Partial<CandidateDetail> = {}): CandidateDetail => ({
  kernelId, isDefault: false, axes: {}, state, message: '', ratio: null, medianNs: null, samples: 0, resources: {}, sameCodeAs: null, compileMs: 400, evaluateMs: 100, retaken: 0, dirty: false, at: '', run: 'r', ...more,
});

describe('messages', () => {
  const failed = [
    candidate('a', 'wrong', { message: 'y[17] is 0.5 where 0.75 is expected' }),
    candidate('b', 'wrong', { message: 'y[3] is 1e-9 where 2 is expected' }),
    candidate('c', 'crashed', { message: 'SIGSEGV at 0xdeadbeef' }),
    candidate('d', 'ok', { message: 'fine' }),
  ];
  const groups = groupMessages(failed.map((one) => ({ candidate: one, problem: 'p' })));

  it('are one group where only numbers differ; those of candidates that did not fail are left out', () => {
    expect(groups.map(({ state, count, kernelId }) => [state, count, kernelId])).toEqual([['wrong', 2, 'a'], ['crashed', 1, 'c']]);
  });

  it('of several problems add up', () => {
    expect(addMessages([...groups, ...groups]).map(({ count }) => count)).toEqual([4, 2]);
  });
});

describe('outcomes', () => {
  it('are counted by state, and counts add up', () => {
    const counts = countOutcomes([candidate('a', 'ok'), candidate('b', 'ok'), candidate('c', 'timed-out')]);
    expect(counts).toMatchObject({ ok: 2, 'timed-out': 1, wrong: 0 });
    expect(addOutcomes([counts, counts])).toMatchObject({ ok: 4, 'timed-out': 2 });
  });
});

describe('convergence', () => {
  it('has a point for each improvement and one at the end; failures and candidates given up take their time but improve nothing', () => {
    const points = convergenceOf([
      candidate('default', 'ok', { ratio: 1 }),
      candidate('bad', 'wrong', { evaluateMs: null }),
      candidate('lucky', 'too-slow', { ratio: 0.1 }),
      candidate('better', 'ok', { ratio: 0.8 }),
      candidate('worse', 'ok', { ratio: 0.9 }),
    ]);
    expect(points.map(({ tried, best, kernelId }) => [tried, best, kernelId])).toEqual([[1, 1, 'default'], [4, 0.8, 'better'], [5, 0.8, 'better']]);
    expect(points.map(({ seconds }) => seconds)).toEqual([0.5, 1.9, 2.4].map((value) => expect.closeTo(value) as number));
  });

  it('is empty where nothing was measured', () => {
    expect(convergenceOf([candidate('bad', 'crashed')])).toEqual([]);
  });
});

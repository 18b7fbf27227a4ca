import { describe, expect, it } from 'vitest';
import { FAMILIES, findFamily } from '../../generator/families/index.js';
import type { Family } from '../../generator/types.js';
import { syntheticConfig } from '../../runtime/checkpoint/synthetic.js';
import { modelProblems } from '../../tuning/problems.js';
import { fits, ORACLE_LIMITS, scaledDown } from '../../tuning/scaling.js';
import { problemKey } from '../../tuning/types.js';

const family = (name: string): Family => findFamily(name) as Family;

describe('scaledDown', () => {
  it('leaves a small problem as it is', () => {
    for (const each of FAMILIES) {
      const params = Object.fromEntries(each.params.map((spec) => [spec.name, spec.values[0] ?? '']));
      const problem = each.raggedProblems(params)[0];
      if (problem !== undefined) expect(scaledDown(each, problem)).toEqual(problem);
    }
  });

  it('brings every problem of large models below the limits, still a valid problem', () => {
    for (const shape of ['llama-2-7b', 'gemma-7b', 'opt-6.7b'] as const) {
      for (const { problem } of modelProblems(syntheticConfig(shape))) {
        const small = scaledDown(family(problem.family), problem);
        expect(fits(family(problem.family), small, ORACLE_LIMITS), problemKey(small)).toBe(true);
        const { k, intermediate, position, rows, capacity } = small.dims;
        if (k !== undefined && intermediate !== undefined) expect(k).toBeLessThanOrEqual(intermediate);
        if (position !== undefined) expect(position + (rows ?? 0)).toBeLessThanOrEqual(capacity ?? 0);
      }
    }
  });

  it('keeps the share of kept neurons, and dense problems dense', () => {
    const dims = { rows: 1, hidden: 4096, intermediate: 11008, activation: 0, bias: 0 };
    const params = { dtype: 'bf16', gated: 'gated' };
    const half = scaledDown(family('ff_gate_up_gather'), { family: 'ff_gate_up_gather', params, dims: { ...dims, k: 5504, dense: 0 } }).dims;
    expect((half['k'] ?? 0) / (half['intermediate'] ?? 1)).toBeCloseTo(0.5, 2);
    const dense = scaledDown(family('ff_gate_up_gather'), { family: 'ff_gate_up_gather', params, dims: { ...dims, k: 11008, dense: 1 } }).dims;
    expect(dense['k']).toBe(dense['intermediate']);
  });
});

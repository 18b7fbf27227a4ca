import { describe, expect, it } from 'vitest';
import { attentionCost, attentionInputs, attentionProblems, attentionReference } from '../../../generator/families/attention.js';

const problem = (dims: Record<string, number>) => ({ family: 'attention_decode', params: {}, dims });

describe('attention reference', () => {
  const dims = { rows: 2, position: 1, heads: 2, kv_heads: 1, head_dim: 2, capacity: 4 };

  it('is the mean of the visible values where all scores are equal, and each row sees one token more', () => {
    const inputs = {
      qkv: new Float64Array(2 * 8),
      k_cache: Float64Array.of(1, 2, 3, 4, 5, 6, NaN, NaN),
      v_cache: Float64Array.of(2, 0, 4, 0, 9, 3, NaN, NaN),
    };
    const values = attentionReference(problem(dims), inputs)['out']?.values ?? [];
    expect([...values]).toEqual([3, 0, 3, 0, expect.closeTo(5, 12), expect.closeTo(1, 12), expect.closeTo(5, 12), expect.closeTo(1, 12)]);
  });

  it('gives nearly all weight to a key far ahead', () => {
    const qkv = new Float64Array(16);
    qkv.set([100, 0, 0, 100]); // two heads of row 0, one kv head: the first likes key 0, the second key 1
    const inputs = { qkv, k_cache: Float64Array.of(1, 0, 0, 1, 0, 0, 0, 0), v_cache: Float64Array.of(7, 8, -1, -2, 0, 0, 0, 0) };
    const values = attentionReference(problem(dims), inputs)['out']?.values ?? [];
    expect([...values].slice(0, 4).map((x) => Math.round(x * 1e9) / 1e9)).toEqual([7, 8, -1, -2]);
  });

  it('leaves poison in the cache behind the last position', () => {
    const { k_cache: keys } = attentionInputs(problem(dims), () => 0.25);
    expect([...(keys ?? [])].map(Number.isNaN)).toEqual([false, false, false, false, false, false, true, true]);
  });

  it('covers group sizes and head sizes that no vector width divides', () => {
    const all = attentionProblems('attention_prefill').map(({ dims: d }) => d);
    expect(all.every((d) => (d['heads'] ?? 0) % (d['kv_heads'] ?? 1) === 0)).toBe(true);
    expect(new Set(all.map((d) => d['head_dim']))).toEqual(new Set([2, 6, 8, 16, 18, 20, 32, 34, 64, 80, 128]));
  });

  it('counts the causal triangle', () => {
    expect(attentionCost(problem({ ...dims, heads: 1, rows: 3, position: 0 })).flops).toBe(4 * 2 * (1 + 2 + 3));
  });
});

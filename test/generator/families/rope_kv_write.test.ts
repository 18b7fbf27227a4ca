import { describe, expect, it } from 'vitest';
import { ropeKvWrite } from '../../../generator/families/rope_kv_write.js';
import { describeKernels } from '../../support/run-kernel.js';

describe('rope_kv_write reference', () => {
  it('turns pairs half a head apart and writes keys and values at the position', () => {
    const problem = { family: 'rope_kv_write', params: {}, dims: { rows: 1, position: 1, heads: 1, kv_heads: 1, head_dim: 2, capacity: 3 } };
    const quarter = Math.fround(Math.PI / 2);
    const out = ropeKvWrite.reference(problem, {
      qkv: Float64Array.of(1, 2, 3, 4, 5, 6),
      inv_freq: Float64Array.of(quarter),
      k_cache: new Float64Array(6).fill(-1),
      v_cache: new Float64Array(6).fill(-2),
    });
    const rounded = (name: string): number[] => [...(out[name]?.values ?? [])].map((x) => Math.round(x * 1e6) / 1e6);
    expect(rounded('qkv')).toEqual([-2, 1, -4, 3, 5, 6]);
    expect(rounded('k_cache')).toEqual([-1, -1, -4, 3, -1, -1]);
    expect(rounded('v_cache')).toEqual([-2, -2, 5, 6, -2, -2]);
  });
});

describeKernels(ropeKvWrite, { samples: 0 });

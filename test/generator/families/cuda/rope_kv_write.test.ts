import { describe, expect, it } from 'vitest';
import { cudaForm, refusingCapabilities } from '../../../support/cuda-form.js';

const form = cudaForm('rope_kv_write');
const llama3 = { rows: 2, position: 9, heads: 32, kv_heads: 8, head_dim: 128, capacity: 64 };

describe('rope_kv_write on CUDA', () => {
  it('has a default that every capability takes', () => {
    expect(refusingCapabilities(form)).toEqual([]);
  });

  it('launches a block per row and eight of its query, key and value heads, with room for their angles', () => {
    expect(form.launch({}, llama3).phases).toEqual([{ name: 'main', grid: [2, 6, 1], block: 128, shared: 512 }]);
    expect(form.launch({ heads: 32 }, llama3).phases[0]?.grid).toEqual([2, 2, 1]);
  });

  it('refuses more threads than its heads keep busy', () => {
    expect(form.broken({ threads: 128, heads: 2 })).toEqual(['work-per-thread']);
    expect(form.broken({ threads: 64, heads: 2 })).toEqual([]);
  });

  it('gives the same bits for every variant', () => {
    const variants = form.variants();
    expect(variants.length).toBeGreaterThanOrEqual(10);
    expect(new Set(variants.map((axes) => form.numericsClass(axes))).size).toBe(1);
  });
});

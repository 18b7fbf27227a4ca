import { describe, expect, it } from 'vitest';
import { cudaForm, refusingCapabilities } from '../../../support/cuda-form.js';

describe('embed on CUDA', () => {
  it.each(['f32', 'f16', 'bf16'])('has a default for %s that every capability takes', (dtype) => {
    expect(refusingCapabilities(cudaForm('embed', { dtype }))).toEqual([]);
  });

  it('launches a block per row and part of it', () => {
    const form = cudaForm('embed', { dtype: 'bf16' });
    expect(form.launch({}, { rows: 3, hidden: 4097, vocab: 10 })).toEqual({ phases: [{ name: 'main', grid: [3, 9, 1], block: 128, shared: 0 }], workspace: 0, counters: 0 });
  });

  it('is exact whatever the axes', () => {
    const form = cudaForm('embed', { dtype: 'f16' });
    expect(new Set(form.variants().map((axes) => form.numericsClass(axes))).size).toBe(1);
    expect(form.counts()).toEqual([5, 5, 5, 5, 5, 5]);
  });
});

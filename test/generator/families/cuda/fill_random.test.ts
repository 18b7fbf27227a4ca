import { describe, expect, it } from 'vitest';
import { cudaForm, refusingCapabilities } from '../../../support/cuda-form.js';

describe('fill_random on CUDA', () => {
  it.each(['f32', 'f16', 'bf16'])('has a default for %s that every capability takes', (dtype) => {
    expect(refusingCapabilities(cudaForm('fill_random', { dtype }))).toEqual([]);
  });

  it('covers the buffer with 16-byte stores', () => {
    const dims = { n: 2 ** 20 + 1, first: 0, seed: 1 };
    expect(cudaForm('fill_random', { dtype: 'f32' }).launch({}, dims).phases).toEqual([{ name: 'main', grid: [257, 1, 1], block: 256, shared: 0 }]);
    expect(cudaForm('fill_random', { dtype: 'bf16' }).launch({}, dims).phases[0]?.grid).toEqual([129, 1, 1]);
  });

  it('is exact in its whole space', () => {
    const form = cudaForm('fill_random', { dtype: 'f16' });
    expect(form.counts()).toEqual([12, 12, 12, 12, 12, 12]);
    expect(new Set(form.variants().map((axes) => form.numericsClass(axes))).size).toBe(1);
  });
});

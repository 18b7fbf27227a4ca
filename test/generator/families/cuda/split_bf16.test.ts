import { describe, expect, it } from 'vitest';
import { cudaForm, refusingCapabilities } from '../../../support/cuda-form.js';

describe('split_bf16 on CUDA', () => {
  const form = cudaForm('split_bf16');

  it('has a default that every capability takes', () => {
    expect(refusingCapabilities(form)).toEqual([]);
  });

  it('covers ragged sizes', () => {
    expect(form.launch({}, { n: 2049 }).phases).toEqual([{ name: 'main', grid: [2, 1, 1], block: 256, shared: 0 }]);
    expect(form.launch({ vectors: 1 }, { n: 2049 }).phases[0]?.grid).toEqual([3, 1, 1]);
  });

  it('is exact in its whole space', () => {
    expect(form.counts()).toEqual([9, 9, 9, 9, 9, 9]);
    expect(new Set(form.variants().map((axes) => form.numericsClass(axes))).size).toBe(1);
  });
});

import { describe, expect, it } from 'vitest';
import { SHARED_WITHOUT_OPT_IN } from '../../../../generator/capabilities.js';
import { cudaForm, refusingCapabilities } from '../../../support/cuda-form.js';

const llama = { rows: 4096, cols: 11008 };

describe('transpose on CUDA', () => {
  it.each(['f32', 'f16', 'bf16'])('has a default for %s that every capability takes, and tiles within shared memory', (dtype) => {
    const form = cudaForm('transpose', { dtype });
    expect(refusingCapabilities(form)).toEqual([]);
    for (const axes of form.variants()) expect(form.target.sharedBytes!({ isa: 'sm80', params: { dtype }, axes })).toBeLessThanOrEqual(SHARED_WITHOUT_OPT_IN);
    expect(Math.min(...form.counts())).toBeGreaterThanOrEqual(9);
  });

  it('covers the matrix with tiles of one line of columns', () => {
    expect(cudaForm('transpose', { dtype: 'f32' }).launch({}, llama).phases[0]?.grid).toEqual([344, 128, 1]);
    const half = cudaForm('transpose', { dtype: 'bf16' });
    expect(half.launch({}, llama).phases[0]?.grid).toEqual([172, 64, 1]);
    expect(half.launch({ tall: 2 }, { rows: 129, cols: 65 }).phases[0]?.grid).toEqual([2, 2, 1]);
  });

  it('refuses threads that hold too few words of a tile, or too many', () => {
    expect(cudaForm('transpose', { dtype: 'f32' }).broken({ threads: 512, tall: 1 })).toEqual(['words-per-thread']);
    expect(cudaForm('transpose', { dtype: 'bf16' }).broken({ threads: 128, tall: 4 })).toEqual(['words-per-thread']);
  });
});

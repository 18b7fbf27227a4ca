import { describe, expect, it } from 'vitest';
import { ffActivationRegisters } from '../../../../generator/families/cuda/ff_activation.js';
import { cudaForm, refusingCapabilities } from '../../../support/cuda-form.js';

const form = cudaForm('ff_activation', { gated: 'gated' });
const llama = { rows: 256, intermediate: 11008, activation: 0 };

describe('ff_activation on CUDA', () => {
  it.each(['gated', 'plain'])('has a default for %s that every capability takes', (gated) => {
    expect(refusingCapabilities(cudaForm('ff_activation', { gated }))).toEqual([]);
  });

  it('shares a row between blocks that leave a partial sum and a counter each', () => {
    expect(form.launch({}, llama)).toEqual({ phases: [{ name: 'main', grid: [2, 256, 1], block: 256, shared: 0 }], workspace: 256 * 2 * 4, counters: 256 });
    expect(form.launch({ split: 1 }, llama)).toMatchObject({ workspace: 0, counters: 0 });
  });

  it('needs two loads in flight and 64 registers at most', () => {
    expect(form.broken({ loads: 1 })).toEqual(['bytes-in-flight']);
    expect(form.target.bytesInFlight!({ isa: 'sm80', params: {}, axes: { ...form.standard, loads: 8 } })).toBe(128);
    for (const axes of form.variants()) expect(ffActivationRegisters(axes)).toBeLessThanOrEqual(64);
  });

  it('gives the same bits however many loads are in flight', () => {
    expect(form.numericsClass({ loads: 8, hint: 2 })).toBe(form.numericsClass({}));
    expect(form.numericsClass({ split: 4 })).not.toBe(form.numericsClass({}));
    expect(form.numericsClass({ threads: 128 })).not.toBe(form.numericsClass({}));
  });

  it('has a space on every capability', () => {
    expect(Math.min(...form.counts())).toBeGreaterThanOrEqual(100);
  });
});

import { describe, expect, it } from 'vitest';
import { selectTopkRegisters } from '../../../../generator/families/cuda/select_topk.js';
import { cudaForm, refusingCapabilities } from '../../../support/cuda-form.js';

const form = cudaForm('select_topk');

describe('select_topk on CUDA', () => {
  it('has a default that every capability takes', () => {
    expect(refusingCapabilities(form)).toEqual([]);
  });

  it('launches a block per layer and needs no memory', () => {
    expect(form.launch({}, { layers: 32, intermediate: 11008, k: 5504 })).toEqual({ phases: [{ name: 'main', grid: [32, 1, 1], block: 1024, shared: 0 }], workspace: 0, counters: 0 });
  });

  it('keeps counters within static shared memory and scores within registers', () => {
    expect(form.broken({ copies: 8 })).toEqual(['shared-memory']);
    expect(form.broken({ bits: 8, copies: 1 })).toEqual(['conflicts']);
    for (const axes of form.variants()) {
      expect(form.target.sharedBytes!({ isa: 'sm80', params: {}, axes })).toBeLessThanOrEqual(48 * 1024);
      expect(selectTopkRegisters(axes) * axes['threads']!).toBeLessThanOrEqual(65536);
    }
  });

  it('is exact in a space of some dozen variants', () => {
    expect(Math.min(...form.counts())).toBeGreaterThanOrEqual(60);
    expect(new Set(form.variants().map((axes) => form.numericsClass(axes))).size).toBe(1);
  });
});

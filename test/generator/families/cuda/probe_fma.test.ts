import { describe, expect, it } from 'vitest';
import { PROBE_FMA_WORK } from '../../../../generator/families/probe_fma.js';
import { cudaForm, refusingCapabilities } from '../../../support/cuda-form.js';

const form = cudaForm('probe_fma');

describe('probe_fma on CUDA', () => {
  it('has a default that every capability takes', () => {
    expect(refusingCapabilities(form)).toEqual([]);
  });

  it('launches a block per unit', () => {
    expect(form.launch({}, { iterations: 10, units: 264 }).phases).toEqual([{ name: 'main', grid: [264, 1, 1], block: 256, shared: 0 }]);
  });

  it('does the same work per iteration in every variant', () => {
    for (const axes of form.variants()) expect(PROBE_FMA_WORK % (axes['threads']! * axes['chains']!)).toBe(0);
    expect(form.broken({ threads: 512, chains: 8 })).toEqual(['same-work']);
    expect(form.counts()[0]).toBeGreaterThanOrEqual(10);
  });
});

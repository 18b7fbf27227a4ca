import { describe, expect, it } from 'vitest';
import { neuronMagnitudeRegisters } from '../../../../generator/families/cuda/neuron_magnitude.js';
import { cudaForm, refusingCapabilities } from '../../../support/cuda-form.js';

const form = cudaForm('neuron_magnitude', { dtype: 'bf16', gated: 'gated' });

describe('neuron_magnitude on CUDA', () => {
  it.each(['f32', 'f16', 'bf16'])('has a default for %s that every capability takes', (dtype) => {
    for (const gated of ['gated', 'plain']) expect(refusingCapabilities(cudaForm('neuron_magnitude', { dtype, gated }))).toEqual([]);
  });

  it('launches a warp per neuron', () => {
    expect(form.launch({}, { hidden: 4096, intermediate: 11009 }).phases).toEqual([{ name: 'main', grid: [1377, 1, 1], block: 256, shared: 0 }]);
  });

  it('keeps its loads in registers', () => {
    for (const axes of form.variants()) expect(neuronMagnitudeRegisters(axes)).toBeLessThanOrEqual(64);
    expect(form.counts()).toEqual([27, 27, 27, 27, 27, 27]);
    expect(form.target.bytesInFlight!({ isa: 'sm80', params: {}, axes: form.standard })).toBe(64);
  });

  it('gives the same bits for every variant', () => {
    expect(new Set(form.variants().map((axes) => form.numericsClass(axes))).size).toBe(1);
  });
});

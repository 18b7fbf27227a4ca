import { describe, expect, it } from 'vitest';
import { neuronMagnitude } from '../../../generator/families/neuron_magnitude.js';
import { describeKernels } from '../../support/run-kernel.js';

describe('neuron_magnitude reference', () => {
  it('multiplies the norms of gate and up', () => {
    const gated = { family: 'neuron_magnitude', params: { dtype: 'f32', gated: 'gated' }, dims: { hidden: 2, intermediate: 1 } };
    expect(neuronMagnitude.reference(gated, { w_in: Float64Array.of(3, 4, 6, -8) })['score']?.values).toEqual(Float64Array.of(50));
    const plain = { ...gated, params: { dtype: 'f32', gated: 'plain' }, dims: { hidden: 2, intermediate: 2 } };
    expect(neuronMagnitude.reference(plain, { w_in: Float64Array.of(3, 4, 6, -8) })['score']?.values).toEqual(Float64Array.of(5, 10));
  });
});

describeKernels(neuronMagnitude, { samples: 3 });

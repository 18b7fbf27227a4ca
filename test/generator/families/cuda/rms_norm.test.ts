import { describe, expect, it } from 'vitest';
import { rmsNormRegisters } from '../../../../generator/families/cuda/rms_norm.js';
import { cudaForm, refusingCapabilities } from '../../../support/cuda-form.js';

const form = cudaForm('rms_norm');

describe('rms_norm on CUDA', () => {
  it('has a default that every capability takes', () => {
    expect(refusingCapabilities(form)).toEqual([]);
  });

  it('launches a block per row', () => {
    expect(form.launch({}, { rows: 7, hidden: 4096 })).toEqual({ phases: [{ name: 'main', grid: [7, 1, 1], block: 512, shared: 0 }], workspace: 0, counters: 0 });
  });

  it('keeps within the registers of a block in its whole space', () => {
    for (const axes of form.variants()) expect(rmsNormRegisters(axes) * axes['threads']!).toBeLessThanOrEqual(65536);
    expect(Math.min(...form.counts())).toBe(12);
  });

  it('gives the same bits however many vectors are kept', () => {
    expect(form.numericsClass({ held: 1 })).toBe(form.numericsClass({}));
    expect(form.numericsClass({ threads: 256 })).not.toBe(form.numericsClass({}));
  });
});

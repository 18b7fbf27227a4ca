import { describe, expect, it } from 'vitest';
import { flockStatisticRegisters } from '../../../../generator/families/cuda/flock_statistic.js';
import { cudaForm, refusingCapabilities } from '../../../support/cuda-form.js';

const form = cudaForm('flock_statistic');

describe('flock_statistic on CUDA', () => {
  it('has a default that every capability takes', () => {
    expect(refusingCapabilities(form)).toEqual([]);
  });

  it('cuts columns and rows into blocks that leave a sum per column', () => {
    const launch = form.launch({}, { rows: 2048, intermediate: 11008 });
    expect(launch).toEqual({ phases: [{ name: 'main', grid: [43, 32, 1], block: 512, shared: 0 }], workspace: 32 * 11008 * 4, counters: 43 });
    expect(form.launch({ across: 1, tokens: 128 }, { rows: 129, intermediate: 1 }).phases[0]?.grid).toEqual([1, 2, 1]);
  });

  it('refuses blocks that are too large or too small, and rows that a thread cannot keep in flight', () => {
    expect(form.broken({ across: 4, down: 16, tokens: 64 })).toEqual(expect.arrayContaining(['block-size']));
    expect(form.broken({ across: 1, down: 2 })).toContain('block-size');
    expect(form.broken({ tokens: 32, loads: 8 })).toEqual(['rows-per-thread']);
    expect(form.broken({ tokens: 256, down: 4 })).toEqual(['rows-per-thread']);
    for (const axes of form.variants()) expect(flockStatisticRegisters(axes)).toBeLessThanOrEqual(64);
  });

  it('orders its sums by warps and rows alone', () => {
    expect(form.numericsClass({ across: 1, loads: 8, hint: 1 })).toBe(form.numericsClass({}));
    expect(form.numericsClass({ down: 4 })).not.toBe(form.numericsClass({}));
    expect(form.numericsClass({ tokens: 128 })).not.toBe(form.numericsClass({}));
  });

  it('has a space on every capability', () => {
    expect(Math.min(...form.counts())).toBeGreaterThanOrEqual(50);
  });
});

import { describe, expect, it } from 'vitest';
import { PROBE_READ_SPAN } from '../../../../generator/families/probe_read.js';
import { probeReadRegisters } from '../../../../generator/families/cuda/probe_read.js';
import { cudaForm, refusingCapabilities } from '../../../support/cuda-form.js';

const form = cudaForm('probe_read');

describe('probe_read on CUDA', () => {
  it('has a default that every capability takes', () => {
    expect(refusingCapabilities(form)).toEqual([]);
  });

  it('shares the stretches of the CPU’s form between blocks', () => {
    expect(form.launch({}, { n: 2 * PROBE_READ_SPAN + 1 })).toEqual({ phases: [{ name: 'main', grid: [4, 3, 1], block: 512, shared: 0 }], workspace: 3 * 4 * 4, counters: 3 });
    expect(form.launch({ split: 1 }, { n: 1 })).toMatchObject({ workspace: 0, counters: 0 });
  });

  it('reads whole rounds from registers', () => {
    for (const axes of form.variants()) {
      expect((PROBE_READ_SPAN / axes['split']!) % (4 * axes['threads']! * axes['loads']!)).toBe(0);
      expect(probeReadRegisters(axes)).toBeLessThanOrEqual(64);
    }
    expect(form.broken({ split: 8, threads: 512, loads: 8 })).toEqual(['whole-rounds']);
    expect(Math.min(...form.counts())).toBeGreaterThan(100);
  });

  it('keeps 64 KiB in flight per multiprocessor by default', () => {
    const each = form.target.bytesInFlight!({ isa: 'sm80', params: {}, axes: form.standard });
    expect(each * 1024).toBeGreaterThanOrEqual(64 * 1024);
  });
});

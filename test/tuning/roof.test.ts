import { describe, expect, it } from 'vitest';
import { findFamily } from '../../generator/families/index.js';
import type { Family } from '../../generator/types.js';
import { roofDuring, roofShare } from '../../tuning/roof.js';

const gemv = findFamily('linear_gemv') as Family;
const problem = { family: 'linear_gemv', params: { dtype: 'bf16' }, dims: { rows: 1, in: 1000, out: 2000, bias: 0, residual: 0 } };

describe('roofShare', () => {
  it('is the time that reading takes over the time taken where memory is the limit', () => {
    // 4 MB of weights plus 4 kB of x, of which at most the read bytes count, at 10 GB/s: 400 µs.
    expect(roofShare(gemv, problem, 800_000, { readBytesPerNs: 10, flopsPerNs: 1000 })).toBeCloseTo(0.5, 2);
  });

  it('is the time that arithmetic takes where that is the limit', () => {
    expect(roofShare(gemv, problem, 1_000_000, { readBytesPerNs: 1000, flopsPerNs: 8 })).toBeCloseTo(0.5, 5);
  });

  it('does not count activations as cold', () => {
    const family = findFamily('flock_statistic') as Family;
    const statistic = { family: 'flock_statistic', params: {}, dims: { rows: 256, intermediate: 1024 } };
    expect(roofShare(family, statistic, 1000, { readBytesPerNs: 10, flopsPerNs: null })).toBe(0);
  });
});

describe('roofDuring', () => {
  const roof = { readBytesPerNs: 50, flopsPerNs: 200 };

  it('takes the bandwidth of the control in the same rounds', () => {
    expect(roofDuring({ control: null, roof, controlBytes: 1000 }, 40)).toEqual({ readBytesPerNs: 25, flopsPerNs: 200 });
  });

  it('falls back to the start of the run where there was no control', () => {
    expect(roofDuring({ control: null, roof, controlBytes: 1000 }, null)).toEqual(roof);
    expect(roofDuring({ control: null, roof: null, controlBytes: 0 }, 40)).toBeNull();
  });
});

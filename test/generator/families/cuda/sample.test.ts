import { describe, expect, it } from 'vitest';
import { cudaForm, refusingCapabilities } from '../../../support/cuda-form.js';

const form = cudaForm('sample');

describe('sample on CUDA', () => {
  it('has a default that every capability takes', () => {
    expect(refusingCapabilities(form)).toEqual([]);
  });

  it('launches a block per 4096 tokens in both phases, with room for buckets, blocks and tokens', () => {
    const { phases, workspace, counters } = form.launch({}, { vocab: 32000, advance: 1 });
    expect(phases.map(({ name, grid, block }) => ({ name, grid, block }))).toEqual([
      { name: 'largest', grid: [8, 1, 1], block: 1024 },
      { name: 'choose', grid: [8, 1, 1], block: 1024 },
    ]);
    // Weight (8) and count (4) per bucket, weight and rank per block, key and id per token.
    expect(workspace).toBe(2048 * (8 + 4) + 8 * (8 + 8) + 32000 * (4 + 4));
    expect(counters).toBe(1);
  });

  it('gives every thread a vector of logits', () => {
    expect(form.broken({ tokens: 2048 })).toEqual(['tokens-per-thread']);
    expect(form.broken({ tokens: 2048, threads: 512 })).toEqual([]);
    expect(form.counts()).toEqual([6, 6, 6, 6, 6, 6]);
  });

  it('draws the same token for every variant', () => {
    expect(new Set(form.variants().map((axes) => form.numericsClass(axes))).size).toBe(1);
  });
});

import { describe, expect, it } from 'vitest';
import { probeFma } from '../../../generator/families/probe_fma.js';
import { probeRead } from '../../../generator/families/probe_read.js';
import { FMA_WORK, READ_SPAN } from '../../../runtime/bench/roofs.js';

describe('what a probe does per launch', () => {
  it('agrees with the cost that the family of probe_fma states', () => {
    const dims = { iterations: 17, units: 3 };
    expect(2 * FMA_WORK * 17 * 3).toBe(probeFma.cost({ family: 'probe_fma', params: {}, dims }).flops);
  });
  it('agrees with the sums that probe_read writes', () => {
    const sink = probeRead.tensors.find((tensor) => tensor.name === 'sink');
    expect(sink?.shape({ n: 5 * READ_SPAN }, {})).toEqual([5]);
    expect(sink?.shape({ n: 5 * READ_SPAN + 1 }, {})).toEqual([6]);
  });
});

import { describe, expect, it } from 'vitest';
import { DOT_FORMS } from '../../../../generator/families/cuda/dot.js';
import { ffGateUpGatherCuda } from '../../../../generator/families/cuda/ff_gate_up_gather.js';
import { ffGateUpGather } from '../../../../generator/families/ff_gate_up_gather.js';
import { parseLaunchExpression } from '../../../../runtime/device/launch-expression.js';

describe('ff_gate_up_gather on CUDA', () => {
  it('is the CUDA side of its family, with a path for bulk copies', () => {
    expect(ffGateUpGather.cuda).toBe(ffGateUpGatherCuda);
    expect(ffGateUpGatherCuda.isas).toEqual(['sm80', 'sm90']);
    expect(ffGateUpGatherCuda.defaults({ isa: 'sm90', params: { dtype: 'bf16', gated: 'gated' } })['form']).toBe(DOT_FORMS.bulk);
  });

  it.each([
    ['gated', 8],
    ['plain', 16],
  ])('gives a block of the default kernel its neurons: %s', (kind, neurons) => {
    const params = { dtype: 'bf16', gated: kind };
    const launch = ffGateUpGatherCuda.launch({ isa: 'sm80', params, axes: ffGateUpGatherCuda.defaults({ isa: 'sm80', params }) });
    const grid = parseLaunchExpression(launch.phases[0]!.grid[0]).evaluate({ sms: 132, rows: 1, hidden: 5120, k: 6912 });
    expect(grid).toBe(6912 / neurons);
  });

  it('has enough on its way for the memory of an H100', () => {
    // 3.35 TB/s for 700 ns are 2.3 MB, 18 KB per multiprocessor; three blocks of 256 threads fit.
    const axes = ffGateUpGatherCuda.defaults({ isa: 'sm80', params: { dtype: 'bf16', gated: 'gated' } });
    expect(ffGateUpGatherCuda.bytesInFlight?.({ isa: 'sm80', params: { dtype: 'bf16', gated: 'gated' }, axes })).toBe(128);
    expect(3 * 256 * 128).toBeGreaterThan(32 * 1024);
  });
});

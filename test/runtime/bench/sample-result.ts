import type { BenchResult } from '../../../runtime/bench/result.js';

const spread = (median: number) => ({ median, mad: median / 100, min: median * 0.9, max: median * 1.2, samples: 5 });

/** An invented result with round numbers, for the renderers' tests only. */
export const SAMPLE_RESULT: BenchResult = {
  schema: 1,
  name: 'sample <model> on cpu',
  date: '2020-01-02T03:04:05.000Z',
  model: { name: 'sample <model>', weights: 'random', layers: 2, hidden: 64, intermediate: 176, heads: 4, kvHeads: 2, headDim: 16, vocab: 320, dtype: 'bf16', weightBytes: 1_234_567 },
  device: { kind: 'cpu', name: 'Imaginary CPU', key: 'cpu-x', isa: 'avx2', threads: 2, cacheBytes: 32e6, gpu: null },
  library: null,
  settings: { promptTokens: 32, newTokens: 8, rounds: 5, meanContext: 36.5 },
  roofs: { read: { perSecond: 40e9, spread: 0.01, how: 'probe_read' }, fma: { perSecond: 200e9, spread: 0.02, how: 'probe_fma' } },
  sensors: null,
  peers: [],
  prefill: { promptTokens: 32, ms: spread(10), tokensPerSecond: 3200, flops: 1e9, shareOfFmaRoof: 0.5, gemmShareOfFmaRoof: 0.61, statisticShare: 0.004, selectMs: 0.02, steps: [{ operation: 'qkv', kernel: 'g', calls: 2, usPerChunk: 900, shareOfChunk: 0.4, shareOfFmaRoof: 0.6 }] },
  decode: [
    { density: 1, strategy: 'dense', keptNeurons: 176, msPerToken: spread(2), wallOverDevice: 1.01, tokensPerSecond: 500, bytesPerToken: 72e6, bytesPerSecond: 36e9, shareOfReadRoof: 0.9, shareOfDataSheet: null, speedup: null, idealSpeedup: 1, gatherOverCompact: null },
    { density: 0.5, strategy: 'gather', keptNeurons: 88, msPerToken: spread(1.5), wallOverDevice: 1.02, tokensPerSecond: 666, bytesPerToken: 52e6, bytesPerSecond: 34.7e9, shareOfReadRoof: 0.8675, shareOfDataSheet: null, speedup: { median: 1.33, mad: 0.01 }, idealSpeedup: 1.4, gatherOverCompact: { median: 1.01, mad: 0.005 } },
  ],
  profiles: [{ density: 0.5, strategy: 'gather', steps: [{ operation: 'gate_up', kernel: 'a|b', callsPerToken: 2, usPerToken: 700, shareOfToken: 0.47, bytesPerToken: 25e6, shareOfReadRoof: 0.89 }, { operation: 'sample', kernel: 's', callsPerToken: 1, usPerToken: 3, shareOfToken: 0.002, bytesPerToken: null, shareOfReadRoof: null }] }],
  ffKernels: [{ operation: 'down', variant: 'gather', kernel: 'k', origin: 'default', k: 88, bytes: 11e6, us: spread(300), bytesPerSecond: 36e9, shareOfReadRoof: { median: 0.91, mad: 0.01 }, overCompact: { median: 1.015, mad: 0.01 } }],
  kernels: [{ use: 'qkv', kernel: 'linear_gemv__bf16__avx2__base', origin: 'winner' }, { use: 'o', kernel: 'linear_gemv__bf16__avx2__base', origin: 'nearest (out=128)' }],
  notes: ['a note with <angle brackets>'],
};

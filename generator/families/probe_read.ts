import type { Family } from '../types.js';
import { HINT_AXIS, HINT_NEEDS_PREFETCH, HINTS } from './ahead.js';
import { ceilDiv, dim, f32Spec, f32Tensor, intScalar, numbers, sumBound } from './common.js';
import { L1_BYTES } from './registers.js';
import { probeReadCuda } from './cuda/probe_read.js';

/** Numbers per work unit: 256 KiB, far more than a prefetch distance and small enough to balance threads. */
export const PROBE_READ_SPAN = 65536;

/** The roof for every kernel that streams weights. */
export const probeRead: Family = {
  name: 'probe_read',
  summary: 'Sums a buffer: the read bandwidth that kernels bound by memory are compared with.',
  formula: 'sink[u] = Σ source[i], i in the u-th stretch of 65536',
  source: 'standard (the read kernel of STREAM-like benchmarks)',
  params: [],
  dims: [{ name: 'n', doc: 'numbers in the buffer' }],
  tensors: [
    f32Spec('source', 'input', (d) => [dim(d, 'n')], '[n]'),
    f32Spec('sink', 'output', (d) => [ceilDiv(dim(d, 'n'), PROBE_READ_SPAN)], '[n / 65536 rounded up]'),
  ],
  scalars: [intScalar('n', 'numbers in the buffer')],
  cpu: {
    kind: 'cpu',
    axes: [
      { name: 'chains', values: [4, 8, 16], doc: 'independent sums; with 8 an iteration reads 8 vectors' },
      { name: 'ahead', values: [0, 512, 1024, 2048, 4096, 8192], doc: 'bytes ahead that are prefetched; 0 leaves it to the hardware' },
      HINT_AXIS,
    ],
    constraints: [
      HINT_NEEDS_PREFETCH,
      {
        name: 'prefetch-fits-l1',
        reason: 'Lines prefetched into level 1 must still be there when they are read: at most half of 32 KiB ahead.',
        holds: ({ axes }) => (axes['ahead'] ?? 0) <= L1_BYTES / 2,
      },
      {
        name: 'registers',
        reason: 'The sums must fit in vector registers: 16 need the 32 of AVX-512; the portable layer has 8 of its vectors.',
        holds: ({ isa, axes }) => (axes['chains'] ?? 0) <= (isa === 'portable' ? 4 : isa === 'avx2' ? 8 : 16),
      },
    ],
    template: 'cpu/probe_read.cc.hbs',
    defaults: ({ isa }) => ({ chains: isa === 'portable' ? 4 : 8, ahead: 4096, hint: 1 }),
    launch: ({ dims }) => ({
      phases: [{ name: 'stretches', units: ceilDiv(dim(dims, 'n'), PROBE_READ_SPAN) }],
      scratchBytes: 0,
      workspaceBytes: 0,
    }),
    numericsClass: ({ isa, axes }) => `${isa}-chains${axes['chains'] ?? 0}`,
    view: ({ axes }) => ({ span: PROBE_READ_SPAN, hint: HINTS[axes['hint'] ?? 0] }),
  },
  cuda: probeReadCuda,
  cost: ({ dims }) => ({
    readBytes: 4 * dim(dims, 'n'),
    writeBytes: 4 * ceilDiv(dim(dims, 'n'), PROBE_READ_SPAN),
    flops: dim(dims, 'n'),
  }),
  makeInputs: ({ dims }, random) => ({ source: f32Tensor(dim(dims, 'n'), random) }),
  reference: ({ dims }, inputs) => {
    const source = numbers(inputs, 'source');
    const values = new Float64Array(ceilDiv(dim(dims, 'n'), PROBE_READ_SPAN));
    const bound = new Float64Array(values.length);
    for (let u = 0; u < values.length; u++) {
      const stretch = source.subarray(u * PROBE_READ_SPAN, (u + 1) * PROBE_READ_SPAN);
      values[u] = stretch.reduce((sum, x) => sum + x, 0);
      bound[u] = sumBound(stretch.length / 16 + 32, stretch.reduce((sum, x) => sum + Math.abs(x), 0));
    }
    return { sink: { values, bound } };
  },
  raggedProblems: () => [1, 15, 33, 1000, 65536, 65537, 200001].map((n) => ({ family: 'probe_read', params: {}, dims: { n } })),
};

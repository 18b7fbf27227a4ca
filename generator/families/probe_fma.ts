import type { Family } from '../types.js';
import { dim, f32Spec, intScalar } from './common.js';
import { VECTOR_REGISTERS } from './registers.js';
import { probeFmaCuda } from './cuda/probe_fma.js';

/** Fused multiply-adds per iteration and unit, whatever the vector width. */
export const PROBE_FMA_WORK = 3072;

/** The roof for kernels bound by arithmetic. */
export const probeFma: Family = {
  name: 'probe_fma',
  summary: 'Fused multiply-adds from registers: the arithmetic rate that the GEMM is compared with.',
  formula: 'v = v·½ + ½ in every lane of every chain, from v = 1; sink[u] = mean of all lanes = 1',
  source: 'standard',
  params: [],
  dims: [
    { name: 'iterations', doc: `iterations per unit, each of ${PROBE_FMA_WORK} multiply-adds` },
    { name: 'units', doc: 'work units' },
  ],
  tensors: [f32Spec('sink', 'output', (d) => [dim(d, 'units')], '[units] the mean of all lanes: 1')],
  scalars: [intScalar('iterations', 'iterations per unit'), intScalar('units', 'work units')],
  cpu: {
    kind: 'cpu',
    axes: [{ name: 'chains', values: [4, 6, 8, 12, 16, 24], doc: 'independent vectors in registers; 8 or more hide a latency of 4 at two per cycle' }],
    constraints: [
      {
        name: 'registers',
        reason: 'The chains and the one constant must fit in vector registers (8 portable, 16 avx2, 32 avx512).',
        holds: ({ isa, axes }) => (axes['chains'] ?? 0) + 1 <= VECTOR_REGISTERS[isa],
      },
    ],
    template: 'cpu/probe_fma.cc.hbs',
    defaults: ({ isa }) => ({ chains: isa === 'portable' ? 6 : 12 }),
    launch: ({ dims }) => ({ phases: [{ name: 'units', units: dim(dims, 'units') }], scratchBytes: 0, workspaceBytes: 0 }),
    numericsClass: () => 'exact',
    view: () => ({ work: PROBE_FMA_WORK }),
  },
  cuda: probeFmaCuda,
  cost: ({ dims }) => ({ readBytes: 0, writeBytes: 4 * dim(dims, 'units'), flops: 2 * PROBE_FMA_WORK * dim(dims, 'iterations') * dim(dims, 'units') }),
  makeInputs: () => ({}),
  reference: ({ dims }) => ({ sink: { values: new Float64Array(dim(dims, 'units')).fill(1), bound: 0 } }),
  raggedProblems: () => [
    { family: 'probe_fma', params: {}, dims: { iterations: 1, units: 1 } },
    { family: 'probe_fma', params: {}, dims: { iterations: 7, units: 5 } },
  ],
};

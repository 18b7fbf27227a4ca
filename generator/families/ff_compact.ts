import { type Family, type Problem, WEIGHT_DTYPES } from '../types.js';
import { ascendingExperts, ceilDiv, dim, dtypeParam, i32Spec, intScalar, numbers, randomValues, weightBytes, weightSpec } from './common.js';
import { ffCompactCuda } from './cuda/ff_compact.js';

const problem = (params: Problem['params'], width: number, intermediate: number, k: number): Problem => ({
  family: 'ff_compact',
  params,
  dims: { width, intermediate, k },
});

/** Copies the kept neurons' rows into one dense matrix, so that decoding streams it without indices. */
export const ffCompact: Family = {
  name: 'ff_compact',
  summary: 'Packs the rows of the kept neurons of one FF weight into a dense matrix.',
  formula: 'target[i] = source[E_i]',
  source: 'GRIFFIN (arXiv 2404.01365) section 4; the reference code hdong920/GRIFFIN slices the weights once per generation',
  params: [{ name: 'dtype', values: WEIGHT_DTYPES, doc: 'element type of the weights' }],
  dims: [
    { name: 'width', doc: 'elements of a row: hidden for ffOut and for a plain ffIn, 2·hidden for a gated ffIn' },
    { name: 'intermediate', doc: 'rows of the source (F)' },
    { name: 'k', doc: 'rows to copy, 0…intermediate' },
  ],
  tensors: [
    weightSpec('source', 'input', (d) => [dim(d, 'intermediate'), dim(d, 'width')], '[F, width]'),
    i32Spec('experts', 'input', (d) => [dim(d, 'k')], '[k] row numbers, ascending'),
    weightSpec('target', 'output', (d) => [dim(d, 'k'), dim(d, 'width')], '[k, width]'),
  ],
  scalars: [
    intScalar('width', 'elements of a row'),
    intScalar('intermediate', 'rows of the source'),
    intScalar('k', 'rows to copy', { dynamic: true }),
  ],
  cpu: {
    kind: 'cpu',
    axes: [
      {
        name: 'rows',
        values: [1, 4, 16, 64],
        doc: 'rows per work unit: 1 balances threads best, 64 gives each thread long runs of memory (64 rows of 2·4096 bf16 are 1 MiB)',
      },
      { name: 'stream', values: [0, 1], doc: '1 writes past the caches with non-temporal stores, which saves reading each target line first' },
    ],
    constraints: [
      {
        name: 'stream-needs-x86',
        reason: 'non-temporal stores are x86 instructions; the portable kernel has plain C++ only',
        holds: ({ isa, axes }) => axes['stream'] !== 1 || isa !== 'portable',
      },
    ],
    template: 'cpu/ff_compact.cc.hbs',
    defaults: ({ isa }) => ({ rows: 16, stream: isa === 'portable' ? 0 : 1 }),
    launch: ({ dims }, { axes }) => ({
      phases: [{ name: 'copy', units: ceilDiv(dim(dims, 'k'), dim(axes, 'rows')) }],
      scratchBytes: 0,
      workspaceBytes: 0,
    }),
    numericsClass: () => 'exact',
  },
  cuda: ffCompactCuda,
  cost: ({ dims, params }) => {
    const bytes = dim(dims, 'k') * dim(dims, 'width') * weightBytes(params);
    return { readBytes: bytes + dim(dims, 'k') * 4, writeBytes: bytes, flops: 0 };
  },
  makeInputs: ({ dims, params }, random) => ({
    source: randomValues(dim(dims, 'intermediate') * dim(dims, 'width'), random, dtypeParam(params)),
    experts: ascendingExperts(dim(dims, 'k'), dim(dims, 'intermediate'), random),
  }),
  reference: ({ dims }, inputs) => {
    const width = dim(dims, 'width');
    const source = numbers(inputs, 'source');
    const values = new Float64Array(dim(dims, 'k') * width);
    inputs['experts']?.forEach((neuron, i) => values.set(source.subarray(neuron * width, (neuron + 1) * width), i * width));
    return { target: { values, bound: 0 } };
  },
  raggedProblems: (params) => [
    problem(params, 37, 29, 13),
    problem(params, 1, 5, 1),
    problem(params, 64, 70, 70),
    problem(params, 211, 9, 0),
    problem(params, 514, 131, 67),
    problem(params, 2, 700, 511),
    problem(params, 1032, 23, 9),
  ],
};

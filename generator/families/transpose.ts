import { type Dims, type Family, type Params, type Problem, WEIGHT_DTYPES } from '../types.js';
import { ceilDiv, dim, dimOr, dtypeParam, intScalar, numbers, randomValues, weightBytes, weightSpec } from './common.js';
import { transposeCuda } from './cuda/transpose.js';

const sourceStride = (dims: Dims): number => dimOr(dims, 'source_stride', dim(dims, 'cols'));
const targetStride = (dims: Dims): number => dimOr(dims, 'target_stride', dim(dims, 'rows'));

const problem = (params: Params, rows: number, cols: number, spareSource = 0, spareTarget = 0): Problem => ({
  family: 'transpose',
  params,
  dims: { rows, cols, source_stride: cols + spareSource, target_stride: rows + spareTarget },
});

/** Checkpoints hold the down-projection as [hidden, F]; kernels gather rows of [F, hidden]. */
export const transpose: Family = {
  name: 'transpose',
  summary: 'Writes a matrix of weights with rows and columns exchanged.',
  formula: 'target[c, r] = source[r, c]',
  source: 'standard; tiles in fast memory, so that both sides are touched in whole lines',
  params: [{ name: 'dtype', values: WEIGHT_DTYPES, doc: 'element type of the matrix' }],
  dims: [
    { name: 'rows', doc: 'rows of the source' },
    { name: 'cols', doc: 'columns of the source' },
    { name: 'source_stride', doc: 'elements from one row of the source to the next (default cols)' },
    { name: 'target_stride', doc: 'elements from one row of the target to the next (default rows)' },
  ],
  tensors: [
    weightSpec('source', 'input', (d) => [dim(d, 'rows'), sourceStride(d)], '[rows, source_stride], of which the first cols of each row count'),
    // An inout tensor because what lies behind the first `rows` of a row must stay as it is.
    weightSpec('target', 'inout', (d) => [dim(d, 'cols'), targetStride(d)], '[cols, target_stride], of which the first rows of each row are written'),
  ],
  scalars: [
    intScalar('rows', 'rows of the source'),
    intScalar('cols', 'columns of the source'),
    { name: 'source_stride', type: 'int', value: sourceStride, doc: 'elements from one row of the source to the next' },
    { name: 'target_stride', type: 'int', value: targetStride, doc: 'elements from one row of the target to the next' },
  ],
  cpu: {
    kind: 'cpu',
    axes: [{ name: 'tile', values: [16, 32, 64], doc: 'columns per work unit: 32 of bf16 are one line of 64 bytes of every source row' }],
    constraints: [],
    template: 'cpu/transpose.cc.hbs',
    defaults: ({ params }) => ({ tile: dtypeParam(params) === 'f32' ? 16 : 32 }),
    launch: ({ dims }, { axes }) => ({
      phases: [{ name: 'columns', units: ceilDiv(dim(dims, 'cols'), dim(axes, 'tile')) }],
      scratchBytes: 0,
      workspaceBytes: 0,
    }),
    numericsClass: () => 'exact',
  },
  cuda: transposeCuda,
  cost: ({ dims, params }) => {
    const bytes = dim(dims, 'rows') * dim(dims, 'cols') * weightBytes(params);
    return { readBytes: bytes, writeBytes: bytes, flops: 0 };
  },
  makeInputs: ({ dims, params }, random) => ({
    source: randomValues(dim(dims, 'rows') * sourceStride(dims), random, dtypeParam(params)),
    target: randomValues(dim(dims, 'cols') * targetStride(dims), random, dtypeParam(params)),
  }),
  reference: ({ dims }, inputs) => {
    const source = numbers(inputs, 'source');
    const values = numbers(inputs, 'target').slice();
    for (let r = 0; r < dim(dims, 'rows'); r++) {
      for (let c = 0; c < dim(dims, 'cols'); c++) values[c * targetStride(dims) + r] = source[r * sourceStride(dims) + c] ?? NaN;
    }
    return { target: { values, bound: 0 } };
  },
  raggedProblems: (params) => [
    problem(params, 1, 1),
    problem(params, 37, 29),
    problem(params, 64, 64),
    problem(params, 128, 66, 2, 6),
    problem(params, 131, 70, 1, 3),
    problem(params, 5, 260, 0, 1),
    problem(params, 65, 34, 4),
  ],
};

import type { Family, Problem } from '../types.js';
import { dim, dimOr, f32Spec, f32Tensor, intScalar, numbers, sumBound } from './common.js';
import { rmsNormCuda } from './cuda/rms_norm.js';

/** Rows of x: `total` where a chunk has more rows than are wanted. */
const totalRows = (dims: Problem['dims']): number => dimOr(dims, 'total', dimOr(dims, 'first', 0) + dim(dims, 'rows'));

const problem = (rows: number, hidden: number, first = 0, total = first + rows): Problem => ({
  family: 'rms_norm',
  params: {},
  dims: { rows, hidden, first, total },
});

const EPS = 1e-5;

/** Root-mean-square normalisation. */
export const rmsNorm: Family = {
  name: 'rms_norm',
  summary: 'Scales rows to unit root mean square, times a weight per column.',
  formula: 'y[r,i] = x[first+r,i]·weight[i]/√(mean_i x[first+r,i]² + eps)',
  source: 'Zhang and Sennrich, Root Mean Square Layer Normalization (arXiv 1910.07467)',
  params: [],
  dims: [
    { name: 'rows', doc: 'rows to normalise' },
    { name: 'first', doc: 'first row of x to take (default 0)' },
    { name: 'hidden', doc: 'model width' },
    { name: 'total', doc: 'rows that x has (default first + rows)' },
  ],
  tensors: [
    f32Spec('x', 'input', (d) => [totalRows(d), dim(d, 'hidden')], '[at least first + rows, hidden]'),
    f32Spec('weight', 'input', (d) => [dim(d, 'hidden')], '[hidden]'),
    f32Spec('y', 'output', (d) => [dim(d, 'rows'), dim(d, 'hidden')], '[rows, hidden]'),
  ],
  scalars: [
    intScalar('rows', 'rows to normalise', { dynamic: true }),
    intScalar('first', 'first row of x', { dynamic: true, fallback: 0 }),
    intScalar('hidden', 'model width'),
    { name: 'eps', type: 'float', value: () => EPS, doc: 'added to the mean square' },
  ],
  cpu: {
    kind: 'cpu',
    axes: [],
    constraints: [],
    template: 'cpu/rms_norm.cc.hbs',
    defaults: () => ({}),
    launch: ({ dims }) => ({ phases: [{ name: 'rows', units: dim(dims, 'rows') }], scratchBytes: 0, workspaceBytes: 0 }),
    numericsClass: ({ isa }) => isa,
  },
  cuda: rmsNormCuda,
  cost: ({ dims }) => {
    const cells = dim(dims, 'rows') * dim(dims, 'hidden');
    return { readBytes: cells * 4 + dim(dims, 'hidden') * 4, writeBytes: cells * 4, flops: cells * 4 };
  },
  makeInputs: ({ dims }, random) => ({
    x: f32Tensor(totalRows(dims) * dim(dims, 'hidden'), random),
    weight: f32Tensor(dim(dims, 'hidden'), random),
  }),
  reference: ({ dims }, inputs) => {
    const [rows, n, first] = [dim(dims, 'rows'), dim(dims, 'hidden'), dimOr(dims, 'first', 0)];
    const weight = numbers(inputs, 'weight');
    const values = new Float64Array(rows * n);
    for (let r = 0; r < rows; r++) {
      const x = numbers(inputs, 'x').subarray((first + r) * n, (first + r + 1) * n);
      const root = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / n + Math.fround(EPS));
      for (let i = 0; i < n; i++) values[r * n + i] = ((x[i] ?? NaN) * (weight[i] ?? NaN)) / root;
    }
    return { y: { values, bound: values.map((value) => sumBound(n / 2, Math.abs(value))) } };
  },
  raggedProblems: () => [problem(1, 1), problem(1, 37, 2, 5), problem(3, 64), problem(7, 131, 1), problem(64, 29), problem(1, 2049, 0, 2)],
};

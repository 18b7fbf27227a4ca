import type { Family, Problem } from '../types.js';
import { ceilDiv, dim, dimOr, F32_ROUNDING, f32Spec, f32Tensor, intScalar, numbers } from './common.js';
import { flockStatisticCuda } from './cuda/flock_statistic.js';

const problem = (rows: number, intermediate: number, zeroRows = 0): Problem => ({
  family: 'flock_statistic',
  params: {},
  dims: { rows, intermediate, zeroRows },
});

/** GRIFFIN's statistic: running sums over prompt tokens of squared, row-normalised activations. */
export const flockStatistic: Family = {
  name: 'flock_statistic',
  summary: "Adds a chunk of tokens to the column sums of GRIFFIN's selection statistic.",
  formula: 's2[j] += Σ_t (h[t,j]·inv_norm[t])²',
  source: 'GRIFFIN (arXiv 2404.01365) section 4, equations 5 and 6; the square root is left out, it does not change the order',
  params: [],
  dims: [
    { name: 'rows', doc: 'tokens of the chunk' },
    { name: 'intermediate', doc: 'neurons (F)' },
    { name: 'zeroRows', doc: 'only for test inputs: this many rows in front are zero (default 0)' },
  ],
  tensors: [
    f32Spec('h', 'input', (d) => [dim(d, 'rows'), dim(d, 'intermediate')], '[rows, F] activations'),
    f32Spec('inv_norm', 'input', (d) => [dim(d, 'rows')], '[rows] 1/‖h_row‖₂, 0 for a zero row'),
    f32Spec('s2', 'inout', (d) => [dim(d, 'intermediate')], '[F] running sums, zero before the first chunk'),
  ],
  scalars: [intScalar('rows', 'tokens of the chunk', { dynamic: true }), intScalar('intermediate', 'neurons')],
  cpu: {
    kind: 'cpu',
    axes: [
      {
        name: 'tile',
        values: [256, 512, 1024, 2048],
        doc: 'columns per work unit: each row is read in pieces of tile·4 bytes; 1024 is one page, 256 spreads a small F over more threads',
      },
    ],
    constraints: [
      {
        name: 'sums-in-l1',
        reason: 'the sums of a tile are read and written once per 8 rows and must stay in a first-level cache of 32 KiB beside the rows',
        holds: ({ axes }) => dim(axes, 'tile') * 4 <= 16384,
      },
    ],
    template: 'cpu/flock_statistic.cc.hbs',
    defaults: () => ({ tile: 512 }),
    launch: ({ dims }, { axes }) => ({
      phases: [{ name: 'columns', units: ceilDiv(dim(dims, 'intermediate'), dim(axes, 'tile')) }],
      scratchBytes: dim(axes, 'tile') * 4,
      workspaceBytes: 0,
    }),
    // A column's sum does not depend on the tile it lies in; whether the addition is fused does matter.
    numericsClass: ({ isa }) => (isa === 'portable' ? 'separate' : 'fused'),
  },
  cuda: flockStatisticCuda,
  cost: ({ dims }) => {
    const [rows, columns] = [dim(dims, 'rows'), dim(dims, 'intermediate')];
    return { readBytes: (rows * columns + rows + columns) * 4, writeBytes: columns * 4, flops: rows * columns * 3 };
  },
  makeInputs: ({ dims }, random) => {
    const [rows, columns] = [dim(dims, 'rows'), dim(dims, 'intermediate')];
    const h = f32Tensor(rows * columns, random);
    h.fill(0, 0, dimOr(dims, 'zeroRows', 0) * columns);
    const inverse = Float64Array.from({ length: rows }, (_, r) => {
      const norm = Math.sqrt(h.subarray(r * columns, (r + 1) * columns).reduce((sum, x) => sum + x * x, 0));
      return norm > 0 ? Math.fround(1 / norm) : 0;
    });
    return { h, inv_norm: inverse, s2: f32Tensor(columns, random).map(Math.abs) };
  },
  reference: ({ dims }, inputs) => {
    const [rows, columns] = [dim(dims, 'rows'), dim(dims, 'intermediate')];
    const h = numbers(inputs, 'h');
    const inverse = numbers(inputs, 'inv_norm');
    const values = numbers(inputs, 's2').slice();
    for (let t = 0; t < rows; t++) {
      for (let j = 0; j < columns; j++) {
        const z = (h[t * columns + j] ?? NaN) * (inverse[t] ?? NaN);
        values[j] = (values[j] ?? NaN) + z * z;
      }
    }
    // Positive terms in a tree of depth 8 + 32 + rows/256 (see the template), three roundings inside a term.
    const roundings = 44 + Math.ceil(rows / 256);
    return { s2: { values, bound: values.map((sum) => sum * roundings * F32_ROUNDING + 1e-37) } };
  },
  raggedProblems: () => [problem(1, 1), problem(3, 37, 1), problem(8, 64), problem(19, 1031, 2), problem(64, 2050), problem(300, 70, 300), problem(517, 33, 5)],
};

import type { Family, Params, Problem } from '../types.js';
import { dim, dimOr, f32Spec, f32Tensor, intScalar, numbers, sumBound } from './common.js';
import { ffActivationCuda } from './cuda/ff_activation.js';

/** Pre-activations per neuron: gate and up, or one. */
function parts(params: Params): number {
  return params['gated'] === 'gated' ? 2 : 1;
}

/** erf within 1e-15: its Taylor series up to 3, the continued fraction of erfc beyond (Abramowitz and Stegun 7.1.6 and 7.1.14). */
function erf(x: number): number {
  const m = Math.abs(x);
  if (m < 3) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = 0;
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (m + fraction);
  return Math.sign(x) * (1 - Math.exp(-m * m) / (Math.sqrt(Math.PI) * (m + fraction)));
}

/** The activation functions by code, in fp64. */
export function referenceActivation(code: number, x: number): number {
  switch (code) {
    case 0:
      return x / (1 + Math.exp(-x));
    case 1:
      return (x / 2) * (1 + erf(x / Math.SQRT2));
    case 2:
      return (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    default:
      return Math.max(0, x);
  }
}

const problem = (params: Params, rows: number, intermediate: number, activation: number, bias: number, zeroRows = 0): Problem => ({
  family: 'ff_activation',
  params,
  dims: { rows, intermediate, activation, bias, zeroRows },
});

/** The activation of a whole FF block in prefill, with the row norms that the statistic needs. */
export const ffActivation: Family = {
  name: 'ff_activation',
  summary: 'Applies the FF activation to the up-projection of many rows and gives the inverse norm of each row.',
  formula: 'h[r,j] = act(u[r,j,0] + b[j,0])·(u[r,j,1] + b[j,1]) or act(u[r,j] + b[j]); inv_norm[r] = 1/‖h[r]‖₂, 0 for a zero row',
  source: 'GRIFFIN (arXiv 2404.01365) equations 2 to 4',
  params: [{ name: 'gated', values: ['gated', 'plain'], doc: 'gated: gate and up rows; plain: one row per neuron' }],
  dims: [
    { name: 'rows', doc: 'tokens' },
    { name: 'intermediate', doc: 'neurons (F)' },
    { name: 'activation', doc: '0 silu, 1 gelu (erf), 2 gelu_pytorch_tanh, 3 relu' },
    { name: 'bias', doc: '1 where there is a bias, else 0 (default)' },
    { name: 'zeroRows', doc: 'only for test inputs: this many rows in front are zero (default 0)' },
  ],
  tensors: [
    f32Spec('u', 'input', (d, p) => [dim(d, 'rows'), dim(d, 'intermediate'), parts(p)], '[rows, F, G] pre-activations'),
    f32Spec('bias', 'input', (d, p) => [dim(d, 'intermediate'), parts(p)], '[F, G]; absent: nothing is added', true),
    f32Spec('h', 'output', (d) => [dim(d, 'rows'), dim(d, 'intermediate')], '[rows, F] activations'),
    f32Spec('inv_norm', 'output', (d) => [dim(d, 'rows')], '[rows] 1/‖h_row‖₂, 0 for a zero row'),
  ],
  scalars: [
    intScalar('rows', 'tokens', { dynamic: true }),
    intScalar('intermediate', 'neurons'),
    intScalar('activation', '0 silu, 1 gelu (erf), 2 gelu_pytorch_tanh, 3 relu'),
  ],
  cpu: {
    kind: 'cpu',
    axes: [],
    constraints: [],
    template: 'cpu/ff_activation.cc.hbs',
    defaults: () => ({}),
    launch: ({ dims }) => ({ phases: [{ name: 'rows', units: dim(dims, 'rows') }], scratchBytes: 0, workspaceBytes: 0 }),
    numericsClass: ({ isa }) => isa,
  },
  cuda: ffActivationCuda,
  cost: ({ dims, params }) => {
    const cells = dim(dims, 'rows') * dim(dims, 'intermediate');
    return { readBytes: cells * parts(params) * 4, writeBytes: cells * 4 + dim(dims, 'rows') * 4, flops: cells * 20 };
  },
  makeInputs: ({ dims, params }, random) => {
    const width = dim(dims, 'intermediate') * parts(params);
    const u = f32Tensor(dim(dims, 'rows') * width, random, 2);
    u.fill(0, 0, dimOr(dims, 'zeroRows', 0) * width);
    return { u, bias: dimOr(dims, 'bias', 0) === 1 ? f32Tensor(width, random, 0.5) : null };
  },
  reference: ({ dims, params }, inputs) => {
    const [rows, n, code, g] = [dim(dims, 'rows'), dim(dims, 'intermediate'), dim(dims, 'activation'), parts(params)];
    const u = numbers(inputs, 'u');
    const bias = inputs['bias'] ?? null;
    const at = (r: number, j: number, part: number): number => (u[(r * n + j) * g + part] ?? NaN) + (bias ? (bias[j * g + part] ?? NaN) : 0);
    const h = { values: new Float64Array(rows * n), bound: new Float64Array(rows * n) };
    const inverse = { values: new Float64Array(rows), bound: new Float64Array(rows) };
    for (let r = 0; r < rows; r++) {
      let squares = 0;
      let error = 0;
      for (let j = 0; j < n; j++) {
        const x = at(r, j, 0);
        const factor = g === 2 ? at(r, j, 1) : 1;
        const value = referenceActivation(code, x) * factor;
        // |act'| ≤ 1.2; x carries the rounding of its bias; the function itself is good to 1e-6 of |x|.
        const bound = (1e-6 * Math.abs(x) + 2e-7) * Math.abs(factor) + 3e-7 * Math.abs(value) + (bias ? 3e-7 * Math.abs(referenceActivation(code, x)) : 0);
        h.values[r * n + j] = value;
        h.bound[r * n + j] = bound + 1e-37;
        squares += value * value;
        error += 2 * Math.abs(value) * bound + bound * bound;
      }
      inverse.values[r] = squares > 0 ? 1 / Math.sqrt(squares) : 0;
      // d(s^-1/2) = -s^-3/2/2 · ds
      inverse.bound[r] = squares > 0 ? (0.6 * (error + sumBound(n, squares))) / squares ** 1.5 + 3e-7 / Math.sqrt(squares) : 0;
    }
    return { h, inv_norm: inverse };
  },
  raggedProblems: (params) => [
    problem(params, 1, 1, 0, 0),
    problem(params, 3, 37, 0, 1, 0),
    problem(params, 5, 64, 1, 0, 1),
    problem(params, 2, 131, 2, 1),
    problem(params, 64, 29, 3, 0, 2),
    problem(params, 7, 1111, 0, 0, 7),
  ],
};

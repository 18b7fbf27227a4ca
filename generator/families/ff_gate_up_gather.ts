import { type Family, type Problem, type Random, type ReferenceOutput, type TensorValues, WEIGHT_DTYPES } from '../types.js';
import {
  ascendingExperts, ceilDiv, dim, dimOr, dtypeParam, f32Spec, f32Tensor, i32Spec, intScalar, numbers, randomValues, weightBytes, weightSpec,
} from './common.js';
import { referenceActivation } from './ff_activation.js';
import { DOT_AXES, dotBound, dotConstraints, dotDefaults, dotNumericsClass, dotScratchBytes, dotView, partsOf } from './dot_rows.js';
import { ffGateUpGatherCuda } from './cuda/ff_gate_up_gather.js';

/** The first half of a feed-forward block on the selected neurons. */
export const ffGateUpGather: Family = {
  name: 'ff_gate_up_gather',
  summary: 'Hidden activations of the selected neurons: both products of a gated block (or the one of a plain block) and the activation, in one pass.',
  formula: 'h[b, i] = act(x_b·W[E_i, 0] + bias[E_i, 0]) · (x_b·W[E_i, 1] + bias[E_i, 1]); plain: h[b, i] = act(x_b·W[E_i, 0] + bias[E_i, 0])',
  source: 'GRIFFIN (arXiv 2404.01365), generation phase; the gather reads whole records of ffIn, so no compacted copy is needed',
  params: [
    { name: 'dtype', values: WEIGHT_DTYPES, doc: 'element type of w_in' },
    { name: 'gated', values: ['gated', 'plain'], doc: 'gated: gate and up rows per neuron; plain: one row' },
  ],
  dims: [
    { name: 'rows', doc: 'rows of x, 1…64' },
    { name: 'hidden', doc: 'elements of a row of x (D)' },
    { name: 'intermediate', doc: 'neurons of the block (F)' },
    { name: 'k', doc: 'selected neurons, 0…intermediate' },
    { name: 'activation', doc: '0 silu, 1 gelu, 2 gelu_pytorch_tanh, 3 relu (default 0)' },
    { name: 'bias', doc: '1 when there is a bias (default 0)' },
    { name: 'dense', doc: '1 when there is no expert list and k = intermediate (default 0)' },
  ],
  tensors: [
    f32Spec('x', 'input', (d) => [dim(d, 'rows'), dim(d, 'hidden')], '[rows, hidden]'),
    weightSpec('w_in', 'input', (d, p) => [dim(d, 'intermediate'), partsOf(p), dim(d, 'hidden')], '[F, G, hidden], G = 2 gated (gate, up) or 1'),
    f32Spec('bias', 'input', (d, p) => [dim(d, 'intermediate'), partsOf(p)], '[F, G]; null: none', true),
    i32Spec('experts', 'input', (d) => [dim(d, 'k')], '[k] neuron numbers, ascending; null: neurons 0…k−1', true),
    f32Spec('h', 'output', (d) => [dim(d, 'rows'), dim(d, 'k')], '[rows, k]'),
  ],
  scalars: [
    intScalar('rows', 'rows of x', { dynamic: true }),
    intScalar('hidden', 'elements of a row of x'),
    intScalar('intermediate', 'neurons of the block'),
    intScalar('k', 'selected neurons', { dynamic: true }),
    intScalar('activation', '0 silu, 1 gelu, 2 gelu_pytorch_tanh, 3 relu', { fallback: 0 }),
  ],
  cpu: {
    kind: 'cpu',
    axes: DOT_AXES,
    constraints: dotConstraints('hidden'),
    template: 'cpu/ff_gate_up_gather.cc.hbs',
    defaults: dotDefaults,
    launch: ({ params, dims }, { axes }) => ({
      phases: [{ name: 'neurons', units: dim(dims, 'rows') === 0 ? 0 : ceilDiv(dim(dims, 'k'), axes['unit'] ?? 1) }],
      scratchBytes: dotScratchBytes(params, axes),
      workspaceBytes: 0,
    }),
    numericsClass: dotNumericsClass,
    view: dotView,
  },
  cuda: ffGateUpGatherCuda,
  cost: ({ params, dims }) => {
    const [rows, hidden, k, parts] = [dim(dims, 'rows'), dim(dims, 'hidden'), dim(dims, 'k'), partsOf(params)];
    const indices = dimOr(dims, 'dense', 0) === 1 ? 0 : 4 * k;
    return {
      readBytes: k * parts * hidden * weightBytes(params) + 4 * (rows * hidden + dimOr(dims, 'bias', 0) * k * parts) + indices,
      writeBytes: 4 * rows * k,
      flops: 2 * rows * k * parts * hidden,
    };
  },
  makeInputs: gateUpInputs,
  reference: gateUpReference,
  raggedProblems: (params) => {
    const cases: readonly (readonly [rows: number, hidden: number, intermediate: number, k: number, activation: number, bias: number, dense: number])[] = [
      [1, 1, 1, 1, 0, 0, 0],
      [1, 3, 17, 1, 1, 1, 0],
      [2, 17, 33, 16, 2, 0, 0],
      [3, 33, 65, 65, 3, 1, 1],
      [5, 65, 130, 65, 0, 1, 0],
      [8, 130, 33, 33, 1, 0, 0],
      [17, 100, 19, 10, 2, 1, 0],
      [64, 67, 21, 11, 0, 0, 0],
      [1, 130, 9, 0, 0, 0, 0],
      [1, 4101, 7, 3, 0, 1, 0],
      [9, 2100, 6, 6, 0, 0, 1],
      [1, 264, 40, 23, 0, 1, 0],
      [3, 4120, 5, 3, 1, 0, 0],
      [2, 136, 30, 21, 2, 0, 0],
      [4, 256, 30, 9, 0, 1, 0],
      [11, 520, 50, 37, 3, 0, 0],
      [40, 72, 19, 17, 0, 1, 0],
    ];
    return cases.map(([rows, hidden, intermediate, k, activation, bias, dense]) => ({
      family: 'ff_gate_up_gather',
      params,
      dims: { rows, hidden, intermediate, k, activation, bias, dense },
    }));
  },
};

function gateUpInputs({ params, dims }: Problem, random: Random): TensorValues {
  const [rows, hidden, intermediate, k, parts] = [dim(dims, 'rows'), dim(dims, 'hidden'), dim(dims, 'intermediate'), dim(dims, 'k'), partsOf(params)];
  return {
    x: f32Tensor(rows * hidden, random),
    w_in: randomValues(intermediate * parts * hidden, random, dtypeParam(params), 1 / Math.sqrt(hidden)),
    bias: dimOr(dims, 'bias', 0) === 1 ? f32Tensor(intermediate * parts, random) : null,
    experts: dimOr(dims, 'dense', 0) === 1 ? null : ascendingExperts(k, intermediate, random),
  };
}

/**
 * fp64 activations. No activation is steeper than 1.13, so an error e of the gate moves act by at most 1.13·e; the vector functions add
 * 3e-7 relative to |gate| + |act(gate)|.
 */
function gateUpReference({ params, dims }: Problem, inputs: TensorValues): Readonly<Record<string, ReferenceOutput>> {
  const [rows, hidden, k, parts] = [dim(dims, 'rows'), dim(dims, 'hidden'), dim(dims, 'k'), partsOf(params)];
  const x = numbers(inputs, 'x');
  const w = numbers(inputs, 'w_in');
  const bias = inputs['bias'] ?? null;
  const experts = inputs['experts'] ?? null;
  const values = new Float64Array(rows * k);
  const bound = new Float64Array(rows * k);
  const product = (row: number, weightRow: number): { value: number; error: number } => {
    let sum = bias?.[weightRow] ?? 0;
    let magnitude = Math.abs(sum);
    for (let i = 0; i < hidden; i++) {
      const term = (x[row * hidden + i] ?? NaN) * (w[weightRow * hidden + i] ?? NaN);
      sum += term;
      magnitude += Math.abs(term);
    }
    return { value: sum, error: dotBound(hidden, magnitude, params) };
  };
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < k; i++) {
      const neuron = experts === null ? i : (experts[i] ?? NaN);
      const gate = product(row, neuron * parts);
      const activated = referenceActivation(dimOr(dims, 'activation', 0), gate.value);
      const activatedError = 1.13 * gate.error + 3e-7 * (Math.abs(gate.value) + Math.abs(activated));
      const up = parts === 2 ? product(row, neuron * parts + 1) : { value: 1, error: 0 };
      values[row * k + i] = activated * up.value;
      bound[row * k + i] = activatedError * (Math.abs(up.value) + up.error) + (Math.abs(activated) + activatedError) * up.error + 1e-37;
    }
  }
  return { h: { values, bound } };
}

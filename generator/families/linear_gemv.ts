import { type Family, type Problem, type Random, WEIGHT_DTYPES } from '../types.js';
import {
  ceilDiv, dim, dimOr, dtypeParam, F32_ROUNDING, f32Spec, f32Tensor, intScalar, numbers, randomValues, weightBytes, weightSpec,
} from './common.js';
import { DOT_AXES, dotBound, dotConstraints, dotDefaults, dotNumericsClass, dotScratchBytes, dotView, withSpan } from './dot_rows.js';
import { linearGemvCuda } from './cuda/linear_gemv.js';

/** A dense layer for decoding: few rows of x, so the time is that of reading the weights once. */
export const linearGemv: Family = {
  name: 'linear_gemv',
  summary: 'Dense layer for 1 to 64 rows of x, bound by reading the weights once.',
  formula: 'y = x·wᵀ (+ bias) (+ residual)',
  source: 'standard; rows of weights streamed with prefetch across rows, bf16 widened by shift and mask against x reordered once',
  params: [{ name: 'dtype', values: WEIGHT_DTYPES, doc: 'element type of w' }],
  dims: [
    { name: 'rows', doc: 'rows of x, 1…64' },
    { name: 'in', doc: 'elements of a row of x' },
    { name: 'out', doc: 'elements of a row of y' },
    { name: 'bias', doc: '1 when there is a bias (default 0)' },
    { name: 'residual', doc: '1 when a residual is added (default 0)' },
  ],
  tensors: [
    f32Spec('x', 'input', (d) => [dim(d, 'rows'), dim(d, 'in')], '[rows, in]'),
    weightSpec('w', 'input', (d) => [dim(d, 'out'), dim(d, 'in')], '[out, in]'),
    f32Spec('bias', 'input', (d) => [dim(d, 'out')], '[out]; null: none', true),
    f32Spec('residual', 'input', (d) => [dim(d, 'rows'), dim(d, 'out')], '[rows, out], may be y itself; null: none', true),
    f32Spec('y', 'output', (d) => [dim(d, 'rows'), dim(d, 'out')], '[rows, out]'),
  ],
  scalars: [
    intScalar('rows', 'rows of x', { dynamic: true }),
    intScalar('in', 'elements of a row of x'),
    intScalar('out', 'elements of a row of y'),
  ],
  cpu: {
    kind: 'cpu',
    axes: DOT_AXES,
    constraints: dotConstraints('in'),
    template: 'cpu/linear_gemv.cc.hbs',
    // Dense rows follow one another in memory: two streams keep the hardware prefetcher in step, and short rows need a shorter distance.
    defaults: (form) => (form.isa === 'avx512' || form.isa === 'avx512bf16' ? withSpan(form, { ...dotDefaults(form), streams: 2, span: 128, chains: 4 }) : dotDefaults(form)),
    launch: ({ params, dims }, { axes }) => ({
      phases: [{ name: 'rows of w', units: dim(dims, 'rows') === 0 ? 0 : ceilDiv(dim(dims, 'out'), axes['unit'] ?? 1) }],
      scratchBytes: dotScratchBytes(params, axes),
      workspaceBytes: 0,
    }),
    numericsClass: dotNumericsClass,
    view: dotView,
  },
  cuda: linearGemvCuda,
  cost: linearCost,
  makeInputs: linearInputs,
  reference: (problem, inputs) => linearReference(problem, inputs, (magnitude) => dotBound(dim(problem.dims, 'in'), magnitude, problem.params)),
  raggedProblems: (params) => {
    const cases: readonly (readonly [rows: number, width: number, out: number, bias: number, residual: number])[] = [
      [1, 1, 1, 0, 0],
      [1, 3, 17, 1, 0],
      [2, 17, 3, 0, 1],
      [3, 33, 65, 1, 1],
      [5, 65, 130, 0, 0],
      [8, 130, 33, 1, 1],
      [17, 100, 19, 0, 1],
      [64, 67, 9, 1, 0],
      [1, 4101, 5, 0, 1],
      [9, 5000, 3, 0, 0],
      [1, 264, 67, 1, 1],
      [4, 4120, 5, 0, 0],
      [2, 136, 21, 0, 0],
      [3, 256, 9, 1, 1],
      [11, 520, 45, 0, 1],
      [40, 72, 19, 1, 0],
    ];
    return cases.map(([rows, width, out, bias, residual]) => ({ family: 'linear_gemv', params, dims: { rows, in: width, out, bias, residual } }));
  },
};

/** Each weight and vector once; two operations per weight and row. */
export function linearCost({ params, dims }: Problem): { readBytes: number; writeBytes: number; flops: number } {
  const [rows, width, out] = [dim(dims, 'rows'), dim(dims, 'in'), dim(dims, 'out')];
  const extra = dimOr(dims, 'bias', 0) * out + dimOr(dims, 'residual', 0) * rows * out;
  return {
    readBytes: width * out * weightBytes(params) + 4 * (rows * width + extra),
    writeBytes: 4 * rows * out,
    flops: 2 * rows * width * out,
  };
}

export function linearInputs({ params, dims }: Problem, random: Random): Record<string, Float64Array | null> {
  const [rows, width, out] = [dim(dims, 'rows'), dim(dims, 'in'), dim(dims, 'out')];
  return {
    x: f32Tensor(rows * width, random),
    w: randomValues(width * out, random, dtypeParam(params), 1 / Math.sqrt(width)),
    bias: dimOr(dims, 'bias', 0) === 1 ? f32Tensor(out, random) : null,
    residual: dimOr(dims, 'residual', 0) === 1 ? f32Tensor(rows * out, random) : null,
  };
}

/** fp64 product; `transposed` for w [in, out]. `sumError` bounds the error of a sum whose products have that total magnitude. */
export function linearReference(
  { dims }: Problem,
  inputs: Readonly<Record<string, Float64Array | Int32Array | null>>,
  sumError: (magnitude: number) => number,
  transposed = false,
): Record<string, { values: Float64Array; bound: Float64Array }> {
  const [rows, width, out] = [dim(dims, 'rows'), dim(dims, 'in'), dim(dims, 'out')];
  const x = numbers(inputs, 'x');
  const w = numbers(inputs, 'w');
  const bias = inputs['bias'] ?? null;
  const residual = inputs['residual'] ?? null;
  const values = new Float64Array(rows * out);
  const bound = new Float64Array(rows * out);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < out; o++) {
      let sum = 0;
      let magnitude = 0;
      for (let i = 0; i < width; i++) {
        const term = (x[r * width + i] ?? NaN) * (w[transposed ? i * out + o : o * width + i] ?? NaN);
        sum += term;
        magnitude += Math.abs(term);
      }
      const added = [bias?.[o] ?? 0, residual?.[r * out + o] ?? 0];
      const at = r * out + o;
      values[at] = sum + added.reduce((a, b) => a + b, 0);
      bound[at] = sumError(magnitude) + 4 * F32_ROUNDING * (Math.abs(sum) + added.reduce((a, b) => a + Math.abs(b), 0));
    }
  }
  return { y: { values, bound } };
}

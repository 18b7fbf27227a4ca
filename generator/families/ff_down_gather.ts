import { ISA_SPECS } from '../isa.js';
import { type Family, type Problem, type Random, type ReferenceOutput, type TensorValues, type VariantContext, WEIGHT_DTYPES, type CpuIsa } from '../types.js';
import { AGAIN_AXIS, AHEAD_AXIS, aheadConstraints, HINT_AXIS, HINTS } from './ahead.js';
import {
  ascendingExperts, axis, ceilDiv, dim, dimOr, dtypeParam, F32_ROUNDING, f32Spec, f32Tensor, i32Spec, intScalar, numbers, randomValues, roundUp, sumBound,
  weightBytes, weightSpec,
} from './common.js';
import { ffDownGatherCuda } from './cuda/ff_down_gather.js';
import { CACHE_LINE_BYTES, VECTOR_REGISTERS } from './registers.js';

/** Columns per unit of the phase that adds the slices (kSumBlock in the template). */
const SUM_BLOCK = 512;

/** Two vectors of sums and, for one row of h, its factors and the weights of a neuron; for more, the weights of all neurons and a factor. */
function liveVectors({ axes }: VariantContext<CpuIsa>): number {
  const neurons = axis(axes, 'neurons');
  return 2 + Math.max(neurons + 2, axis(axes, 'rows') > 1 ? 2 * neurons + 1 : 0);
}

/** Vector steps per unrolled iteration: whole cache lines. */
function bodySteps({ isa, params, axes }: VariantContext<CpuIsa>): number {
  const step = 2 * ISA_SPECS[isa].lanes * weightBytes(params);
  return Math.ceil(Math.max(axis(axes, 'span'), CACHE_LINE_BYTES) / step);
}

/** The second half of a feed-forward block on the selected neurons. */
export const ffDownGather: Family = {
  name: 'ff_down_gather',
  summary: 'Output of a feed-forward block from its selected neurons: rows of the transposed W2, scaled by h and added.',
  formula: 'y[b] = Σ_i h[b, i]·W[E_i] (+ bias) (+ residual)',
  source: 'GRIFFIN (arXiv 2404.01365), generation phase; W2 stored transposed makes the column gather a row gather',
  params: [{ name: 'dtype', values: WEIGHT_DTYPES, doc: 'element type of w_out' }],
  dims: [
    { name: 'rows', doc: 'rows of h and y, 1…64' },
    { name: 'hidden', doc: 'elements of a row of y (D)' },
    { name: 'intermediate', doc: 'neurons of the block (F)' },
    { name: 'k', doc: 'selected neurons, 0…intermediate' },
    { name: 'bias', doc: '1 when there is a bias (default 0)' },
    { name: 'residual', doc: '1 when a residual is added (default 0)' },
    { name: 'dense', doc: '1 when there is no expert list and k = intermediate (default 0)' },
  ],
  tensors: [
    f32Spec('h', 'input', (d) => [dim(d, 'rows'), dim(d, 'k')], '[rows, k]'),
    weightSpec('w_out', 'input', (d) => [dim(d, 'intermediate'), dim(d, 'hidden')], '[F, hidden], W2 transposed'),
    i32Spec('experts', 'input', (d) => [dim(d, 'k')], '[k] neuron numbers, ascending; null: neurons 0…k−1', true),
    f32Spec('bias', 'input', (d) => [dim(d, 'hidden')], '[hidden]; null: none', true),
    f32Spec('residual', 'input', (d) => [dim(d, 'rows'), dim(d, 'hidden')], '[rows, hidden], may be y itself; null: none', true),
    f32Spec('y', 'output', (d) => [dim(d, 'rows'), dim(d, 'hidden')], '[rows, hidden]'),
  ],
  scalars: [
    intScalar('rows', 'rows of h and y', { dynamic: true }),
    intScalar('hidden', 'elements of a row of y'),
    intScalar('intermediate', 'neurons of the block'),
    intScalar('k', 'selected neurons', { dynamic: true }),
  ],
  cpu: {
    kind: 'cpu',
    axes: [
      { name: 'slices', values: [4, 8, 16, 32, 64], doc: 'contiguous slices of the selection, each with sums of its own; more balance threads, each costs a write and a read of y' },
      { name: 'neurons', values: [1, 2, 4, 8], doc: 'rows of W2 added per pass over the sums; 4 loads and stores the sums a quarter as often, 1 reads memory strictly in order' },
      { name: 'span', values: [64, 128, 256], doc: 'bytes of each stream per unrolled iteration' },
      { name: 'rows', values: [1, 2, 4], doc: 'rows of h that share one load of the weights' },
      { name: 'tile', values: [0, 1024, 2048, 4096], doc: 'columns per unit, 0 for all; 1024 keeps the sums of 4 rows in half of level 1' },
      AHEAD_AXIS,
      AGAIN_AXIS,
      HINT_AXIS,
    ],
    constraints: [
      {
        name: 'registers',
        reason: 'The weights of one step, two vectors of sums and the factors of one row must stay in vector registers (8 portable, 16 avx2, 32 avx512).',
        holds: (context) => liveVectors(context) <= VECTOR_REGISTERS[context.isa],
      },
      ...aheadConstraints('neurons'),
      {
        name: 'span-needs-steps',
        reason: 'A span that a vector step rounds up anyway is the same kernel as a longer one: only the longest is kept.',
        holds: (context) => bodySteps(context) * 2 * ISA_SPECS[context.isa].lanes * weightBytes(context.params) <= Math.max(axis(context.axes, 'span'), CACHE_LINE_BYTES),
      },
      {
        name: 'tile-splits',
        reason: 'A tile as wide as y is the same as no tile: only 0 is kept.',
        holds: ({ axes, dims }) => axis(axes, 'tile') === 0 || dims === undefined || axis(axes, 'tile') < dimOr(dims, 'hidden', Infinity),
      },
    ],
    template: 'cpu/ff_down_gather.cc.hbs',
    // Chosen on a Zen 4 by reading random halves of 11008 rows of 4096 bf16 weights, cold.
    defaults: ({ isa, params }) => {
      const span = Math.max(CACHE_LINE_BYTES, 2 * ISA_SPECS[isa].lanes * weightBytes(params));
      if (isa === 'portable') return { slices: 16, neurons: 2, span, rows: 1, tile: 0, ahead: 8192, again: 4096, hint: 1 };
      if (isa === 'avx2') return { slices: 16, neurons: 4, span, rows: 1, tile: 0, ahead: 8192, again: 4096, hint: 1 };
      return { slices: 16, neurons: 8, span: Math.max(128, span), rows: 4, tile: 0, ahead: 8192, again: 4096, hint: 1 };
    },
    launch: ({ dims }, { isa, axes }) => {
      const [rows, hidden, k, tile] = [dim(dims, 'rows'), dim(dims, 'hidden'), dim(dims, 'k'), axis(axes, 'tile')];
      const slices = Math.min(axis(axes, 'slices'), k);
      const padded = roundUp(hidden, 2 * ISA_SPECS[isa].lanes);
      return {
        phases: [
          { name: 'slices', units: rows === 0 ? 0 : slices * (tile > 0 ? ceilDiv(hidden, tile) : 1) },
          { name: 'sum', units: rows * ceilDiv(padded, SUM_BLOCK) },
        ],
        scratchBytes: 0,
        workspaceBytes: 4 * slices * rows * padded,
      };
    },
    numericsClass: ({ isa, axes }) => `${isa === 'portable' ? 'unfused' : 'fp32'}-slices${axis(axes, 'slices')}`,
    view: (context) => ({ hint: HINTS[axis(context.axes, 'hint')], span: bodySteps(context) }),
  },
  cuda: ffDownGatherCuda,
  cost: ({ params, dims }) => {
    const [rows, hidden, k] = [dim(dims, 'rows'), dim(dims, 'hidden'), dim(dims, 'k')];
    const extra = dimOr(dims, 'bias', 0) * hidden + dimOr(dims, 'residual', 0) * rows * hidden;
    const indices = dimOr(dims, 'dense', 0) === 1 ? 0 : 4 * k;
    return {
      readBytes: k * hidden * weightBytes(params) + 4 * (rows * k + extra) + indices,
      writeBytes: 4 * rows * hidden,
      flops: 2 * rows * k * hidden,
    };
  },
  makeInputs: downInputs,
  reference: downReference,
  raggedProblems: (params) => {
    const cases: readonly (readonly [rows: number, hidden: number, intermediate: number, k: number, bias: number, residual: number, dense: number])[] = [
      [1, 1, 1, 1, 0, 0, 0],
      [1, 3, 17, 1, 1, 0, 0],
      [2, 17, 33, 16, 0, 1, 0],
      [3, 33, 65, 65, 1, 1, 1],
      [5, 65, 130, 65, 0, 0, 0],
      [8, 130, 200, 200, 1, 1, 0],
      [17, 100, 190, 95, 0, 1, 0],
      [64, 67, 21, 11, 1, 0, 0],
      [1, 130, 9, 0, 1, 1, 0],
      [2, 19, 9, 0, 0, 0, 0],
      [1, 2085, 70, 35, 0, 1, 0],
      [1, 520, 300, 201, 1, 1, 0],
      [3, 264, 40, 40, 0, 0, 1],
      [11, 320, 150, 93, 0, 1, 0],
      [40, 72, 60, 33, 1, 0, 0],
      [5, 8, 4600, 4400, 0, 1, 0],
    ];
    return cases.map(([rows, hidden, intermediate, k, bias, residual, dense]) => ({
      family: 'ff_down_gather',
      params,
      dims: { rows, hidden, intermediate, k, bias, residual, dense },
    }));
  },
};

function downInputs({ params, dims }: Problem, random: Random): TensorValues {
  const [rows, hidden, intermediate, k] = [dim(dims, 'rows'), dim(dims, 'hidden'), dim(dims, 'intermediate'), dim(dims, 'k')];
  return {
    h: f32Tensor(rows * k, random),
    w_out: randomValues(intermediate * hidden, random, dtypeParam(params), 1 / Math.sqrt(intermediate)),
    experts: dimOr(dims, 'dense', 0) === 1 ? null : ascendingExperts(k, intermediate, random),
    bias: dimOr(dims, 'bias', 0) === 1 ? f32Tensor(hidden, random) : null,
    residual: dimOr(dims, 'residual', 0) === 1 ? f32Tensor(rows * hidden, random) : null,
  };
}

/** fp64 sum over the selection in order. A kernel may add a slice's neurons one after another: the bound allows k roundings. */
function downReference({ dims }: Problem, inputs: TensorValues): Readonly<Record<string, ReferenceOutput>> {
  const [rows, hidden, k] = [dim(dims, 'rows'), dim(dims, 'hidden'), dim(dims, 'k')];
  const h = numbers(inputs, 'h');
  const w = numbers(inputs, 'w_out');
  const { experts = null, bias = null, residual = null } = inputs;
  const values = new Float64Array(rows * hidden);
  const bound = new Float64Array(rows * hidden);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < hidden; column++) {
      let sum = 0;
      let magnitude = 0;
      for (let i = 0; i < k; i++) {
        const term = (h[row * k + i] ?? NaN) * (w[(experts === null ? i : (experts[i] ?? NaN)) * hidden + column] ?? NaN);
        sum += term;
        magnitude += Math.abs(term);
      }
      const at = row * hidden + column;
      const [b, r] = [bias?.[column] ?? 0, residual?.[at] ?? 0];
      values[at] = sum + b + r;
      bound[at] = sumBound(k, magnitude) + 4 * F32_ROUNDING * (Math.abs(sum) + Math.abs(b) + Math.abs(r));
    }
  }
  return { y: { values, bound } };
}

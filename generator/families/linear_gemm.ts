import { ISA_SPECS } from '../isa.js';
import { type Family, type VariantContext, WEIGHT_DTYPES, type CpuIsa } from '../types.js';
import { axis, ceilDiv, dim, f32Spec, intScalar, sumBound, weightSpec } from './common.js';
import { linearGemmCuda } from './cuda/linear_gemm.js';
import { linearCost, linearInputs, linearReference } from './linear_gemv.js';
import { L1_BYTES, L2_BYTES, VECTOR_REGISTERS } from './registers.js';

/** Outputs per packed panel of weights. */
function panelWidth({ isa, axes }: Pick<VariantContext<CpuIsa>, 'isa' | 'axes'>): number {
  return axis(axes, 'tilevectors') * ISA_SPECS[isa].lanes;
}

/** A dense layer for prefill: many rows of x, so the time is that of the multiply-adds. */
export const linearGemm: Family = {
  name: 'linear_gemm',
  summary: 'Dense layer for many rows of x, bound by arithmetic: packed panels and a register tile.',
  formula: 'y = x·wᵀ (layout outin, w [out, in]) or y = x·w (layout inout, w [in, out]) (+ bias) (+ residual)',
  source: 'the blocking of Goto and van de Geijn (ACM TOMS 2008) and BLIS (ACM TOMS 2015), with weights widened while they are packed',
  params: [
    { name: 'dtype', values: WEIGHT_DTYPES, doc: 'element type of w' },
    { name: 'layout', values: ['outin', 'inout'], doc: 'outin: w [out, in] as checkpoints store it; inout: w [in, out], as ffOut is seen in prefill' },
  ],
  dims: [
    { name: 'rows', doc: 'rows of x, at least 1' },
    { name: 'in', doc: 'elements of a row of x' },
    { name: 'out', doc: 'elements of a row of y' },
    { name: 'bias', doc: '1 when there is a bias (default 0)' },
    { name: 'residual', doc: '1 when a residual is added (default 0)' },
  ],
  tensors: [
    f32Spec('x', 'input', (d) => [dim(d, 'rows'), dim(d, 'in')], '[rows, in]'),
    weightSpec('w', 'input', (d, p) => (p['layout'] === 'inout' ? [dim(d, 'in'), dim(d, 'out')] : [dim(d, 'out'), dim(d, 'in')]), '[out, in] (outin) or [in, out] (inout)'),
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
    axes: [
      { name: 'tilerows', values: [4, 6, 8, 12, 14], doc: 'rows of y in the register tile; each takes one broadcast per step of the depth' },
      { name: 'tilevectors', values: [1, 2, 3, 4], doc: 'vectors of y per row in the register tile; 14 rows × 2 vectors fill 28 of 32 registers' },
      { name: 'depth', values: [64, 128, 192, 256, 384], doc: 'inputs per packed block; deeper blocks add into y less often, shallower ones keep the panel in level 1' },
      { name: 'panels', values: [1, 2, 4, 8], doc: 'panels of weights per work unit: more reuse the block of x, fewer balance threads' },
      { name: 'blockrows', values: [64, 128, 256, 512], doc: 'rows of x per work unit: more rows share the packing of a panel' },
      { name: 'unroll', values: [1, 2, 4], doc: 'steps of the depth per iteration of the inner loop' },
    ],
    constraints: [
      {
        name: 'registers',
        reason: 'The tile of sums, one row of weights and one broadcast must stay in vector registers (8 portable, 16 avx2, 32 avx512).',
        holds: ({ isa, axes }) => (axis(axes, 'tilerows') + 1) * axis(axes, 'tilevectors') + 1 <= VECTOR_REGISTERS[isa],
      },
      {
        name: 'latency',
        reason: 'A multiply-add takes 4 cycles and two may start in each: with fewer than 8 independent sums the unit idles (the portable layer has no room for 8).',
        holds: ({ isa, axes }) => axis(axes, 'tilerows') * axis(axes, 'tilevectors') >= (isa === 'portable' ? 4 : 8),
      },
      {
        name: 'panel-in-l1',
        reason: 'A packed panel of weights is read once per tile of rows: it must fit in a 32 KiB level 1.',
        holds: (context) => axis(context.axes, 'depth') * panelWidth(context) * 4 <= L1_BYTES,
      },
      {
        name: 'block-in-l2',
        reason: 'The block of x is read once per panel of weights: it must fit in half of a 512 KiB level 2.',
        holds: ({ axes }) => axis(axes, 'blockrows') * axis(axes, 'depth') * 4 <= L2_BYTES / 2,
      },
    ],
    template: 'cpu/linear_gemm.cc.hbs',
    defaults: ({ isa }) => {
      if (isa === 'portable') return { tilerows: 4, tilevectors: 1, depth: 256, panels: 4, blockrows: 256, unroll: 1 };
      if (isa === 'avx2') return { tilerows: 4, tilevectors: 3, depth: 256, panels: 4, blockrows: 256, unroll: 2 };
      return { tilerows: 8, tilevectors: 2, depth: 256, panels: 4, blockrows: 256, unroll: 4 };
    },
    launch: ({ dims }, { isa, axes }) => {
      const [rows, width, out] = [dim(dims, 'rows'), dim(dims, 'in'), dim(dims, 'out')];
      const tileRows = axis(axes, 'tilerows');
      const blockRows = Math.floor(axis(axes, 'blockrows') / tileRows) * tileRows;
      const panel = panelWidth({ isa, axes });
      return {
        phases: [
          { name: 'pack x', units: ceilDiv(rows, tileRows) },
          { name: 'multiply', units: ceilDiv(rows, blockRows) * ceilDiv(out, panel * axis(axes, 'panels')) },
        ],
        scratchBytes: axis(axes, 'depth') * panel * 4,
        workspaceBytes: 4 * ceilDiv(rows, tileRows) * tileRows * width,
      };
    },
    numericsClass: ({ isa, axes }) => `${isa === 'portable' ? 'unfused' : 'fp32'}-depth${axis(axes, 'depth')}`,
  },
  cuda: linearGemmCuda,
  cost: linearCost,
  makeInputs: linearInputs,
  reference: (problem, inputs) =>
    linearReference(problem, inputs, (magnitude) => sumBound(dim(problem.dims, 'in'), magnitude), problem.params['layout'] === 'inout'),
  raggedProblems: (params) => {
    const cases: readonly (readonly [rows: number, width: number, out: number, bias: number, residual: number])[] = [
      [1, 1, 1, 0, 0],
      [2, 3, 17, 1, 0],
      [3, 17, 33, 0, 1],
      [5, 130, 65, 1, 1],
      [17, 65, 130, 0, 0],
      [64, 33, 3, 1, 1],
      [67, 300, 70, 0, 1],
      [300, 19, 34, 1, 0],
      [15, 513, 48, 0, 0],
    ];
    return cases.map(([rows, width, out, bias, residual]) => ({ family: 'linear_gemm', params, dims: { rows, in: width, out, bias, residual } }));
  },
};

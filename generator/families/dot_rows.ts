import { ISA_SPECS } from '../isa.js';
import type { AxisSpec, AxisValues, Constraint, CpuIsa, Params, VariantContext } from '../types.js';
import { AGAIN_AXIS, AHEAD_AXIS, aheadConstraints, HINT_AXIS, HINTS } from './ahead.js';
import { axis, dtypeParam, dimOr, roundUp, sumBound, weightBytes } from './common.js';
import { CACHE_LINE_BYTES, L2_BYTES, VECTOR_REGISTERS } from './registers.js';

/**
 * What `linear_gemv` and `ff_gate_up_gather` share: both are dot products of a list of weight rows with a few rows of x, read once from
 * memory (templates/cpu/dot_rows.h.hbs).
 */

export const DOT_AXES: readonly AxisSpec[] = [
  { name: 'streams', values: [1, 2, 4, 8], doc: 'weight rows read side by side against one row of x; 4 shares each load of x among 4 rows, 1 reads memory strictly in order' },
  { name: 'span', values: [64, 128, 256], doc: 'bytes of each stream per unrolled iteration' },
  { name: 'rows', values: [1, 2, 4, 8], doc: 'most rows of x per pass over the weights; with 4, a batch of 16 reads every weight once from memory and three times from the cache' },
  { name: 'chains', values: [1, 2, 4, 8], doc: 'independent sums per weight row and row of x, added in pairs at the end; more chains hide the latency of the multiply-add' },
  { name: 'terms', values: [0, 2, 3], doc: 'bf16 terms that x is split into for the bf16 dot product: 3 are exact, 2 carry 16 of 24 bits; 0 widens the weights to fp32 instead' },
  AHEAD_AXIS,
  { name: 'every', values: [1, 2], doc: 'cache lines per prefetch: 2 leaves every second line to the hardware, which keeps up where rows follow one another' },
  AGAIN_AXIS,
  HINT_AXIS,
  { name: 'unit', values: [8, 16, 32, 64], doc: 'neurons per work unit: small units balance threads, large ones keep a thread in one stretch of memory' },
];

/** Weight rows per neuron: 2 where the family's `gated` parameter says so. */
export function partsOf(params: Params): number {
  return params['gated'] === 'gated' ? 2 : 1;
}

/** Most vectors that the inner loop keeps alive: the sums and, for one row of x, that row's step, for more, the weights of all streams. */
function liveVectors({ axes }: VariantContext<CpuIsa>): number {
  const [chains, terms] = [axis(axes, 'chains'), axis(axes, 'terms')];
  let most = 0;
  for (let rows = 1; rows <= axis(axes, 'rows'); rows *= 2) {
    const streams = Math.max(1, axis(axes, 'streams') / rows);
    const operands = rows === 1 ? (terms > 0 ? terms + 1 : 4) : terms > 0 ? streams + 1 : 2 * streams + 2;
    most = Math.max(most, streams * rows * chains + operands);
  }
  return most;
}

/** `width` names the size that is a weight row's length. */
export function dotConstraints(width: string): readonly Constraint<CpuIsa>[] {
  return [
    {
      name: 'registers',
      reason: 'Sums (chains for each stream and row of x), the weights of one step and x must stay in vector registers (8 portable, 16 avx2, 32 avx512), or every multiply-add goes through memory.',
      holds: (context) => liveVectors(context) <= VECTOR_REGISTERS[context.isa],
    },
    {
      name: 'bf16-dot',
      reason: 'Splitting x into bf16 terms pays only with the bf16 dot product, which exists on avx512bf16 and takes bf16 weights.',
      holds: ({ isa, params, axes }) => axis(axes, 'terms') === 0 || (isa === 'avx512bf16' && dtypeParam(params) === 'bf16'),
    },
    ...aheadConstraints('streams'),
    {
      name: 'every-needs-lines',
      reason: 'Every second line can only be left out of an iteration that prefetches and spans at least two lines.',
      holds: ({ axes }) => axis(axes, 'every') === 1 || (axis(axes, 'ahead') > 0 && axis(axes, 'span') >= 2 * CACHE_LINE_BYTES),
    },
    {
      name: 'span-needs-steps',
      reason: 'A span that chains or a cache line round up anyway is the same kernel as a longer one: only the longest is kept.',
      holds: ({ isa, params, axes }) => bodySteps(isa, params, axes) * 2 * ISA_SPECS[isa].lanes * weightBytes(params) <= Math.max(axis(axes, 'span'), CACHE_LINE_BYTES),
    },
    {
      name: 'streams-in-unit',
      reason: 'A unit with fewer weight rows than streams would compute rows in vain.',
      holds: ({ params, axes }) => axis(axes, 'streams') <= axis(axes, 'unit') * partsOf(params),
    },
    {
      name: 'unit-in-l2',
      reason: 'Batches of more rows than one pass takes read a unit’s weights again: they must still be in half of a 512 KiB level-2 cache.',
      holds: ({ params, axes, dims }) => {
        if (dims === undefined || dimOr(dims, 'rows', 1) <= axis(axes, 'rows') || axis(axes, 'unit') === 8) return true;
        return axis(axes, 'unit') * partsOf(params) * dimOr(dims, width, 0) * weightBytes(params) <= L2_BYTES / 2;
      },
    },
  ];
}

/** Vector steps per unrolled iteration: whole cache lines, and every chain at least once. */
function bodySteps(isa: CpuIsa, params: Params, axes: AxisValues): number {
  const step = 2 * ISA_SPECS[isa].lanes * weightBytes(params);
  return Math.max(Math.ceil(axis(axes, 'chains') / 2), Math.ceil(axis(axes, 'span') / step), Math.ceil(CACHE_LINE_BYTES / step));
}

/** 64 KiB of x are staged at once, fp32: a token's 4096…16384 numbers in one piece, and a share of level 2 for a batch. */
function blockElements(axes: AxisValues): number {
  return 16384 / axis(axes, 'rows');
}

export function dotView({ isa, params, axes }: VariantContext<CpuIsa>): Readonly<Record<string, unknown>> {
  const weight = { f32: 'float', f16: 'gk::f16', bf16: 'gk::bf16' }[dtypeParam(params)];
  return { weight, parts: partsOf(params), steps: bodySteps(isa, params, axes), xblock: blockElements(axes), hint: HINTS[axis(axes, 'hint')] };
}

/** sizeof(Scratch) in the template. */
export function dotScratchBytes(params: Params, axes: AxisValues): number {
  const terms = axis(axes, 'terms');
  const x = axis(axes, 'rows') * blockElements(axes) * (terms > 0 ? 2 * terms : 4);
  const sums = (axis(axes, 'unit') * partsOf(params) + axis(axes, 'streams')) * axis(axes, 'rows') * 4;
  return roundUp(x + sums, 64);
}

/** The order of additions: lanes, chains, the unrolled body, and blocks of x. */
export function dotNumericsClass({ isa, params, axes }: VariantContext<CpuIsa>): string {
  const terms = axis(axes, 'terms');
  const sums = terms > 0 ? `bf16x${terms}` : `fp32x${ISA_SPECS[isa].lanes}${isa === 'portable' ? '-unfused' : ''}`;
  return `${sums}-chains${axis(axes, 'chains')}-steps${bodySteps(isa, params, axes)}-block${blockElements(axes)}`;
}

/**
 * Error bound of a dot product of `n` terms. At least 8 lanes sum side by side, so a chain has about n/8 terms; n/4 leaves room for the
 * three terms of a split x. Kernels for bf16 weights may split x into 2 bf16 terms, which drops what is below 2^-17 of each.
 */
export function dotBound(n: number, magnitude: number, params: Params): number {
  return sumBound(n / 4 + 16, magnitude) + (dtypeParam(params) === 'bf16' ? 2 ** -17 * magnitude : 0);
}

/**
 * Where nothing is tuned: chosen on a Zen 4 by reading random halves of 11008 neurons of 2 × 4096 bf16 weights, cold. Prefetching into level 2
 * (hint 1) is worth half again the speed of level 1 there; eight streams beat one, gathered or not; a second, nearer prefetch adds a tenth.
 */
export function dotDefaults(form: { readonly isa: CpuIsa; readonly params: Params }): AxisValues {
  switch (form.isa) {
    case 'portable':
      return withSpan(form, { streams: 2, span: 64, rows: 4, chains: 1, terms: 0, ahead: 8192, every: 1, again: 2048, hint: 1, unit: 16 });
    case 'avx2':
      return withSpan(form, { streams: 4, span: 64, rows: 4, chains: 2, terms: 0, ahead: 8192, every: 1, again: 2048, hint: 1, unit: 16 });
    default:
      return withSpan(form, { streams: 8, span: 64, rows: 4, chains: 1, terms: 0, ahead: 8192, every: 1, again: 2048, hint: 1, unit: 16 });
  }
}

/** The same with the span rounded up to what the chains and the width of the weights need. */
export function withSpan({ isa, params }: { readonly isa: CpuIsa; readonly params: Params }, axes: AxisValues): AxisValues {
  return { ...axes, span: bodySteps(isa, params, axes) * 2 * ISA_SPECS[isa].lanes * weightBytes(params) };
}

import type { DimSpec, Dims, Problem, Random, ReferenceOutput, ScalarSpec, TensorSpec, TensorValues } from '../types.js';
import { dim, dimOr, f32Tensor } from './common.js';

/**
 * What the two attention families share: the same arguments and the same result. They differ only in how the work is cut, and that the
 * tuner decides by rows and position.
 */

export const ATTENTION_FORMULA = 'out[r, head] = Σ_j softmax_j(scale · q[r, head]·k_cache[g, j]) · v_cache[g, j], j = first…position + r, g = head·kv_heads/heads; first = max(0, position + r + 1 − window), or 0 without a window';

export const ATTENTION_DIMS: readonly DimSpec[] = [
  { name: 'rows', doc: 'tokens in this step' },
  { name: 'position', doc: 'position of the first of them: the cache holds position + rows tokens, this step included' },
  { name: 'heads', doc: 'query heads, a multiple of kv_heads' },
  { name: 'kv_heads', doc: 'key and value heads' },
  { name: 'head_dim', doc: 'numbers per head' },
  { name: 'capacity', doc: 'tokens the cache has room for, at least position + rows' },
  { name: 'window', doc: 'sliding window: tokens that a query sees, its own included; 0: all (default 0)' },
];

export const qkvWidth = (d: Dims): number => (dim(d, 'heads') + 2 * dim(d, 'kv_heads')) * dim(d, 'head_dim');
const cacheShape = (d: Dims): number[] => [dim(d, 'kv_heads'), dim(d, 'capacity'), dim(d, 'head_dim')];

export const ATTENTION_TENSORS: readonly TensorSpec[] = [
  {
    name: 'qkv',
    role: 'input',
    dtype: () => 'f32',
    shape: (d) => [dim(d, 'rows'), qkvWidth(d)],
    doc: '[rows, (heads + 2·kv_heads)·head_dim]; only the rotated queries in front are read',
  },
  { name: 'k_cache', role: 'input', dtype: () => 'f32', shape: cacheShape, doc: '[kv_heads, capacity, head_dim] rotated keys; rows up to position + rows are read' },
  { name: 'v_cache', role: 'input', dtype: () => 'f32', shape: cacheShape, doc: '[kv_heads, capacity, head_dim] values; rows up to position + rows are read' },
  { name: 'out', role: 'output', dtype: () => 'f32', shape: (d) => [dim(d, 'rows'), dim(d, 'heads') * dim(d, 'head_dim')], doc: '[rows, heads·head_dim]' },
];

export const ATTENTION_SCALARS: readonly ScalarSpec[] = [
  { name: 'rows', type: 'int', dynamic: true, value: (d) => dim(d, 'rows'), doc: 'tokens in this step' },
  { name: 'position', type: 'int', dynamic: true, value: (d) => dim(d, 'position'), doc: 'position of the first row' },
  { name: 'heads', type: 'int', value: (d) => dim(d, 'heads'), doc: 'query heads' },
  { name: 'kv_heads', type: 'int', value: (d) => dim(d, 'kv_heads'), doc: 'key and value heads' },
  { name: 'head_dim', type: 'int', value: (d) => dim(d, 'head_dim'), doc: 'numbers per head' },
  { name: 'capacity', type: 'int', value: (d) => dim(d, 'capacity'), doc: 'rows per head in the caches' },
  { name: 'window', type: 'int', value: (d) => dimOr(d, 'window', 0), doc: 'tokens that a query sees, its own included; 0: all before it' },
  { name: 'scale', type: 'float', value: (d) => 1 / Math.sqrt(dim(d, 'head_dim')), doc: 'factor of the scores, usually 1/√head_dim' },
];

/** Standard normal queries and values; the cache past the last position is NaN, which shows if a kernel reads it. */
export function attentionInputs(problem: Problem, random: Random): TensorValues {
  const { dims } = problem;
  const [rows, position, kvHeads, capacity, headDim] = [dim(dims, 'rows'), dim(dims, 'position'), dim(dims, 'kv_heads'), dim(dims, 'capacity'), dim(dims, 'head_dim')];
  const cache = (): Float64Array => {
    const values = f32Tensor(kvHeads * capacity * headDim, random);
    for (let g = 0; g < kvHeads; g++) values.fill(NaN, (g * capacity + position + rows) * headDim, (g + 1) * capacity * headDim);
    return values;
  };
  return { qkv: f32Tensor(rows * qkvWidth(dims), random), k_cache: cache(), v_cache: cache() };
}

const U = 2 ** -24;

/**
 * fp64 attention. Error bound per output: with e the largest error of a score (a dot product of head_dim terms), every weight
 * is off by at most a factor 1 ± (2e + error of exp), and two sums of n terms add n·u each, relative to Σ weight·|v|.
 */
export function attentionReference(problem: Problem, inputs: TensorValues): Readonly<Record<string, ReferenceOutput>> {
  const { dims } = problem;
  const rows = dim(dims, 'rows');
  const position = dim(dims, 'position');
  const heads = dim(dims, 'heads');
  const kvHeads = dim(dims, 'kv_heads');
  const headDim = dim(dims, 'head_dim');
  const capacity = dim(dims, 'capacity');
  const window = dimOr(dims, 'window', 0);
  const { qkv, k_cache: keys, v_cache: cachedValues } = inputs as Record<string, Float64Array>;
  if (!qkv || !keys || !cachedValues) throw new RangeError('attention needs qkv, k_cache and v_cache');
  const scale = Math.fround(1 / Math.sqrt(headDim));
  const values = new Float64Array(rows * heads * headDim);
  const bound = new Float64Array(values.length);
  for (let r = 0; r < rows; r++) {
    for (let head = 0; head < heads; head++) {
      const q = qkv.subarray(r * qkvWidth(dims) + head * headDim, r * qkvWidth(dims) + (head + 1) * headDim);
      const first = Math.floor((head * kvHeads) / heads) * capacity * headDim;
      const length = position + r + 1;
      const hidden = window > 0 ? Math.max(0, length - window) : 0;
      const scores = new Float64Array(length).fill(-Infinity, 0, hidden);
      let scoreError = 0;
      for (let j = hidden; j < length; j++) {
        let sum = 0;
        let magnitude = 0;
        for (let d = 0; d < headDim; d++) {
          const term = (q[d] ?? NaN) * (keys[first + j * headDim + d] ?? NaN);
          sum += term;
          magnitude += Math.abs(term);
        }
        scores[j] = scale * sum;
        scoreError = Math.max(scoreError, scale * magnitude * (headDim + 2) * U);
      }
      const max = scores.reduce((a, b) => Math.max(a, b), -Infinity);
      const weights = scores.map((score) => Math.exp(score - max));
      const total = weights.reduce((a, b) => a + b, 0);
      const relative = 2 * scoreError + (2 * length + 32) * U;
      for (let d = 0; d < headDim; d++) {
        let sum = 0;
        let magnitude = 0;
        for (let j = hidden; j < length; j++) {
          const term = ((weights[j] ?? NaN) / total) * (cachedValues[first + j * headDim + d] ?? NaN);
          sum += term;
          magnitude += Math.abs(term);
        }
        values[(r * heads + head) * headDim + d] = sum;
        bound[(r * heads + head) * headDim + d] = magnitude * relative + 1e-37;
      }
    }
  }
  return { out: { values, bound } };
}

/** Head sizes and group sizes of real models and ragged ones; first tokens, one token late in a context, chunks onto a filled cache. */
export function attentionProblems(family: string): readonly Problem[] {
  const cases: readonly (readonly [rows: number, position: number, heads: number, kvHeads: number, headDim: number, window?: number])[] = [
    [1, 0, 1, 1, 2],
    [1, 1, 2, 1, 6],
    [3, 5, 3, 3, 20],
    [1, 700, 4, 2, 32],
    [2, 255, 8, 1, 64],
    [5, 0, 6, 2, 80],
    [1, 513, 7, 1, 128],
    [37, 0, 4, 2, 64],
    [70, 61, 3, 1, 18],
    [64, 64, 2, 2, 128],
    [1, 40, 11, 1, 34],
    [1, 700, 2, 1, 64, 130],
    [37, 200, 4, 2, 32, 50],
    [70, 0, 2, 2, 16, 1],
    [2, 9, 2, 1, 8, 4000],
  ];
  return cases.map(([rows, position, heads, kvHeads, headDim, window = 0], index) => ({
    family,
    params: {},
    dims: { rows, position, heads, kv_heads: kvHeads, head_dim: headDim, capacity: position + rows + (index % 3) * 5, window },
  }));
}

/** Bytes of K and V for every kv head once, and the multiplications of both products. */
export function attentionCost({ dims }: Problem): { readBytes: number; writeBytes: number; flops: number } {
  const rows = dim(dims, 'rows');
  const window = dimOr(dims, 'window', 0) || Infinity;
  const context = Math.min(dim(dims, 'position') + rows, window + rows - 1);
  const outBytes = rows * dim(dims, 'heads') * dim(dims, 'head_dim') * 4;
  return {
    readBytes: 2 * dim(dims, 'kv_heads') * context * dim(dims, 'head_dim') * 4 + outBytes,
    writeBytes: outBytes,
    flops: 4 * dim(dims, 'heads') * dim(dims, 'head_dim') * rows * Math.min(dim(dims, 'position') + (rows + 1) / 2, window),
  };
}

import type { Family, Problem } from '../types.js';
import { dim, f32Spec, f32Tensor, F32_ROUNDING, intScalar, numbers } from './common.js';
import { qkvWidth } from './attention.js';
import { ropeKvWriteCuda } from './cuda/rope_kv_write.js';

const problem = (rows: number, position: number, heads: number, kvHeads: number, headDim: number, spare = 0): Problem => ({
  family: 'rope_kv_write',
  params: {},
  dims: { rows, position, heads, kv_heads: kvHeads, head_dim: headDim, capacity: position + rows + spare },
});

const cacheShape = (d: Problem['dims']): number[] => [dim(d, 'kv_heads'), dim(d, 'capacity'), dim(d, 'head_dim')];

/** Rotary position embedding of queries and keys, and the write of keys and values to the cache. */
export const ropeKvWrite: Family = {
  name: 'rope_kv_write',
  summary: 'Rotates queries and keys by their position and appends keys and values to the cache.',
  formula:
    'for x = q, k and i < dim/2, with a = fp32(position + r)·inv_freq[i]: x[i]·cos a − x[i+dim/2]·sin a, x[i+dim/2]·cos a + x[i]·sin a; k_cache, v_cache[·, position + r] = k, v',
  source: 'Su et al., RoFormer (arXiv 2104.09864), in the rotate-half order and fp32 angles of Hugging Face transformers',
  params: [],
  dims: [
    { name: 'rows', doc: 'tokens in this step' },
    { name: 'position', doc: 'position of the first of them' },
    { name: 'heads', doc: 'query heads' },
    { name: 'kv_heads', doc: 'key and value heads' },
    { name: 'head_dim', doc: 'numbers per head, even' },
    { name: 'capacity', doc: 'tokens the cache has room for' },
  ],
  tensors: [
    f32Spec('qkv', 'inout', (d) => [dim(d, 'rows'), qkvWidth(d)], '[rows, (heads + 2·kv_heads)·head_dim]: queries, keys, values; queries and keys are rotated in place'),
    f32Spec('inv_freq', 'input', (d) => [dim(d, 'head_dim') / 2], '[head_dim/2] angle per position'),
    f32Spec('k_cache', 'inout', cacheShape, '[kv_heads, capacity, head_dim]; rows position…position + rows − 1 are written'),
    f32Spec('v_cache', 'inout', cacheShape, '[kv_heads, capacity, head_dim]; rows position…position + rows − 1 are written'),
  ],
  scalars: [
    intScalar('rows', 'tokens in this step', { dynamic: true }),
    intScalar('position', 'position of the first row', { dynamic: true }),
    intScalar('heads', 'query heads'),
    intScalar('kv_heads', 'key and value heads'),
    intScalar('head_dim', 'numbers per head'),
    intScalar('capacity', 'rows per head in the caches'),
  ],
  cpu: {
    kind: 'cpu',
    axes: [],
    constraints: [],
    template: 'cpu/rope_kv_write.cc.hbs',
    defaults: () => ({}),
    launch: ({ dims }) => ({
      phases: [{ name: 'rows', units: dim(dims, 'rows') }],
      scratchBytes: 0,
      workspaceBytes: dim(dims, 'rows') * dim(dims, 'head_dim') * 4,
    }),
    // Which elements are left to the scalar loop, which does not fuse, depends on the vector width.
    numericsClass: ({ isa }) => isa,
  },
  cuda: ropeKvWriteCuda,
  cost: ({ dims }) => {
    const bytes = dim(dims, 'rows') * qkvWidth(dims) * 4;
    return { readBytes: bytes + dim(dims, 'head_dim') * 2, writeBytes: bytes, flops: (bytes / 4) * 3 };
  },
  makeInputs: ({ dims }, random) => {
    const [half, cache] = [dim(dims, 'head_dim') / 2, cacheShape(dims).reduce((a, b) => a * b, 1)];
    return {
      qkv: f32Tensor(dim(dims, 'rows') * qkvWidth(dims), random),
      inv_freq: Float64Array.from({ length: half }, (_, i) => Math.fround(10000 ** (-i / half))),
      k_cache: f32Tensor(cache, random),
      v_cache: f32Tensor(cache, random),
    };
  },
  reference: ({ dims }, inputs) => {
    const [rows, position, heads, kvHeads] = [dim(dims, 'rows'), dim(dims, 'position'), dim(dims, 'heads'), dim(dims, 'kv_heads')];
    const [headDim, capacity, width] = [dim(dims, 'head_dim'), dim(dims, 'capacity'), qkvWidth(dims)];
    const half = headDim / 2;
    const original = numbers(inputs, 'qkv');
    const inverse = numbers(inputs, 'inv_freq');
    const qkv = { values: original.slice(), bound: new Float64Array(original.length) };
    const keys = { values: numbers(inputs, 'k_cache').slice(), bound: new Float64Array(numbers(inputs, 'k_cache').length) };
    const values = numbers(inputs, 'v_cache').slice();
    for (let r = 0; r < rows; r++) {
      for (let head = 0; head < heads + kvHeads; head++) {
        for (let i = 0; i < half; i++) {
          const angle = Math.fround(Math.fround(position + r) * (inverse[i] ?? NaN));
          const low = r * width + head * headDim + i;
          const [x, y] = [original[low] ?? NaN, original[low + half] ?? NaN];
          qkv.values[low] = x * Math.cos(angle) - y * Math.sin(angle);
          qkv.values[low + half] = y * Math.cos(angle) + x * Math.sin(angle);
          // Rounding of sine and cosine, of two products and of their sum.
          qkv.bound[low] = qkv.bound[low + half] = 4 * F32_ROUNDING * (Math.abs(x) + Math.abs(y));
        }
      }
      for (let g = 0; g < kvHeads; g++) {
        const to = (g * capacity + position + r) * headDim;
        const key = r * width + (heads + g) * headDim;
        keys.values.set(qkv.values.subarray(key, key + headDim), to);
        keys.bound.set(qkv.bound.subarray(key, key + headDim), to);
        values.set(original.subarray(key + kvHeads * headDim, key + (kvHeads + 1) * headDim), to);
      }
    }
    return { qkv, k_cache: keys, v_cache: { values, bound: 0 } };
  },
  raggedProblems: () => [
    problem(1, 0, 1, 1, 2),
    problem(3, 5, 2, 1, 6, 4),
    problem(1, 4095, 3, 3, 20, 1),
    problem(5, 131000, 1, 1, 2),
    problem(2, 17, 8, 4, 64, 2),
    problem(64, 3, 2, 2, 80),
    problem(1, 1000, 4, 2, 128),
    problem(2, 9, 1, 1, 34),
  ],
};

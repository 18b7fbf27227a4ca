import type { Family, Problem } from '../types.js';
import { ceilDiv, dim, f32Spec, f32Tensor, halfBits, halfValue, intScalar, numbers } from './common.js';
import { splitBf16Cuda } from './cuda/split_bf16.js';

/** Elements per work unit on a CPU. */
const UNIT = 16384;

const problem = (n: number): Problem => ({ family: 'split_bf16', params: {}, dims: { n } });
const narrowed = (value: number): number => halfValue(halfBits(value, 'bf16'), 'bf16');

/** Activations for a matrix product that takes bf16 on both sides, such as a vendor's: two parts carry 16 bits of the 24, three all of them. */
export const splitBf16: Family = {
  name: 'split_bf16',
  summary: 'Splits f32 numbers into three bf16 numbers: the sum of the first two is within 2⁻¹⁷ of them, the sum of all equals them.',
  formula: 'high[i] = bf16(x[i]); middle[i] = bf16(x[i] − high[i]); low[i] = bf16(x[i] − high[i] − middle[i]); 0 behind a part that is not finite',
  source: 'the head and tail of Dekker (Numerische Mathematik 18, 1971), rounded to bf16, twice',
  params: [],
  dims: [{ name: 'n', doc: 'numbers, below 2^31' }],
  tensors: [
    f32Spec('x', 'input', (d) => [dim(d, 'n')], '[n]'),
    { name: 'high', role: 'output', dtype: () => 'bf16', shape: (d) => [dim(d, 'n')], doc: '[n] nearest bf16' },
    { name: 'middle', role: 'output', dtype: () => 'bf16', shape: (d) => [dim(d, 'n')], doc: '[n] nearest bf16 of what high leaves' },
    { name: 'low', role: 'output', dtype: () => 'bf16', shape: (d) => [dim(d, 'n')], doc: '[n] nearest bf16 of what both leave' },
  ],
  scalars: [intScalar('n', 'numbers')],
  cpu: {
    kind: 'cpu',
    axes: [],
    constraints: [],
    template: 'cpu/split_bf16.cc.hbs',
    defaults: () => ({}),
    launch: ({ dims }) => ({ phases: [{ name: 'stretches', units: ceilDiv(dim(dims, 'n'), UNIT) }], scratchBytes: 0, workspaceBytes: 0 }),
    view: () => ({ unit: UNIT }),
    numericsClass: () => 'exact',
  },
  cuda: splitBf16Cuda,
  cost: ({ dims }) => ({ readBytes: 4 * dim(dims, 'n'), writeBytes: 6 * dim(dims, 'n'), flops: 2 * dim(dims, 'n') }),
  makeInputs: ({ dims }, random) => {
    const x = f32Tensor(dim(dims, 'n'), random, 3);
    // Numbers of every size, since rounding is what can go wrong.
    for (let i = 0; i < x.length; i += 3) x[i] = Math.fround((x[i] ?? 0) * 2 ** ((i % 61) - 30));
    return { x };
  },
  reference: (_, inputs) => {
    const x = numbers(inputs, 'x');
    const high = Float64Array.from(x, narrowed);
    const rest = Float64Array.from(x, (value, i) => Math.fround(value - (high[i] ?? 0)));
    const middle = Float64Array.from(rest, narrowed);
    const low = Float64Array.from(rest, (value, i) => narrowed(Math.fround(value - (middle[i] ?? 0))));
    return { high: { values: high, bound: 0 }, middle: { values: middle, bound: 0 }, low: { values: low, bound: 0 } };
  },
  raggedProblems: () => [1, 3, 4, 37, 1030, 4099].map(problem),
};

import { type Dims, type Family, type Params, type Problem, WEIGHT_DTYPES } from '../types.js';
import { ceilDiv, dim, dimOr, dtypeParam, intScalar, roundedTo, weightBytes, weightSpec } from './common.js';
import { fillRandomCuda } from './cuda/fill_random.js';

const MASK64 = (1n << 64n) - 1n;
/** 32-bit words that share one seed: 1 MiB. */
const UNIT_WORDS = 2 ** 18;
const DEFAULT_SCALE = 0.02;

/** The output function of SplitMix64 (Steele, Lea, Flood, 2014) at a counter. */
function mix(seed: bigint, counter: bigint): bigint {
  let z = (seed + (counter + 1n) * 0x9e3779b97f4a7c15n) & MASK64;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK64;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK64;
  return z ^ (z >> 31n);
}

/** 32 random bits for a word of a unit: a counter through the finaliser of MurmurHash3 (Appleby, 2011). */
function wordBits(unitSeed: bigint, index: number): number {
  const [low, high] = [Number(unitSeed & 0xffffffffn), Number(unitSeed >> 32n)];
  let x = (low + Math.imul(index, 0x9e3779b9)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b) >>> 0;
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35) >>> 0;
  return (x ^ (x >>> 16) ^ high) >>> 0;
}

/** Element `index` of the stream of a seed, uniform in [-scale, scale], as runtime/native/fill_random.cc defines it. */
export function randomElement(dtype: 'f32' | 'f16' | 'bf16', seed: bigint, index: number, scale: number): number {
  const word = dtype === 'f32' ? index : Math.floor(index / 2);
  const bits = wordBits(mix(mix(seed, 0n), BigInt(Math.floor(word / UNIT_WORDS))), word % UNIT_WORDS);
  if (dtype === 'f32') return Math.fround(Math.fround(Math.fround(bits | 0) * 2 ** -31) * Math.fround(scale));
  const half = index % 2 === 0 ? (bits << 16) >> 16 : bits >> 16;
  return roundedTo(Math.fround(half * 2 ** -15 * Math.fround(scale)), dtype);
}

const scaleOf = (dims: Dims): number => dimOr(dims, 'scale', DEFAULT_SCALE);
const low = (value: number): number => value % 2 ** 32 | 0;
const high = (value: number): number => Math.floor(value / 2 ** 32) | 0;
const half = (name: string, of: string, part: (value: number) => number, doc: string) => ({
  name,
  type: 'int' as const,
  value: (dims: Dims): number => part(dim(dims, of)),
  doc,
});

const problem = (params: Params, n: number, first: number, seed: number, scale = DEFAULT_SCALE): Problem => ({
  family: 'fill_random',
  params,
  dims: { n, first, seed, scale },
});

/** Synthetic weights. */
export const fillRandom: Family = {
  name: 'fill_random',
  summary: 'Fills a buffer with seeded uniform numbers, each a function of the seed and its index alone.',
  formula: 'target[i] = element first + i of the stream of the seed, uniform in [-scale, scale]',
  source: 'SplitMix64 (Steele, Lea, Flood, 2014) for the seed of each MiB, the finaliser of MurmurHash3 (Appleby, 2011) at a counter for its words',
  params: [{ name: 'dtype', values: WEIGHT_DTYPES, doc: 'element type of the buffer; 16-bit elements take half a word of random bits each' }],
  dims: [
    { name: 'n', doc: 'elements to write, below 2^31' },
    { name: 'first', doc: 'index in the stream of the first of them: large buffers are filled in several launches' },
    { name: 'seed', doc: 'seed, a whole number' },
    { name: 'scale', doc: `largest absolute value (default ${DEFAULT_SCALE})` },
  ],
  tensors: [weightSpec('target', 'output', (d) => [dim(d, 'n')], '[n]')],
  scalars: [
    intScalar('n', 'elements to write'),
    half('first_low', 'first', low, 'index of the first element, lower 32 bits'),
    half('first_high', 'first', high, 'index of the first element, upper 32 bits'),
    half('seed_low', 'seed', low, 'seed, lower 32 bits'),
    half('seed_high', 'seed', high, 'seed, upper 32 bits'),
    { name: 'scale', type: 'float', value: scaleOf, doc: 'largest absolute value' },
  ],
  cpu: {
    kind: 'cpu',
    axes: [],
    constraints: [],
    template: 'cpu/fill_random.cc.hbs',
    defaults: () => ({}),
    launch: ({ dims }) => ({ phases: [{ name: 'stretches', units: ceilDiv(dim(dims, 'n'), 65536) }], scratchBytes: 0, workspaceBytes: 0 }),
    numericsClass: () => 'exact',
  },
  cuda: fillRandomCuda,
  cost: ({ dims, params }) => ({ readBytes: 0, writeBytes: dim(dims, 'n') * weightBytes(params), flops: 0 }),
  makeInputs: () => ({}),
  reference: ({ dims, params }) => {
    const [dtype, seed, first] = [dtypeParam(params), BigInt(dim(dims, 'seed')), dim(dims, 'first')];
    const values = Float64Array.from({ length: dim(dims, 'n') }, (_, i) => randomElement(dtype, seed, first + i, scaleOf(dims)));
    return { target: { values, bound: 0 } };
  },
  raggedProblems: (params) => [
    problem(params, 1, 0, 0),
    problem(params, 37, 0, 7),
    problem(params, 1000, 16, 2 ** 40 + 3),
    problem(params, 131, 5, 1),
    problem(params, 300, 2 ** 18 - 150, 3, 1),
    problem(params, 600, 2 ** 19 - 304, 3, 3e-6),
    problem(params, 70, 3 * 2 ** 32 + 2 ** 31 + 8, 9, 1e-9),
  ],
};

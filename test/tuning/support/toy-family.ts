/** A family whose variants misbehave each in its own way: `mode` chooses how. y = w · x, element by element. */
import type { Family, Problem } from '../../../generator/types.js';
import { seededRandom } from '../../../tuning/statistics.js';

export const MODES = {
  good: 0,
  faster: 1,
  wrongWhenRagged: 2,
  writesPastEnd: 3,
  leavesUnwritten: 4,
  segfaults: 5,
  hangs: 6,
  doesNotCompile: 7,
  changesInput: 8,
  dependsOnThreads: 9,
  hopelesslySlow: 10,
  crashesWhenTimed: 11,
  differsBetweenRuns: 12,
  /** At the ragged shapes whose width is not a multiple of four, and only with the contents of verification's third seed. */
  wrongWithThirdSeed: 13,
  /** The same machine code as `good`. */
  goodAgain: 14,
} as const;
export type Mode = (typeof MODES)[keyof typeof MODES];

/** Toy inputs start with the weights, so these tell the seed of their contents. */
export const firstWeight = (seed: number): number => Math.fround(seededRandom(seed)() - 0.5);

const size = (problem: Problem): [rows: number, n: number] => [problem.dims['rows'] ?? 0, problem.dims['n'] ?? 0];

export const toyFamily: Family = {
  name: 'toy_scale',
  summary: 'Multiplies rows by a weight vector.',
  formula: 'y[r, i] = w[i] · x[r, i]',
  source: 'test only',
  params: [],
  dims: [
    { name: 'rows', doc: 'rows' },
    { name: 'n', doc: 'width' },
  ],
  tensors: [
    { name: 'w', role: 'input', dtype: () => 'f32', shape: (d) => [d['n'] ?? 0], doc: '[n]' },
    { name: 'x', role: 'input', dtype: () => 'f32', shape: (d) => [d['rows'] ?? 0, d['n'] ?? 0], doc: '[rows, n]' },
    { name: 'y', role: 'output', dtype: () => 'f32', shape: (d) => [d['rows'] ?? 0, d['n'] ?? 0], doc: '[rows, n]' },
  ],
  scalars: [
    { name: 'rows', type: 'int', dynamic: true, value: (d) => d['rows'] ?? 0, doc: 'rows' },
    { name: 'n', type: 'int', value: (d) => d['n'] ?? 0, doc: 'width' },
  ],
  cpu: {
    kind: 'cpu',
    axes: [{ name: 'mode', values: Object.values(MODES), doc: 'how it behaves' }],
    constraints: [],
    template: 'none',
    defaults: () => ({ mode: MODES.good }),
    launch: () => ({ phases: [{ name: 'rows', units: 1 }], scratchBytes: 0, workspaceBytes: 0 }),
    numericsClass: () => 'one',
  },
  cost: (problem) => {
    const [rows, n] = size(problem);
    return { readBytes: 4 * (n + rows * n), writeBytes: 4 * rows * n, flops: rows * n };
  },
  makeInputs: (problem, random) => {
    const [rows, n] = size(problem);
    const numbers = (count: number): Float64Array => Float64Array.from({ length: count }, () => Math.fround(random() - 0.5));
    return { w: numbers(n), x: numbers(rows * n) };
  },
  reference: (problem, inputs) => {
    const [rows, n] = size(problem);
    const w = inputs['w'] as Float64Array;
    const x = inputs['x'] as Float64Array;
    return { y: { values: Float64Array.from({ length: rows * n }, (_, i) => (w[i % n] ?? 0) * (x[i] ?? 0)), bound: 1e-7 } };
  },
  raggedProblems: (params) => [
    { family: 'toy_scale', params, dims: { rows: 1, n: 1 } },
    { family: 'toy_scale', params, dims: { rows: 3, n: 7 } },
  ],
};

export const toyProblem: Problem = { family: 'toy_scale', params: {}, dims: { rows: 2, n: 64 } };

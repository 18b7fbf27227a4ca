import type { Family, Problem, Random } from '../types.js';
import { dim, dimOr, f32Spec, i32Spec, intScalar, numbers } from './common.js';
import { selectTopkCuda } from './cuda/select_topk.js';

/** Kinds of test scores, by the problem's optional size `kind`. */
export const SCORE_KINDS = ['uniform', 'ties', 'equal', 'zeros', 'denormal', 'wide', 'odd'] as const;

function score(kind: (typeof SCORE_KINDS)[number], random: Random): number {
  switch (kind) {
    case 'uniform':
      return Math.fround(random());
    case 'ties':
      return Math.floor(random() * 5) / 4;
    case 'equal':
      return 0.75;
    case 'zeros':
      return random() < 0.8 ? 0 : Math.fround(random());
    case 'denormal':
      return Math.fround(Math.floor(random() * 40) * 2 ** -149);
    case 'wide':
      return Math.fround(2 ** (random() * 250 - 140));
    case 'odd':
      return [NaN, -1, -0, 0, Infinity, Math.fround(random())][Math.floor(random() * 6)] ?? 0;
  }
}

const problem = (layers: number, intermediate: number, k: number, kind: (typeof SCORE_KINDS)[number]): Problem => ({
  family: 'select_topk',
  params: {},
  dims: { layers, intermediate, k, kind: SCORE_KINDS.indexOf(kind) },
});

/** Indices of the k largest scores, ties to the lower index, ascending. What is below zero or NaN counts as zero. */
export function topk(scores: ArrayLike<number>, k: number): Int32Array {
  const values = Float64Array.from(scores, (value) => (value > 0 ? value : 0));
  const order = [...values.keys()].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b);
  return Int32Array.from(order.slice(0, k)).sort();
}

/** The kept neurons of every layer in one launch. */
export const selectTopk: Family = {
  name: 'select_topk',
  summary: 'Finds the k largest scores of each layer, ties to the lower index, as ascending indices.',
  formula: 'experts[l] = ascending indices of the k largest scores[l]; negative numbers, -0 and NaN count as 0',
  source: 'GRIFFIN (arXiv 2404.01365) section 4; radix selection on the bits of non-negative floats, whose order is the order of the numbers',
  params: [],
  dims: [
    { name: 'layers', doc: 'rows of scores' },
    { name: 'intermediate', doc: 'scores per layer (F)' },
    { name: 'k', doc: 'neurons to keep, 0…intermediate' },
    { name: 'kind', doc: `only for test inputs: ${SCORE_KINDS.map((kind, i) => `${i} ${kind}`).join(', ')} (default 0)` },
  ],
  tensors: [
    f32Spec('scores', 'input', (d) => [dim(d, 'layers'), dim(d, 'intermediate')], '[layers, F] scores, not negative'),
    // An inout tensor because what lies behind the first k of a row must stay as it is.
    i32Spec('experts', 'inout', (d) => [dim(d, 'layers'), dim(d, 'intermediate')], '[layers, F]; the first k of each row are written'),
  ],
  scalars: [intScalar('layers', 'rows of scores'), intScalar('intermediate', 'scores per layer'), intScalar('k', 'neurons to keep', { dynamic: true })],
  cpu: {
    kind: 'cpu',
    axes: [
      {
        name: 'bits',
        values: [8, 11],
        doc: 'bits of the score that one pass over the row looks at: 8 takes four passes with a histogram of 1 KiB, 11 takes three with 8 KiB',
      },
    ],
    constraints: [],
    template: 'cpu/select_topk.cc.hbs',
    defaults: () => ({ bits: 11 }),
    launch: ({ dims }, { axes }) => ({
      phases: [{ name: 'layers', units: dim(dims, 'layers') }],
      scratchBytes: 4 * 2 ** dim(axes, 'bits') * 4,
      workspaceBytes: 0,
    }),
    numericsClass: () => 'exact',
  },
  cuda: selectTopkCuda,
  cost: ({ dims }) => {
    const cells = dim(dims, 'layers') * dim(dims, 'intermediate');
    return { readBytes: cells * 4, writeBytes: dim(dims, 'layers') * dim(dims, 'k') * 4, flops: 0 };
  },
  makeInputs: ({ dims }, random) => {
    const cells = dim(dims, 'layers') * dim(dims, 'intermediate');
    const kind = SCORE_KINDS[dimOr(dims, 'kind', 0)] ?? 'uniform';
    return { scores: Float64Array.from({ length: cells }, () => score(kind, random)), experts: new Int32Array(cells).fill(-7) };
  },
  reference: ({ dims }, inputs) => {
    const [layers, n, k] = [dim(dims, 'layers'), dim(dims, 'intermediate'), dim(dims, 'k')];
    const scores = numbers(inputs, 'scores');
    const values = Int32Array.from(inputs['experts'] ?? []);
    for (let layer = 0; layer < layers; layer++) values.set(topk(scores.subarray(layer * n, (layer + 1) * n), k), layer * n);
    return { experts: { values, bound: 0 } };
  },
  raggedProblems: () => [
    problem(1, 1, 1, 'uniform'),
    problem(2, 1, 0, 'uniform'),
    problem(3, 37, 18, 'uniform'),
    problem(2, 64, 64, 'ties'),
    problem(2, 131, 1, 'wide'),
    problem(4, 300, 150, 'ties'),
    problem(1, 301, 77, 'equal'),
    problem(1, 512, 256, 'zeros'),
    problem(2, 95, 40, 'denormal'),
    problem(3, 211, 100, 'odd'),
    problem(1, 70001, 35000, 'uniform'),
  ],
};

import { type Family, type Params, type Problem, WEIGHT_DTYPES } from '../types.js';
import { dim, dtypeParam, f32Spec, i32Spec, intScalar, numbers, randomValues, weightBytes, weightSpec } from './common.js';
import { embedCuda } from './cuda/embed.js';

const problem = (params: Params, rows: number, hidden: number, vocab: number): Problem => ({ family: 'embed', params, dims: { rows, hidden, vocab } });

/** Rows of the embedding table, widened. */
export const embed: Family = {
  name: 'embed',
  summary: 'Looks tokens up in the embedding table; an id outside the table gives zeros.',
  formula: 'x[r] = table[tokens[r]]',
  source: 'standard',
  params: [{ name: 'dtype', values: WEIGHT_DTYPES, doc: 'element type of the table' }],
  dims: [
    { name: 'rows', doc: 'tokens' },
    { name: 'hidden', doc: 'model width' },
    { name: 'vocab', doc: 'rows of the table' },
  ],
  tensors: [
    i32Spec('tokens', 'input', (d) => [dim(d, 'rows')], '[rows] token ids'),
    weightSpec('table', 'input', (d) => [dim(d, 'vocab'), dim(d, 'hidden')], '[vocab, hidden]'),
    f32Spec('x', 'output', (d) => [dim(d, 'rows'), dim(d, 'hidden')], '[rows, hidden]'),
  ],
  scalars: [intScalar('rows', 'tokens', { dynamic: true }), intScalar('hidden', 'model width'), intScalar('vocab', 'rows of the table')],
  cpu: {
    kind: 'cpu',
    axes: [],
    constraints: [],
    template: 'cpu/embed.cc.hbs',
    defaults: () => ({}),
    launch: ({ dims }) => ({ phases: [{ name: 'rows', units: dim(dims, 'rows') }], scratchBytes: 0, workspaceBytes: 0 }),
    numericsClass: () => 'exact',
  },
  cuda: embedCuda,
  cost: ({ dims, params }) => {
    const cells = dim(dims, 'rows') * dim(dims, 'hidden');
    return { readBytes: cells * weightBytes(params), writeBytes: cells * 4, flops: 0 };
  },
  makeInputs: ({ dims, params }, random) => {
    const vocab = dim(dims, 'vocab');
    // One id in eight lies outside the table, on either side.
    const tokens = Int32Array.from({ length: dim(dims, 'rows') }, (_, r) => (r % 8 === 5 ? [-1, vocab, 2 ** 31 - 1][r % 3] ?? -1 : Math.floor(random() * vocab)));
    return { tokens, table: randomValues(vocab * dim(dims, 'hidden'), random, dtypeParam(params)) };
  },
  reference: ({ dims }, inputs) => {
    const [hidden, vocab] = [dim(dims, 'hidden'), dim(dims, 'vocab')];
    const table = numbers(inputs, 'table');
    const values = new Float64Array(dim(dims, 'rows') * hidden);
    inputs['tokens']?.forEach((token, r) => {
      if (token >= 0 && token < vocab) values.set(table.subarray(token * hidden, (token + 1) * hidden), r * hidden);
    });
    return { x: { values, bound: 0 } };
  },
  raggedProblems: (params) => [problem(params, 1, 1, 1), problem(params, 8, 37, 11), problem(params, 3, 64, 5), problem(params, 64, 131, 70)],
};

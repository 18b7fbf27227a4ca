import { type Family, type Params, type Problem, WEIGHT_DTYPES } from '../types.js';
import { ceilDiv, dim, dtypeParam, f32Spec, intScalar, numbers, randomValues, sumBound, weightBytes, weightSpec } from './common.js';
import { neuronMagnitudeCuda } from './cuda/neuron_magnitude.js';

function parts(params: Params): number {
  return params['gated'] === 'gated' ? 2 : 1;
}

const problem = (params: Params, intermediate: number, hidden: number): Problem => ({ family: 'neuron_magnitude', params, dims: { hidden, intermediate } });

/** A score that needs no prompt: how large the weights of a neuron are. */
export const neuronMagnitude: Family = {
  name: 'neuron_magnitude',
  summary: 'Scores every neuron by the product of the norms of its rows in the up-projection.',
  formula: 'score[i] = Π_g ‖w_in[i,g]‖₂',
  source: 'the magnitude baseline of GRIFFIN (arXiv 2404.01365) section 5',
  params: [
    { name: 'dtype', values: WEIGHT_DTYPES, doc: 'element type of the weights' },
    { name: 'gated', values: ['gated', 'plain'], doc: 'gated: two rows per neuron; plain: one' },
  ],
  dims: [
    { name: 'hidden', doc: 'model width' },
    { name: 'intermediate', doc: 'neurons (F)' },
  ],
  tensors: [
    weightSpec('w_in', 'input', (d, p) => [dim(d, 'intermediate'), parts(p), dim(d, 'hidden')], '[F, G, hidden]'),
    f32Spec('score', 'output', (d) => [dim(d, 'intermediate')], '[F]'),
  ],
  scalars: [intScalar('hidden', 'model width'), intScalar('intermediate', 'neurons')],
  cpu: {
    kind: 'cpu',
    axes: [{ name: 'rows', values: [4, 16, 64], doc: 'neurons per work unit: 16 gated rows of 4096 bf16 are 256 KiB read in one stream' }],
    constraints: [],
    template: 'cpu/neuron_magnitude.cc.hbs',
    defaults: () => ({ rows: 16 }),
    launch: ({ dims }, { axes }) => ({
      phases: [{ name: 'neurons', units: ceilDiv(dim(dims, 'intermediate'), dim(axes, 'rows')) }],
      scratchBytes: 0,
      workspaceBytes: 0,
    }),
    numericsClass: ({ isa }) => isa,
  },
  cuda: neuronMagnitudeCuda,
  cost: ({ dims, params }) => {
    const weights = dim(dims, 'intermediate') * parts(params) * dim(dims, 'hidden');
    return { readBytes: weights * weightBytes(params), writeBytes: dim(dims, 'intermediate') * 4, flops: 2 * weights };
  },
  makeInputs: ({ dims, params }, random) => ({
    w_in: randomValues(dim(dims, 'intermediate') * parts(params) * dim(dims, 'hidden'), random, dtypeParam(params), 0.1),
  }),
  reference: ({ dims, params }, inputs) => {
    const [hidden, g] = [dim(dims, 'hidden'), parts(params)];
    const weights = numbers(inputs, 'w_in');
    const values = Float64Array.from({ length: dim(dims, 'intermediate') }, (_, i) => {
      let product = 1;
      for (let part = 0; part < g; part++) {
        const row = weights.subarray((i * g + part) * hidden, (i * g + part + 1) * hidden);
        product *= Math.sqrt(row.reduce((sum, w) => sum + w * w, 0));
      }
      return product;
    });
    // Each norm has half the relative error of its sum.
    return { score: { values, bound: values.map((value) => (g / 2) * sumBound(hidden, value) + 2 * sumBound(0, value)) } };
  },
  raggedProblems: (params) => [problem(params, 1, 1), problem(params, 37, 29), problem(params, 131, 70), problem(params, 5, 515), problem(params, 64, 128)],
};

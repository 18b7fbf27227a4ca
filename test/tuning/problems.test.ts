import { describe, expect, it } from 'vitest';
import { FAMILIES, findFamily } from '../../generator/families/index.js';
import { rawSize } from '../../generator/space.js';
import type { Family } from '../../generator/types.js';
import { syntheticConfig } from '../../runtime/checkpoint/synthetic.js';
import { TuneError } from '../../runtime/errors.js';
import { dispatchDims, expectedTime, modelProblems } from '../../tuning/problems.js';
import { problemKey } from '../../tuning/types.js';

const config = syntheticConfig('tinyllama-1.1b');
const problems = modelProblems(config);
const named = (label: string) => problems.find((problem) => problem.label === label);

describe('modelProblems', () => {
  it('covers the decode and prefill products at the sizes of the model', () => {
    expect(named('decode qkv')?.problem.dims).toMatchObject({ rows: 1, in: 2048, out: 2560 });
    expect(named('lm_head')?.problem.dims).toMatchObject({ rows: 1, in: 2048, out: 32000 });
    expect(named('decode gate/up k=2816')?.problem.dims).toMatchObject({ rows: 1, hidden: 2048, intermediate: 5632, k: 2816, dense: 0 });
    expect(named('decode down dense')?.problem.dims).toMatchObject({ k: 5632, dense: 1, residual: 1 });
    expect(named('prefill ff in')?.problem).toMatchObject({ params: { dtype: 'bf16', layout: 'outin' }, dims: { rows: 256, in: 2048, out: 11264 } });
    expect(named('prefill ff out')?.problem).toMatchObject({ params: { layout: 'inout' }, dims: { in: 5632, out: 2048 } });
  });

  it('lists only families that have something to choose, heaviest problem first', () => {
    for (const { problem } of problems) expect(rawSize(findFamily(problem.family) as Family, 'portable'), problem.family).toBeGreaterThan(1);
    const times = problems.map((problem) => expectedTime(findFamily(problem.problem.family) as Family, problem));
    expect(times).toEqual([...times].sort((a, b) => b - a));
    expect(problems[0]?.label).toBe('decode gate/up dense');
  });

  it('gives dimensions that every family function accepts, and valid parameters', () => {
    for (const shape of ['tinyllama-1.1b', 'opt-6.7b', 'gemma-7b'] as const) {
      for (const { problem } of modelProblems(syntheticConfig(shape))) {
        const family = findFamily(problem.family) as Family;
        for (const tensor of family.tensors) expect(tensor.shape(problem.dims, problem.params).every((size) => Number.isInteger(size) && size >= 0), problemKey(problem)).toBe(true);
        for (const spec of family.params) expect(spec.values).toContain(problem.params[spec.name]);
        expect(family.cost(problem).readBytes).toBeGreaterThan(0);
      }
    }
  });

  it('merges equal problems and adds up their calls', () => {
    const square = { ...config, hiddenSize: 64, heads: 4, kvHeads: 0, headDim: 16, attentionBias: false };
    const merged = modelProblems(square).filter(({ problem }) => problem.family === 'linear_gemv' && problem.dims['out'] === 64);
    expect(merged).toHaveLength(1);
    expect(merged[0]?.callsPerToken).toBe(2 * square.layers);
    expect(merged[0]?.label).toBe('decode qkv, decode o');
  });

  it('names dispatch sizes as the runtime does: the int scalars', () => {
    const qkv = named('decode qkv');
    expect(dispatchDims(findFamily('linear_gemv') as Family, qkv?.problem as never)).toEqual({ rows: 1, in: 2048, out: 2560 });
    const gateUp = named('decode gate/up k=2816');
    expect(dispatchDims(findFamily('ff_gate_up_gather') as Family, gateUp?.problem as never)).toEqual({ rows: 1, hidden: 2048, intermediate: 5632, k: 2816, activation: 0 });
  });

  it('takes density and chunk from its options', () => {
    const options = { density: 0.25, prefillChunk: 64 };
    expect(modelProblems(config, options).some(({ problem }) => problem.dims['k'] === 1408)).toBe(true);
    expect(modelProblems(config, options).find(({ label }) => label === 'prefill qkv')?.problem.dims['rows']).toBe(64);
  });

  it('says which family is missing', () => {
    expect(() => modelProblems(config, { find: (name) => FAMILIES.find((family) => family.name === name && name !== 'linear_gemm') })).toThrow(TuneError);
  });
});

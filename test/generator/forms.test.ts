import { describe, expect, it } from 'vitest';
import { defaultKernels, formsOf, paramSets } from '../../generator/forms.js';
import { CPU_ISAS, type Family } from '../../generator/types.js';
import { TINY } from './tiny.js';

const two: Family = { ...TINY, params: [...TINY.params, { name: 'layout', values: ['a', 'b'], doc: 'Layout.' }] };

describe('forms', () => {
  it('are the product of parameters, the last varying fastest, and instruction sets', () => {
    expect(paramSets(two).map((p) => `${p['dtype']}/${p['layout']}`)).toEqual(['f32/a', 'f32/b', 'bf16/a', 'bf16/b']);
    expect(paramSets({ ...TINY, params: [] })).toEqual([{}]);
    expect(formsOf(two)).toHaveLength(4 * CPU_ISAS.length);
    expect(formsOf(TINY, ['avx512']).map((form) => form.isa)).toEqual(['avx512', 'avx512']);
  });

  it('each have one default kernel', () => {
    const kernels = defaultKernels([TINY], ['portable', 'avx2']);
    expect(kernels.map((kernel) => kernel.formId)).toEqual(['tiny_scale__f32__portable', 'tiny_scale__bf16__portable', 'tiny_scale__f32__avx2', 'tiny_scale__bf16__avx2']);
    for (const { form, variant } of kernels) expect(variant).toEqual({ ...form, axes: { block: 64, unroll: 2 } });
  });
});

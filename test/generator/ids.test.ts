import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GeneratorError } from '../../generator/errors.js';
import { FAMILIES } from '../../generator/families/index.js';
import { formsOf } from '../../generator/forms.js';
import { formId, kernelId, namespaceOfId, parseFormId, parseKernelId, requireFamily, symbolOf } from '../../generator/ids.js';
import { sample } from '../../generator/space.js';
import type { Family, Variant } from '../../generator/types.js';
import { seededRandom, TINY } from './tiny.js';

const BARE: Family = { ...TINY, name: 'bare', params: [], cpu: { ...TINY.cpu, axes: [], constraints: [], defaults: () => ({}) } };
const ALL = [TINY, BARE];
const variant: Variant = { family: 'tiny_scale', params: { dtype: 'bf16' }, isa: 'avx512bf16', axes: { block: 64, unroll: 2 } };

describe('kernel ids', () => {
  it('spell family, parameters, instruction set and axes', () => {
    expect(kernelId(variant, TINY)).toBe('tiny_scale__bf16__avx512bf16__block64_unroll2');
    expect(formId(variant, TINY)).toBe('tiny_scale__bf16__avx512bf16');
    expect(symbolOf(variant, TINY)).toBe('gk_tiny_scale__bf16__avx512bf16__block64_unroll2');
    expect(namespaceOfId('x')).toBe('gk_x_ns');
    expect(kernelId({ family: 'bare', params: {}, isa: 'avx2', axes: {} }, BARE)).toBe('bare__any__avx2__base');
  });

  it('take the order of parameters and axes from the family, not from the objects', () => {
    expect(kernelId({ ...variant, axes: { unroll: 2, block: 64 } }, TINY)).toBe(kernelId(variant, TINY));
  });

  it('round-trip', () => {
    expect(parseKernelId(kernelId(variant, TINY), ALL)).toEqual(variant);
    expect(parseFormId('bare__any__avx2', ALL)).toEqual({ family: 'bare', params: {}, isa: 'avx2' });
  });

  it('round-trip for every family, at random points of its space', () => {
    const forms = [...ALL, ...FAMILIES].flatMap((family) => formsOf(family).map((form) => ({ family, form })));
    fc.assert(
      fc.property(fc.constantFrom(...forms), fc.integer(), ({ family, form }, seed) => {
        expect(parseFormId(formId(form, family), [family])).toEqual(form);
        for (const point of sample(form, 3, seededRandom(seed), { family })) {
          const id = kernelId(point, family);
          expect(id).toMatch(/^[a-z0-9]+(_[a-z0-9]+)*__[a-z0-9_]+__[a-z0-9]+__[a-z0-9_]+$/);
          expect(parseKernelId(id, [family])).toEqual(point);
        }
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it.each([
    ['tiny_scale__bf16__avx2', /is not a kernel id; expected <family>__<params or any>__<isa>__<axes or base>/],
    ['nothing__bf16__avx2__base', /unknown kernel family "nothing"; there are: tiny_scale, bare/],
    ['tiny_scale__bf16__sse__block64_unroll2', /unknown instruction set "sse"; tiny_scale has: portable, avx2, avx512, avx512bf16$/],
    ['tiny_scale__f64__avx2__block64_unroll2', /dtype is "f64"; allowed: f32, bf16/],
    ['tiny_scale__f32_f32__avx2__block64_unroll2', /parameters "f32_f32" do not fit tiny_scale; expected dtype/],
    ['bare__f32__avx2__base', /parameters "f32" do not fit bare; expected any/],
    ['bare__any__avx2__block64', /axes "block64" do not fit bare; expected base/],
    ['tiny_scale__f32__avx2__unroll2_block64', /expected axis block at position 1, found "unroll2"/],
    ['tiny_scale__f32__avx2__block064_unroll2', /expected axis block at position 1, found "block064"/],
    ['tiny_scale__f32__avx2__block65_unroll2', /block is 65; allowed: 16, 32, 64, 128/],
  ])('refuse %s', (id, message) => {
    expect(() => parseKernelId(id, ALL)).toThrow(GeneratorError);
    expect(() => parseKernelId(id, ALL)).toThrow(message);
  });

  it('refuse any text that is not an id with a typed error, never another', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9_]{0,60}$/), (text) => {
        try {
          expect(kernelId(parseKernelId(text, ALL), requireFamily(parseKernelId(text, ALL).family, ALL))).toBe(text);
        } catch (error) {
          expect(error).toBeInstanceOf(GeneratorError);
        }
      }),
      { seed: 2 },
    );
  });

  it('refuse variants that lack a value', () => {
    expect(() => kernelId({ ...variant, axes: { block: 64 } }, TINY)).toThrow(/axis unroll is undefined; expected one of 1, 2, 4/);
    expect(() => formId({ ...variant, params: {} }, TINY)).toThrow(/parameter dtype is undefined/);
    expect(() => parseFormId('tiny_scale', ALL)).toThrow(/is not a form id/);
  });
});

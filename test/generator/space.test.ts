import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAMILIES } from '../../generator/families/index.js';
import { formsOf } from '../../generator/forms.js';
import { formId, kernelId, type Form } from '../../generator/ids.js';
import { count, defaultVariant, describeSpace, enumerate, rawSize, sample, validate } from '../../generator/space.js';
import { targetOf } from '../../generator/targets.js';
import type { Family } from '../../generator/types.js';
import { seededRandom, TINY } from './tiny.js';

const form: Form = { family: 'tiny_scale', params: { dtype: 'f32' }, isa: 'avx2' };
const options = { family: TINY } as const;
/** About as many points are checked one by one in a large space. */
const SPREAD = 2000;
const everyForm = [TINY, ...FAMILIES].flatMap((family) => formsOf(family).map((f) => ({ family, form: f })));

describe('the tiny space', () => {
  it('enumerates the product in order, the last axis fastest, less what constraints exclude', () => {
    const all = [...enumerate(form, options)].map((v) => `${v.axes['block']}/${v.axes['unroll']}`);
    expect(all).toEqual(['16/1', '16/2', '16/4', '32/1', '32/2', '32/4', '64/1', '64/2', '64/4', '128/1', '128/2', '128/4']);
    expect(count({ ...form, isa: 'portable' }, options)).toBe(8);
    expect(count(form, { ...options, dims: { n: 40 } })).toBe(6);
  });

  it('is lazy', () => {
    const endless: Family = {
      ...TINY,
      cpu: { ...TINY.cpu, axes: Array.from({ length: 20 }, (_, i) => ({ name: String.fromCharCode(97 + i), values: [1, 2, 3, 4, 5, 6], doc: '' })), constraints: [] },
    };
    const first = enumerate(form, { family: endless }).next();
    expect(first.done).toBe(false);
  });

  it('reports every violated constraint with its reason', () => {
    const wrong = validate({ ...form, isa: 'portable', axes: { block: 64, unroll: 4 } }, { ...options, dims: { n: 10 } });
    expect(wrong.map((v) => v.name)).toEqual(['registers', 'fits']);
    expect(wrong[0]?.reason).toBe('Portable code has too few registers to unroll four times.');
    expect(validate({ ...form, axes: { block: 64, unroll: 2 } }, options)).toEqual([]);
  });

  it('reports values outside the lists, unknown axes and unknown parameters', () => {
    expect(validate({ ...form, axes: { block: 65, unroll: 2 } }, options)).toEqual([{ name: 'block', reason: 'Axis block is 65; allowed are 16, 32, 64, 128.' }]);
    expect(validate({ ...form, axes: { block: 64, unroll: 2, other: 1 } }, options)[0]?.name).toBe('other');
    expect(validate({ ...form, params: { dtype: 'f64' }, axes: { block: 64, unroll: 2 } }, options)[0]?.reason).toContain('f64');
  });

  it('counts what each constraint excludes, and what it alone excludes', () => {
    const report = describeSpace({ ...form, isa: 'portable' }, { ...options, dims: { n: 40 } });
    expect(report).toMatchObject({ raw: 12, valid: 4 });
    expect(report.exclusions.map(({ name, excluded, alone }) => ({ name, excluded, alone }))).toEqual([
      { name: 'registers', excluded: 4, alone: 2 },
      { name: 'fits', excluded: 6, alone: 4 },
    ]);
  });

  it('samples uniformly over the valid variants', () => {
    const random = seededRandom(7);
    const hits = new Map<string, number>();
    const valid = count({ ...form, isa: 'portable' }, options);
    for (let i = 0; i < 4000; i++) {
      for (const v of sample({ ...form, isa: 'portable' }, 2, random, options)) hits.set(kernelId(v, TINY), (hits.get(kernelId(v, TINY)) ?? 0) + 1);
    }
    expect(hits.size).toBe(valid);
    // 1000 expected each, standard deviation about 27.
    for (const n of hits.values()) expect(Math.abs(n - 1000)).toBeLessThan(150);
  });

  it('refuses a default that violates a constraint', () => {
    const bad: Family = { ...TINY, cpu: { ...TINY.cpu, defaults: () => ({ block: 64, unroll: 4 }) } };
    expect(() => defaultVariant({ ...form, isa: 'portable' }, { family: bad })).toThrow(/the default variant is not valid:\n {2}registers: Portable code/);
    expect(defaultVariant({ ...form, isa: 'avx512' }, { family: bad }).axes).toEqual({ block: 64, unroll: 4 });
  });
});

describe('every space', () => {
  it.each(everyForm.map(({ family, form: f }) => [formId(f, family), family, f] as const))('%s: enumeration is valid, distinct and contains the default', (_id, family, f) => {
    const known = defaultVariant(f, { family });
    const standard = kernelId(known, family);
    const ids = new Set<string>();
    let points = 0;
    let hasDefault = false;
    const invalid: string[] = [];
    // Every point of a small space; of the large ones a stretch of points, evenly spread, and the default.
    const step = Math.max(1, Math.floor(rawSize(family, f.isa) / SPREAD));
    for (const variant of enumerate(f, { family })) {
      const isDefault = targetOf(family, f.isa).axes.every(({ name }) => variant.axes[name] === known.axes[name]);
      hasDefault ||= isDefault;
      if (points++ % step !== 0 && !isDefault) continue;
      const id = kernelId(variant, family);
      if (ids.has(id)) invalid.push(`${id} twice`);
      ids.add(id);
      if (validate(variant, { family }).length > 0) invalid.push(id);
    }
    expect(invalid).toEqual([]);
    expect(hasDefault).toBe(true);
    expect(ids).toContain(standard);
    expect(points).toBe(count(f, { family }));
    expect(points).toBeLessThanOrEqual(rawSize(family, f.isa));
  });

  it('samples without replacement, deterministically by seed, valid with and without sizes', () => {
    fc.assert(
      fc.property(fc.constantFrom(...everyForm), fc.integer(), fc.integer({ min: 0, max: 40 }), fc.boolean(), ({ family, form: f }, seed, size, withDims) => {
        const dims = withDims ? family.raggedProblems(f.params)[0]?.dims : undefined;
        const spaceOptions = dims === undefined ? { family } : { family, dims };
        const found = sample(f, size, seededRandom(seed), spaceOptions);
        expect(sample(f, size, seededRandom(seed), spaceOptions)).toEqual(found);
        expect(new Set(found.map((v) => kernelId(v, family))).size).toBe(found.length);
        expect(found.filter((variant) => validate(variant, spaceOptions).length > 0)).toEqual([]);
        if (found.length < size) expect(found.length).toBe(count(f, spaceOptions));
      }),
      { numRuns: 150, seed: 3 },
    );
  });
});

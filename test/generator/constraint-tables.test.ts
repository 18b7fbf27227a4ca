import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pointTests, valuesAt } from '../../generator/constraint-tables.js';
import { FAMILIES } from '../../generator/families/index.js';
import { formsOf } from '../../generator/forms.js';
import { targetOf } from '../../generator/targets.js';
import type { Constraint, CpuIsa, Family } from '../../generator/types.js';
import { TINY } from './tiny.js';

const form = { isa: 'avx2', params: { dtype: 'f32' } } as const;
const axes = ['a', 'b', 'c'].map((name) => ({ name, values: [1, 2, 3, 4], doc: '' }));

function familyWith(holds: Constraint<CpuIsa>['holds']): Family {
  return { ...TINY, cpu: { ...TINY.cpu, axes, constraints: [{ name: 'one', reason: 'made for the test', holds }] } };
}

function* points(): Generator<number[]> {
  for (let i = 0; i < 64; i++) yield [i >> 4, (i >> 2) & 3, i & 3];
}

describe('constraint tables', () => {
  it('evaluates a constraint once per combination of the axes that it reads', () => {
    let calls = 0;
    const [holds] = pointTests(familyWith(({ axes: { b = 0 } }) => (calls++, b !== 2)), form, {});
    const found = [...points()].filter((point) => holds!(point)).length;
    expect(found).toBe(48);
    expect(calls).toBeLessThanOrEqual(1 + 4);
  });

  it('finds axes that are read only where others allow it', () => {
    const rule = ({ a = 0, b = 0, c = 0 }: Record<string, number>): boolean => a < 3 || (b > 2 ? c === 1 : true);
    const [holds] = pointTests(familyWith(({ axes: values }) => (values['a']! < 3 ? true : values['b']! > 2 ? values['c'] === 1 : true)), form, {});
    for (const point of points()) expect(holds!(point)).toBe(rule(valuesAt(axes, point)));
  });

  it('counts axes as read that are listed or asked for by name', () => {
    const [spread] = pointTests(familyWith(({ axes: values }) => Object.values({ ...values }).reduce((sum, v) => sum + v, 0) < 8), form, {});
    const [asked] = pointTests(familyWith(({ axes: values }) => 'b' in values && values['b'] === 4), form, {});
    for (const point of points()) {
      expect(spread!(point)).toBe(point[0]! + point[1]! + point[2]! + 3 < 8);
      expect(asked!(point)).toBe(point[1] === 3);
    }
  });

  it('evaluates directly where a table would be too large', () => {
    const many = Array.from({ length: 20 }, (_, i) => ({ name: `x${i}`, values: [0, 1, 2, 3], doc: '' }));
    const family: Family = {
      ...TINY,
      cpu: { ...TINY.cpu, axes: many, constraints: [{ name: 'sum', reason: 'all axes', holds: ({ axes: values }) => Object.values(values).reduce((sum, v) => sum + v, 0) % 2 === 0 }] },
    };
    const [holds] = pointTests(family, form, {});
    expect(holds!(new Int32Array(20))).toBe(true);
    expect(holds!([1, ...new Array<number>(19).fill(0)])).toBe(false);
  });

  it('agrees with the constraints of every family at random points, with and without sizes', () => {
    const forms = FAMILIES.flatMap((family) => formsOf(family).map((f) => ({ family, form: f })));
    fc.assert(
      fc.property(fc.constantFrom(...forms), fc.boolean(), fc.array(fc.nat(), { minLength: 16, maxLength: 16 }), ({ family, form: f }, withDims, numbers) => {
        const dims = withDims ? family.raggedProblems(f.params)[0]?.dims : undefined;
        const target = targetOf(family, f.isa);
        const point = target.axes.map((axis, i) => numbers[i]! % axis.values.length);
        const context = { isa: f.isa, params: f.params, axes: valuesAt(target.axes, point), ...(dims === undefined ? {} : { dims }) };
        const expected = target.constraints.map((constraint) => constraint.holds(context));
        expect(pointTests(family, f, dims === undefined ? {} : { dims }).map((holds) => holds(point))).toEqual(expected);
      }),
      { numRuns: 300, seed: 11 },
    );
  });
});

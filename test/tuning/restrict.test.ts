import { describe, expect, it } from 'vitest';
import { findFamily } from '../../generator/families/index.js';
import { kernelId, type Form } from '../../generator/ids.js';
import { defaultVariant, enumerate } from '../../generator/space.js';
import { UsageError } from '../../runtime/errors.js';
import { parseRestriction, restrictFamily } from '../../tuning/restrict.js';

const family = findFamily('linear_gemm') ?? expect.fail('linear_gemm is gone');
const form: Form = { family: 'linear_gemm', params: { dtype: 'bf16', layout: 'outin' }, isa: 'avx2' };

describe('parseRestriction', () => {
  it('reads axes separated by spaces or semicolons', () => {
    expect(parseRestriction('span=64,128 rows=4')).toEqual({ span: [64, 128], rows: [4] });
    expect(parseRestriction('span=64;rows=4')).toEqual({ span: [64], rows: [4] });
  });
  it.each(['', ' ', 'span', 'span=', 'span=a', '=4', 'span=64,,128'])('refuses %j', (text) => {
    expect(() => parseRestriction(text)).toThrow(UsageError);
  });
});

describe('restrictFamily', () => {
  it('keeps the variants with the wanted values, and the default', () => {
    const standard = defaultVariant(form, { family });
    const values = family.cpu.axes.find(({ name }) => name === 'depth')?.values ?? [];
    const other = values.find((value) => value !== standard.axes['depth']) ?? expect.fail('depth has one value only');
    const part = restrictFamily(family, 'avx2', form.params, { depth: [other], nosuchaxis: [1] });
    const ids = [...enumerate(form, { family: part })].map((variant) => kernelId(variant, family));
    const expected = [...enumerate(form, { family })].filter(({ axes }) => axes['depth'] === other).map((variant) => kernelId(variant, family));
    expect(expected.length).toBeGreaterThan(0);
    expect(new Set(ids)).toEqual(new Set([...expected, kernelId(standard, family)]));
    expect(defaultVariant(form, { family: part })).toEqual(standard);
  });
  it('leaves the form of another instruction set alone, and says what values there are', () => {
    expect(restrictFamily(family, 'sm80', form.params, { unroll: [1] }).cpu).toBe(family.cpu);
    expect(() => restrictFamily(family, 'avx2', form.params, { depth: [7] })).toThrow(/depth; it has \d+/);
  });
});

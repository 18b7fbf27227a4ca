/** Families that are nothing but a grid of axes, and costs on them. */
import type { Form } from '../../../generator/ids.js';
import { defaultVariant } from '../../../generator/space.js';
import type { AxisValues, Family, Variant } from '../../../generator/types.js';
import { toyFamily } from '../support/toy-family.js';

export function gridFamily(sizes: readonly number[], options: { readonly default: readonly number[]; readonly forbid?: (axes: AxisValues) => boolean }): Family {
  const { forbid } = options;
  return {
    ...toyFamily,
    name: 'toy_grid',
    cpu: {
      ...toyFamily.cpu,
      axes: sizes.map((size, i) => ({ name: `x${'abcdefgh'[i]!}`, values: Array.from({ length: size }, (_, value) => value), doc: 'test' })),
      defaults: () => Object.fromEntries(options.default.map((value, i) => [`x${'abcdefgh'[i]!}`, value])),
      constraints: forbid === undefined ? [] : [{ name: 'forbidden', reason: 'test', holds: ({ axes }) => !forbid(axes) }],
    },
  };
}

export const formOf = (family: Family): Form => ({ family: family.name, params: {}, isa: 'portable' });

/** Relative to the default: a valley on every axis, an interaction of the first two axes, and a hash that makes it rugged. */
export function ruggedCost(family: Family, form: Form = formOf(family)): (variant: Variant) => number {
  const { axes } = family.cpu;
  const log = (variant: Variant): number => {
    const digits = axes.map(({ name, values }) => values.indexOf(variant.axes[name]!));
    let hash = 2166136261;
    for (const digit of digits) hash = Math.imul(hash ^ digit, 16777619) >>> 0;
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) >>> 0;
    const valleys = digits.reduce((sum, digit, i) => sum + Math.abs(digit / Math.max(1, axes[i]!.values.length - 1) - [0.8, 0.6, 0.3, 0.9, 0.5, 0][i % 6]!) * (0.5 / (i + 1)), 0);
    return valleys + (digits[0]! % 2 === digits[1]! % 2 ? 0 : 0.1) + ((hash >>> 8) % 1000) / 1000 * 0.1;
  };
  const standard = log(defaultVariant(form, { family }));
  return (variant) => Math.exp(log(variant) - standard);
}

/** Part of a space: only some values of some axes. For exhaustive journals of spaces that are too large, and for questions such as "with span 64 only". */
import { isCpuIsa, isCudaIsa } from '../generator/targets.js';
import type { AxisValues, Family, Isa, Params, Target } from '../generator/types.js';
import { UsageError } from '../runtime/errors.js';

/** Values by axis name. */
export type Restriction = Readonly<Record<string, readonly number[]>>;

/** `span=64,128 rows=4` (also separated by `;`). Throws UsageError. */
export function parseRestriction(text: string): Restriction {
  const parts = text.split(/[\s;]+/).filter((part) => part !== '');
  const entries = parts.map((part): [string, number[]] => {
    const match = /^([a-z0-9]+)=(\d+(?:,\d+)*)$/.exec(part);
    if (match === null) throw new UsageError(`'${part}' is not a restriction of an axis; expected name=value,value, e.g. span=64,128`, { remedy: 'griffin kernels show FAMILY' });
    return [match[1] ?? '', (match[2] ?? '').split(',').map(Number)];
  });
  if (entries.length === 0) throw new UsageError('an empty restriction; expected name=value,value, e.g. span=64,128');
  return Object.fromEntries(entries);
}

/**
 * The family with fewer variants of a form; axes that it does not have are left to other families. The default variant stays one of them
 * whatever its values are. Throws UsageError when an axis would have no value left.
 */
export function restrictFamily(family: Family, isa: Isa, params: Params, restriction: Restriction): Family {
  if (isCpuIsa(isa)) return { ...family, cpu: restricted(family, family.cpu, family.cpu.defaults({ isa, params }), restriction) };
  if (isCudaIsa(isa) && family.cuda !== undefined) return { ...family, cuda: restricted(family, family.cuda, family.cuda.defaults({ isa, params }), restriction) };
  return family;
}

function restricted<T extends Pick<Target, 'axes' | 'constraints'>>(family: Family, target: T, standard: AxisValues, restriction: Restriction): T {
  const wanted = new Map<string, ReadonlySet<number>>();
  const axes = target.axes.map((axis) => {
    const asked = restriction[axis.name];
    if (asked === undefined) return axis;
    const values = axis.values.filter((value) => asked.includes(value));
    if (values.length === 0) {
      throw new UsageError(`${family.name} has none of the values ${asked.join(', ')} on its axis ${axis.name}; it has ${axis.values.join(', ')}`, { remedy: `griffin kernels show ${family.name}` });
    }
    wanted.set(axis.name, new Set(values));
    return { ...axis, values: axis.values.filter((value) => values.includes(value) || value === standard[axis.name]) };
  });
  const isDefault = (values: AxisValues): boolean => Object.entries(standard).every(([name, value]) => values[name] === value);
  const constraint = {
    name: 'restricted',
    reason: 'Only part of the space was asked for.',
    holds: ({ axes: values }: { readonly axes: AxisValues }) => isDefault(values) || [...wanted].every(([name, set]) => set.has(values[name] ?? Number.NaN)),
  };
  return { ...target, axes, constraints: [...target.constraints, constraint] };
}

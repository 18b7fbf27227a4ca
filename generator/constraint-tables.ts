import { targetOf } from './targets.js';
import type { AxisSpec, AxisValues, Constraint, Family, Isa, Params, VariantContext } from './types.js';

/** A point of a raw space: for every axis, the index of its value. */
export type Point = ArrayLike<number>;

/** Says of any point whether one constraint holds there. */
export interface PointTest {
  (point: Point): boolean;
  /** It evaluates the constraint anew at every point, for want of a table: ask it last. */
  readonly direct?: boolean;
}

/** A table with more entries than this costs more to fill than it saves. */
const LARGEST_TABLE = 2 ** 16;

/**
 * One test per constraint of a family. A constraint reads a few axes only, so it is evaluated once per combination of those and looked
 * up everywhere else: spaces of 10⁵ points are counted in milliseconds instead of seconds. Constraints are pure functions of what they read.
 */
export function pointTests(
  family: Family,
  form: { readonly isa: Isa; readonly params: Params },
  fixed: Pick<VariantContext, 'dims' | 'capability'>,
): readonly PointTest[] {
  const { constraints, axes } = targetOf(family, form.isa);
  return constraints.map((constraint) => pointTest(constraint, axes, { ...fixed, isa: form.isa, params: form.params }));
}

function pointTest(constraint: Constraint, axes: readonly AxisSpec[], context: Omit<VariantContext, 'axes'>): PointTest {
  const evaluate = (values: AxisValues): boolean => constraint.holds({ ...context, axes: values });
  const table = tabulate(evaluate, axes);
  return table ?? Object.assign((point: Point) => evaluate(valuesAt(axes, point)), { direct: true });
}

/** Starts from no axes and adds those that an evaluation reads, until every combination of them reads nothing else; null where that is too many. */
function tabulate(evaluate: (values: AxisValues) => boolean, axes: readonly AxisSpec[]): PointTest | null {
  const read = new Set<number>();
  for (;;) {
    const used = [...read].sort((a, b) => a - b);
    const size = used.reduce((product, axis) => product * sizeOf(axes, axis), 1);
    if (size > LARGEST_TABLE) return null;
    const answers = new Uint8Array(size);
    const point = new Int32Array(axes.length);
    for (let entry = 0; entry < size && read.size === used.length; entry++) {
      let rest = entry;
      for (const axis of used) {
        point[axis] = rest % sizeOf(axes, axis);
        rest = Math.floor(rest / sizeOf(axes, axis));
      }
      answers[entry] = evaluate(watched(valuesAt(axes, point), axes, read)) ? 1 : 0;
    }
    if (read.size > used.length) continue;
    const strides = used.map((_, i) => used.slice(0, i).reduce((product, axis) => product * sizeOf(axes, axis), 1));
    return (at) => {
      let entry = 0;
      for (let i = 0; i < used.length; i++) entry += (at[used[i]!] ?? 0) * strides[i]!;
      return answers[entry] === 1;
    };
  }
}

function sizeOf(axes: readonly AxisSpec[], axis: number): number {
  return axes[axis]?.values.length ?? 1;
}

/** The axis values at a point, in declared order, so that two equal variants print alike. */
export function valuesAt(axes: readonly AxisSpec[], point: Point): AxisValues {
  const values: Record<string, number> = {};
  for (const [i, axis] of axes.entries()) values[axis.name] = axis.values[point[i] ?? 0] ?? 0;
  return values;
}

/** The same values; notes in `read` which axes are looked at. Listing the axes counts as looking at all of them. */
function watched(values: AxisValues, axes: readonly AxisSpec[], read: Set<number>): AxisValues {
  const note = (name: string | symbol): void => {
    const index = axes.findIndex((axis) => axis.name === name);
    if (index >= 0) read.add(index);
  };
  return new Proxy(values, {
    get(target, name) {
      note(name);
      return Reflect.get(target, name) as unknown;
    },
    has(target, name) {
      note(name);
      return Reflect.has(target, name);
    },
    ownKeys(target) {
      axes.forEach((_, index) => read.add(index));
      return Reflect.ownKeys(target);
    },
  });
}

/**
 * The variants of a search as points of a grid: a point is a number that tells the value of every axis, so that what was tried and what
 * is left are sets of numbers, also in spaces of 10⁵ variants. Nothing is listed before it is asked for.
 */
import { pointTests, valuesAt, type PointTest } from '../../generator/constraint-tables.js';
import { kernelId, type Form } from '../../generator/ids.js';
import { defaultVariant } from '../../generator/space.js';
import { targetOf } from '../../generator/targets.js';
import type { AxisSpec, Family, Variant } from '../../generator/types.js';
import { seedFrom } from '../statistics.js';
import type { SpaceDescription } from './search.js';

export interface SearchSpace {
  readonly form: Form;
  readonly family: Family;
  /** Axes with the values that occur; the digit of an axis is the index of its value. */
  readonly axes: readonly AxisSpec[];
  /** Points of the grid, valid or not: a point is a whole number below this. */
  readonly gridSize: number;
  readonly defaultPoint: number;
  /** Whether a point is a variant of this space. The default always is. */
  has(point: number): boolean;
  /** How many are. Counted once, when asked for. */
  size(): number;
  variantAt(point: number): Variant;
  idAt(point: number): string;
  /** One digit per axis. */
  digitsAt(point: number): Int32Array;
  pointAt(digits: ArrayLike<number>): number;
  /** Null for a variant that is not of this space. */
  pointOf(variant: Variant): number | null;
}

/** The variants that are valid for a problem, or one shard of them. */
export function spaceOf(description: SpaceDescription): SearchSpace {
  const { form, family, dims, capability, shard } = description;
  if (shard !== undefined && !(Number.isInteger(shard.of) && shard.index >= 0 && shard.index < shard.of)) {
    throw new RangeError(`shard ${shard.index} of ${shard.of}: the index goes from 0 to one below the number of shards`);
  }
  const { axes } = targetOf(family, form.isa);
  let tests: readonly PointTest[] | null = null;
  const grid = gridOf(form, family, axes);
  return withMembers(grid, defaultVariant(form, { family }), (point) => {
    tests ??= [...pointTests(family, form, { dims, ...(capability === undefined ? {} : { capability }) })].sort((a, b) => Number(a.direct ?? false) - Number(b.direct ?? false));
    const digits = grid.digitsAt(point);
    return tests.every((holds) => holds(digits)) && (shard === undefined || shard.of === 1 || shardOf(grid.idAt(point), shard.of) === shard.index);
  });
}

/** Exactly these variants of one form, with the axes narrowed to the values that occur: neighbours are neighbours among them. */
export function spaceOfVariants(form: Form, family: Family, variants: readonly Variant[]): SearchSpace {
  const standard = defaultVariant(form, { family });
  const axes = targetOf(family, form.isa).axes.map((axis) => {
    const used = new Set([standard, ...variants].map((variant) => variant.axes[axis.name]));
    return { ...axis, values: axis.values.filter((value) => used.has(value)) };
  });
  const grid = gridOf(form, family, axes);
  const members = new Set(variants.flatMap((variant) => grid.gridPointOf(variant) ?? []));
  return withMembers(grid, standard, (point) => members.has(point));
}

/** The shard of a kernel: FNV-1a of its id, mixed (its low bits alone see only the low bits of the characters), modulo the shards. */
export function shardOf(id: string, shards: number): number {
  let hash = seedFrom(id);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % shards;
}

type Grid = Omit<SearchSpace, 'defaultPoint' | 'has' | 'size' | 'pointOf'> & { gridPointOf(variant: Variant): number | null };

function gridOf(form: Form, family: Family, axes: readonly AxisSpec[]): Grid {
  const sizes = axes.map((axis) => axis.values.length);
  const variantAt = (point: number): Variant => ({ family: form.family, params: form.params, isa: form.isa, axes: valuesAt(axes, digitsAt(point)) });
  function digitsAt(point: number): Int32Array {
    const digits = new Int32Array(sizes.length);
    let rest = point;
    for (let i = sizes.length - 1; i >= 0; i--) {
      const size = sizes[i]!;
      digits[i] = rest % size;
      rest = Math.floor(rest / size);
    }
    return digits;
  }
  function pointAt(digits: ArrayLike<number>): number {
    let point = 0;
    for (let i = 0; i < sizes.length; i++) point = point * sizes[i]! + digits[i]!;
    return point;
  }
  return {
    form,
    family,
    axes,
    gridSize: sizes.reduce((product, size) => product * size, 1),
    digitsAt,
    pointAt,
    variantAt,
    idAt: (point) => kernelId(variantAt(point), family),
    gridPointOf(variant) {
      if (variant.family !== form.family || variant.isa !== form.isa || Object.entries(form.params).some(([name, value]) => variant.params[name] !== value)) return null;
      if (Object.keys(variant.axes).length !== axes.length) return null;
      const digits = axes.map((axis) => axis.values.indexOf(variant.axes[axis.name] ?? Number.NaN));
      return digits.includes(-1) ? null : pointAt(digits);
    },
  };
}

function withMembers(grid: Grid, standard: Variant, isMember: (point: number) => boolean): SearchSpace {
  const defaultPoint = grid.gridPointOf(standard);
  if (defaultPoint === null) throw new RangeError(`the default variant ${kernelId(standard, grid.family)} is not on the grid of its own axes`);
  const has = (point: number): boolean => point === defaultPoint || isMember(point);
  let size: number | null = null;
  return {
    ...grid,
    defaultPoint,
    has,
    size() {
      if (size === null) {
        size = 0;
        for (let point = 0; point < grid.gridSize; point++) if (has(point)) size++;
      }
      return size;
    },
    pointOf(variant) {
      const point = grid.gridPointOf(variant);
      return point !== null && has(point) ? point : null;
    },
  };
}

/** Points that differ by one step on one axis, in the order of the axes. */
export function neighboursOf(space: SearchSpace, point: number): readonly number[] {
  const digits = space.digitsAt(point);
  return space.axes.flatMap((axis, i) => {
    const at = digits[i]!;
    return [at - 1, at + 1].filter((digit) => digit >= 0 && digit < axis.values.length).map((digit) => moved(space, digits, i, digit));
  }).filter((near) => space.has(near));
}

/** The point with another digit on one axis. It may not be a member. */
export function moved(space: SearchSpace, digits: Int32Array, axis: number, digit: number): number {
  const other = Int32Array.from(digits);
  other[axis] = digit;
  return space.pointAt(other);
}

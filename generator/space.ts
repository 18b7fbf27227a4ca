import { pointTests, valuesAt, type PointTest } from './constraint-tables.js';
import { GeneratorError } from './errors.js';
import { requireFamily, type Form } from './ids.js';
import { targetOf } from './targets.js';
import type { AxisSpec, AxisValues, Dims, Family, Isa, Random, Variant, VariantContext } from './types.js';

export interface SpaceOptions {
  /** The form's family, where it is not in the registry. */
  readonly family?: Family;
  /** Sizes of the problem; absent for a form considered without one. */
  readonly dims?: Dims;
  /** CUDA: the device's compute capability, 10 × major + minor; absent: what fits everywhere. */
  readonly capability?: number;
}

export interface Violation {
  readonly name: string;
  readonly reason: string;
}

/** Everything that is wrong with a variant, each with its reason; empty when it is valid. */
export function validate(variant: Variant, options: SpaceOptions = {}): readonly Violation[] {
  const family = options.family ?? requireFamily(variant.family);
  const target = targetOf(family, variant.isa);
  const wrong: Violation[] = [];
  for (const spec of family.params) {
    const value = variant.params[spec.name];
    if (value === undefined || !spec.values.includes(value)) {
      wrong.push({ name: spec.name, reason: `Parameter ${spec.name} is ${String(value)}; allowed are ${spec.values.join(', ')}.` });
    }
  }
  for (const axis of target.axes) {
    const value = variant.axes[axis.name];
    if (value === undefined || !axis.values.includes(value)) {
      wrong.push({ name: axis.name, reason: `Axis ${axis.name} is ${String(value)}; allowed are ${axis.values.join(', ')}.` });
    }
  }
  for (const name of Object.keys(variant.axes)) {
    if (!target.axes.some((axis) => axis.name === name)) wrong.push({ name, reason: `${family.name} has no axis ${name}.` });
  }
  if (wrong.length > 0) return wrong; // constraints may assume values from the lists
  const context = { isa: variant.isa, params: variant.params, axes: variant.axes, ...fixedOf(options) };
  return target.constraints.filter((constraint) => !constraint.holds(context)).map(({ name, reason }) => ({ name, reason }));
}

/** All valid variants of a form, in a fixed order: the last axis varies fastest. */
export function* enumerate(form: Form, options: SpaceOptions = {}): Generator<Variant> {
  const family = options.family ?? requireFamily(form.family);
  const { axes } = targetOf(family, form.isa);
  const tests = cheapFirst(pointTests(family, form, fixedOf(options)));
  const point = new Int32Array(axes.length);
  for (let index = 0; index < sizeOf(axes); index++) {
    pointAt(axes, index, point);
    if (tests.every((holds) => holds(point))) yield variantOf(form, valuesAt(axes, point));
  }
}

/** Number of valid variants of a form. */
export function count(form: Form, options: SpaceOptions = {}): number {
  const family = options.family ?? requireFamily(form.family);
  const { axes } = targetOf(family, form.isa);
  const tests = cheapFirst(pointTests(family, form, fixedOf(options)));
  const point = new Int32Array(axes.length);
  let valid = 0;
  for (let index = 0; index < sizeOf(axes); index++) {
    pointAt(axes, index, point);
    if (tests.every((holds) => holds(point))) valid++;
  }
  return valid;
}

function cheapFirst(tests: readonly PointTest[]): readonly PointTest[] {
  return [...tests].sort((a, b) => Number(a.direct ?? false) - Number(b.direct ?? false));
}

/** Number of points before constraints. */
export function rawSize(family: Family, isa: Isa): number {
  return sizeOf(targetOf(family, isa).axes);
}

function sizeOf(axes: readonly AxisSpec[]): number {
  return axes.reduce((product, axis) => product * axis.values.length, 1);
}

/**
 * Up to `size` different valid variants, uniform over the valid ones, in random order; all of them when there are fewer. The same
 * generator state gives the same sample. A partial Fisher–Yates shuffle of the raw indices, kept sparse, that skips invalid points:
 * the first valid ones of a uniform random order are a uniform sample.
 */
export function sample(form: Form, size: number, random: Random, options: SpaceOptions = {}): readonly Variant[] {
  const family = options.family ?? requireFamily(form.family);
  const { axes } = targetOf(family, form.isa);
  const total = sizeOf(axes);
  const moved = new Map<number, number>();
  const found: Variant[] = [];
  const tests = cheapFirst(pointTests(family, form, fixedOf(options)));
  const point = new Int32Array(axes.length);
  for (let i = 0; i < total && found.length < size; i++) {
    const j = i + Math.floor(random() * (total - i));
    const index = moved.get(j) ?? j;
    moved.set(j, moved.get(i) ?? i);
    moved.delete(i);
    pointAt(axes, index, point);
    if (tests.every((holds) => holds(point))) found.push(variantOf(form, valuesAt(axes, point)));
  }
  return found;
}

export interface Exclusion extends Violation {
  /** Points of the raw space that this constraint refuses, whatever the others say. */
  readonly excluded: number;
  /** Points that only this constraint refuses. */
  readonly alone: number;
}

export interface SpaceReport {
  readonly raw: number;
  readonly valid: number;
  readonly exclusions: readonly Exclusion[];
}

/** The size of a form's space and what each constraint takes from it. */
export function describeSpace(form: Form, options: SpaceOptions = {}): SpaceReport {
  const family = options.family ?? requireFamily(form.family);
  const { axes } = targetOf(family, form.isa);
  const raw = sizeOf(axes);
  const tests = pointTests(family, form, fixedOf(options));
  const counts = tests.map(() => ({ excluded: 0, alone: 0 }));
  const point = new Int32Array(axes.length);
  let valid = 0;
  for (let index = 0; index < raw; index++) {
    pointAt(axes, index, point);
    let broken = 0;
    let last = -1;
    for (let i = 0; i < tests.length; i++) {
      if (tests[i]!(point)) continue;
      counts[i]!.excluded++;
      broken++;
      last = i;
    }
    if (broken === 0) valid++;
    if (broken === 1) counts[last]!.alone++;
  }
  const exclusions = targetOf(family, form.isa).constraints.map(({ name, reason }, i) => ({ name, reason, excluded: counts[i]?.excluded ?? 0, alone: counts[i]?.alone ?? 0 }));
  return { raw, valid, exclusions };
}

/** The variant used where nothing is tuned. Throws a GeneratorError when the family's own default violates a constraint. */
export function defaultVariant(form: Form, options: SpaceOptions = {}): Variant {
  const family = options.family ?? requireFamily(form.family);
  const variant = variantOf(form, targetOf(family, form.isa).defaults({ isa: form.isa, params: form.params }));
  const wrong = validate(variant, { ...options, family });
  if (wrong.length > 0) {
    const reasons = wrong.map(({ name, reason }) => `  ${name}: ${reason}`).join('\n');
    throw new GeneratorError('VARIANT', `${family.name} on ${form.isa}: the default variant is not valid:\n${reasons}`);
  }
  return variant;
}

/** Writes the `index`-th point of the raw space; the last axis varies fastest. */
function pointAt(axes: readonly AxisSpec[], index: number, point: Int32Array): void {
  let rest = index;
  for (let i = axes.length - 1; i >= 0; i--) {
    const size = axes[i]?.values.length ?? 1;
    point[i] = rest % size;
    rest = Math.floor(rest / size);
  }
}

function variantOf(form: Form, axes: AxisValues): Variant {
  return { family: form.family, params: form.params, isa: form.isa, axes };
}

function fixedOf({ dims, capability }: SpaceOptions): Pick<VariantContext, 'dims' | 'capability'> {
  return { ...(dims === undefined ? {} : { dims }), ...(capability === undefined ? {} : { capability }) };
}

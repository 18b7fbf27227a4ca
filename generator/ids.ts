import { GeneratorError } from './errors.js';
import { FAMILIES } from './families/index.js';
import { isasOf, targetOf } from './targets.js';
import type { AxisSpec, AxisValues, Family, Isa, Params, Variant } from './types.js';

/** What must be compiled separately before any tuning choice. */
export interface Form {
  readonly family: string;
  readonly params: Params;
  readonly isa: Isa;
}

const FAMILY_NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
const PARAM_VALUE = /^[a-z0-9]+$/;
const AXIS_NAME = /^[a-z]+$/;

/** The family of that name among `families`. Throws a GeneratorError that lists the names there are. */
export function requireFamily(name: string, families: readonly Family[] = FAMILIES): Family {
  const family = families.find((candidate) => candidate.name === name);
  if (family === undefined) {
    throw new GeneratorError('ID', `unknown kernel family "${name}"; there are: ${families.map((f) => f.name).join(', ') || 'none'}`);
  }
  return family;
}

/** `<family>__<param values joined by _, or any>__<isa>`, e.g. `ff_down_gather__bf16__avx512`. */
export function formId(form: Form, family: Family = requireFamily(form.family)): string {
  checkFamilyName(family);
  const values = family.params.map((spec) => {
    const value = form.params[spec.name];
    if (value === undefined || !spec.values.includes(value)) {
      throw new GeneratorError('ID', `${family.name}: parameter ${spec.name} is ${String(value)}; allowed: ${spec.values.join(', ')}`);
    }
    if (!PARAM_VALUE.test(value)) {
      throw new GeneratorError('ID', `${family.name}: parameter value ${spec.name}=${value} is not a token of a-z and 0-9`);
    }
    return value;
  });
  return `${family.name}__${values.join('_') || 'any'}__${form.isa}`;
}

/** The form id and the axes, e.g. `ff_down_gather__bf16__avx512__slices16_rows4_ahead2`; `base` for a family without axes. */
export function kernelId(variant: Variant, family: Family = requireFamily(variant.family)): string {
  const axes = targetOf(family, variant.isa).axes.map((spec) => {
    const value = variant.axes[spec.name];
    if (value === undefined || !Number.isSafeInteger(value) || value < 0) {
      throw new GeneratorError('ID', `${family.name}: axis ${spec.name} is ${String(value)}; expected one of ${spec.values.join(', ')}`);
    }
    if (!AXIS_NAME.test(spec.name)) throw new GeneratorError('ID', `${family.name}: axis name ${spec.name} is not one lower-case word`);
    return `${spec.name}${value}`;
  });
  return `${formId(variant, family)}__${axes.join('_') || 'base'}`;
}

/** The reverse of `formId`. Throws a GeneratorError that says which part is wrong. */
export function parseFormId(id: string, families: readonly Family[] = FAMILIES): Form {
  const parts = id.split('__');
  const [name, params, isa] = parts;
  if (parts.length !== 3 || name === undefined || params === undefined || isa === undefined) {
    throw new GeneratorError('ID', `"${id}" is not a form id; expected <family>__<params or any>__<isa>, e.g. ff_down_gather__bf16__avx512`);
  }
  return parseForm(id, requireFamily(name, families), params, isa);
}

/** The reverse of `kernelId`. Values outside an axis's list are refused; constraints are not checked (see `validate` in space.ts). */
export function parseKernelId(id: string, families: readonly Family[] = FAMILIES): Variant {
  const parts = id.split('__');
  const [name, params, isa, axes] = parts;
  if (parts.length !== 4 || name === undefined || params === undefined || isa === undefined || axes === undefined) {
    throw new GeneratorError(
      'ID',
      `"${id}" is not a kernel id; expected <family>__<params or any>__<isa>__<axes or base>, e.g. ff_down_gather__bf16__avx512__slices16_rows4`,
    );
  }
  const family = requireFamily(name, families);
  const form = parseForm(id, family, params, isa);
  return { ...form, axes: parseAxes(id, targetOf(family, form.isa).axes, family.name, axes) };
}

/** The symbol of a kernel in its shared object. */
export function symbolOf(variant: Variant, family?: Family): string {
  return symbolOfId(kernelId(variant, family));
}

export function symbolOfId(id: string): string {
  return `gk_${id}`;
}

/** The C++ namespace of a kernel's private code. */
export function namespaceOfId(id: string): string {
  return `${symbolOfId(id)}_ns`;
}

function checkFamilyName(family: Family): void {
  if (!FAMILY_NAME.test(family.name)) throw new GeneratorError('ID', `family name "${family.name}" is not snake case`);
}

function parseForm(id: string, family: Family, params: string, isa: string): Form {
  if (!(isasOf(family) as readonly string[]).includes(isa)) {
    throw new GeneratorError('ID', `"${id}": unknown instruction set "${isa}"; ${family.name} has: ${isasOf(family).join(', ')}`);
  }
  const values = family.params.length === 0 ? [] : params.split('_');
  if (family.params.length === 0 ? params !== 'any' : values.length !== family.params.length) {
    const expected = family.params.map((spec) => spec.name).join('_') || 'any';
    throw new GeneratorError('ID', `"${id}": parameters "${params}" do not fit ${family.name}; expected ${expected}`);
  }
  const result: Record<string, string> = {};
  family.params.forEach((spec, i) => {
    const value = values[i] ?? '';
    if (!spec.values.includes(value)) {
      throw new GeneratorError('ID', `"${id}": ${spec.name} is "${value}"; allowed: ${spec.values.join(', ')}`);
    }
    result[spec.name] = value;
  });
  return { family: family.name, params: result, isa: isa as Isa };
}

function parseAxes(id: string, axes: readonly AxisSpec[], family: string, text: string): AxisValues {
  const tokens = axes.length === 0 ? [] : text.split('_');
  if (axes.length === 0 ? text !== 'base' : tokens.length !== axes.length) {
    const expected = axes.map((spec) => `${spec.name}N`).join('_') || 'base';
    throw new GeneratorError('ID', `"${id}": axes "${text}" do not fit ${family}; expected ${expected}`);
  }
  const result: Record<string, number> = {};
  axes.forEach((spec, i) => {
    const match = /^([a-z]+)(0|[1-9][0-9]*)$/.exec(tokens[i] ?? '');
    if (match?.[1] !== spec.name) {
      throw new GeneratorError('ID', `"${id}": expected axis ${spec.name} at position ${i + 1}, found "${tokens[i] ?? ''}"`);
    }
    const value = Number(match[2]);
    if (!spec.values.includes(value)) {
      throw new GeneratorError('ID', `"${id}": ${spec.name} is ${value}; allowed: ${spec.values.join(', ')}`);
    }
    result[spec.name] = value;
  });
  return result;
}

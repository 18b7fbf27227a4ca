/** What `griffin kernels list` and `show` print: families and their spaces, as objects (for --json) and as text. */
import { formsOf } from '../../generator/forms.js';
import { formId, kernelId, type Form } from '../../generator/ids.js';
import { count, defaultVariant, describeSpace, rawSize, type Exclusion } from '../../generator/space.js';
import { isasOf, isCpuIsa, targetOf } from '../../generator/targets.js';
import type { AxisSpec, Family, Isa } from '../../generator/types.js';

export interface FormDescription {
  readonly id: string;
  readonly isa: Isa;
  readonly params: Readonly<Record<string, string>>;
  /** Kernel id of the default variant. */
  readonly default: string;
  /** Points of the space before and after constraints. */
  readonly raw: number;
  readonly valid: number;
  /** What each constraint takes; only where it was asked for, since counting it takes longer. */
  readonly exclusions?: readonly Exclusion[];
}

export interface DescribeOptions {
  /** Of a CUDA device (10 × major + minor), to count the spaces for. Absent: variants that fit every device. */
  readonly capability?: number;
  readonly exclusions?: boolean;
}

export interface FamilyDescription {
  readonly name: string;
  readonly summary: string;
  readonly formula: string;
  readonly source: string;
  readonly params: Family['params'];
  readonly tensors: readonly { readonly name: string; readonly role: string; readonly optional: boolean; readonly doc: string }[];
  readonly scalars: readonly { readonly name: string; readonly type: string; readonly dynamic: boolean; readonly doc: string }[];
  /** What the family's forms for CPUs and for CUDA have of their own; those that were asked for. */
  readonly targets: readonly TargetDescription[];
  readonly forms: readonly FormDescription[];
}

export interface TargetDescription {
  readonly kind: 'cpu' | 'cuda';
  readonly isas: readonly Isa[];
  readonly template: string;
  readonly axes: readonly AxisSpec[];
  readonly constraints: readonly { readonly name: string; readonly reason: string }[];
}

/** Describes a family for some instruction sets; those that it has no forms for are left out. */
export function describeFamily(family: Family, isas: readonly Isa[], options: DescribeOptions = {}): FamilyDescription {
  return {
    name: family.name,
    summary: family.summary,
    formula: family.formula,
    source: family.source,
    params: family.params,
    tensors: family.tensors.map(({ name, role, optional, doc }) => ({ name, role, optional: optional ?? false, doc })),
    scalars: family.scalars.map(({ name, type, dynamic, doc }) => ({ name, type, dynamic: dynamic ?? false, doc })),
    targets: describeTargets(family, isas),
    forms: formsOf(family, isas).map((form) => describeForm(form, family, options)),
  };
}

function describeTargets(family: Family, wanted: readonly Isa[]): TargetDescription[] {
  const isas = isasOf(family).filter((isa) => wanted.includes(isa));
  return (['cpu', 'cuda'] as const).flatMap((kind) => {
    const own = isas.filter((isa) => isCpuIsa(isa) === (kind === 'cpu'));
    if (own[0] === undefined) return [];
    const { template, axes, constraints } = targetOf(family, own[0]);
    return [{ kind, isas: own, template, axes, constraints: constraints.map(({ name, reason }) => ({ name, reason })) }];
  });
}

function describeForm(form: Form, family: Family, { capability, exclusions = false }: DescribeOptions): FormDescription {
  const options = { family, ...(capability === undefined || isCpuIsa(form.isa) ? {} : { capability }) };
  return {
    id: formId(form, family),
    isa: form.isa,
    params: form.params,
    default: kernelId(defaultVariant(form, { family }), family),
    ...(exclusions ? describeSpace(form, options) : { raw: rawSize(family, form.isa), valid: count(form, options) }),
  };
}

/** One paragraph per family. */
export function listText(families: readonly FamilyDescription[]): string {
  return families.map((family) => `${family.name}\n${indent([family.summary, family.formula, ...spaceLines(family)])}\n`).join('\n');
}

function spaceLines(family: FamilyDescription): string[] {
  const params = family.params.map((param) => `${param.name}: ${param.values.join(' ')}`).join(' · ') || 'none';
  const targets = family.targets.flatMap((target) => {
    const axes = target.axes.map((axis) => `${axis.name} ${axis.values.join(' ')}`).join(' · ') || 'no axes';
    return [`${target.kind.padEnd(7)} ${axes}`, `${' '.repeat(7)} ${sizesByIsa(family, target)}`];
  });
  return [`params  ${params}`, ...targets];
}

/** Valid variants per instruction set, as a range where parameters change it. */
function sizesByIsa(family: FamilyDescription, target: TargetDescription): string {
  const formsOfIsa = (isa: Isa): readonly FormDescription[] => family.forms.filter((form) => form.isa === isa);
  const sizes = target.isas.map((isa) => {
    const valid = formsOfIsa(isa).map((form) => form.valid);
    const [low, high] = [Math.min(...valid), Math.max(...valid)];
    return `${isa} ${low === high ? low : `${low}–${high}`}`;
  });
  const raw = target.isas.flatMap(formsOfIsa)[0]?.raw ?? 0;
  return `${sizes.join(' · ')} of ${raw} variants per form`;
}

/** Everything about one family; with `reasons`, what each constraint excludes in every form. */
export function showText(family: FamilyDescription, options: { readonly reasons: boolean }): string {
  const sections = [
    `${family.name}\n${indent([family.summary, family.formula, `Method: ${family.source}`])}`,
    section('Parameters', family.params.map((param) => `${param.name} (${param.values.join(', ')}): ${param.doc}`)),
    section('Tensors, in launch order', family.tensors.map((tensor) => `${tensor.name} (${tensor.role}${tensor.optional ? ', may be null' : ''}): ${tensor.doc}`)),
    section('Scalars, in launch order', family.scalars.map((scalar) => `${scalar.name} (${scalar.type}${scalar.dynamic ? ', dynamic' : ''}): ${scalar.doc}`)),
    ...family.targets.flatMap((target) => [
      section(`Template (${target.kind})`, [`templates/${target.template}`]),
      section(`Tuning axes (${target.kind})`, target.axes.map((axis) => `${axis.name} (${axis.values.join(', ')}): ${axis.doc}`)),
      section(`Constraints (${target.kind})`, target.constraints.map((constraint) => `${constraint.name}: ${constraint.reason}`)),
      section(`Space (${target.kind})`, [sizesByIsa(family, target)]),
    ]),
    section('Default variants', family.forms.map((form) => form.default)),
  ];
  if (options.reasons) sections.push(section('Excluded by constraint (alone)', family.forms.map(exclusionLine)));
  return `${sections.filter((text) => text !== '').join('\n\n')}\n`;
}

/** The size of every form's space, and what each constraint excludes: all it refuses, and (in brackets) what only it refuses. */
export function spaceText(family: FamilyDescription): string {
  return `${family.forms.map(exclusionLine).join('\n')}\n`;
}

function exclusionLine(form: FormDescription): string {
  const parts = (form.exclusions ?? []).map(({ name, excluded, alone }) => `${name} ${excluded} (${alone})`);
  return `${form.id}: ${form.valid} of ${form.raw} valid${parts.length === 0 ? '' : `; ${parts.join(', ')}`}`;
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${title}\n${indent(lines)}`;
}

function indent(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}`).join('\n');
}

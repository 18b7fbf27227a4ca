/** What `griffin kernels list` and `show` print: families and their spaces, as objects (for --json) and as text. */
import { formsOf } from '../../generator/forms.js';
import { formId, kernelId, type Form } from '../../generator/ids.js';
import { defaultVariant, describeSpace, type SpaceReport } from '../../generator/space.js';
import type { Family, Isa } from '../../generator/types.js';

export interface FormDescription extends SpaceReport {
  readonly id: string;
  readonly isa: Isa;
  readonly params: Readonly<Record<string, string>>;
  /** Kernel id of the default variant. */
  readonly default: string;
}

export interface FamilyDescription {
  readonly name: string;
  readonly summary: string;
  readonly formula: string;
  readonly source: string;
  readonly params: Family['params'];
  readonly tensors: readonly { readonly name: string; readonly role: string; readonly optional: boolean; readonly doc: string }[];
  readonly scalars: readonly { readonly name: string; readonly type: string; readonly dynamic: boolean; readonly doc: string }[];
  readonly axes: Family['axes'];
  readonly template: string;
  readonly forms: readonly FormDescription[];
}

export function describeFamily(family: Family, isas: readonly Isa[]): FamilyDescription {
  return {
    name: family.name,
    summary: family.summary,
    formula: family.formula,
    source: family.source,
    params: family.params,
    tensors: family.tensors.map(({ name, role, optional, doc }) => ({ name, role, optional: optional ?? false, doc })),
    scalars: family.scalars.map(({ name, type, dynamic, doc }) => ({ name, type, dynamic: dynamic ?? false, doc })),
    axes: family.axes,
    template: family.template,
    forms: formsOf(family, isas).map((form) => describeForm(form, family)),
  };
}

function describeForm(form: Form, family: Family): FormDescription {
  return {
    id: formId(form, family),
    isa: form.isa,
    params: form.params,
    default: kernelId(defaultVariant(form, { family }), family),
    ...describeSpace(form, { family }),
  };
}

/** One paragraph per family. */
export function listText(families: readonly FamilyDescription[]): string {
  return families.map((family) => `${family.name}\n${indent([family.summary, family.formula, ...spaceLines(family)])}\n`).join('\n');
}

function spaceLines(family: FamilyDescription): string[] {
  const params = family.params.map((param) => `${param.name}: ${param.values.join(' ')}`).join(' · ') || 'none';
  const axes = family.axes.map((axis) => `${axis.name} ${axis.values.join(' ')}`).join(' · ') || 'none';
  return [`params  ${params}`, `axes    ${axes}`, `space   ${sizesByIsa(family)}`];
}

/** Valid variants per instruction set, as a range where parameters change it. */
function sizesByIsa(family: FamilyDescription): string {
  const isas = [...new Set(family.forms.map((form) => form.isa))];
  const raw = family.forms[0]?.raw ?? 0;
  const sizes = isas.map((isa) => {
    const valid = family.forms.filter((form) => form.isa === isa).map((form) => form.valid);
    const [low, high] = [Math.min(...valid), Math.max(...valid)];
    return `${isa} ${low === high ? low : `${low}–${high}`}`;
  });
  return `${sizes.join(' · ')} of ${raw} variants per form`;
}

/** Everything about one family; with `reasons`, what each constraint excludes in every form. */
export function showText(family: FamilyDescription, constraints: Family['constraints'], options: { readonly reasons: boolean }): string {
  const sections = [
    `${family.name}\n${indent([family.summary, family.formula, `Method: ${family.source}`, `Template: templates/${family.template}`])}`,
    section('Parameters', family.params.map((param) => `${param.name} (${param.values.join(', ')}): ${param.doc}`)),
    section('Tensors, in launch order', family.tensors.map((tensor) => `${tensor.name} (${tensor.role}${tensor.optional ? ', may be null' : ''}): ${tensor.doc}`)),
    section('Scalars, in launch order', family.scalars.map((scalar) => `${scalar.name} (${scalar.type}${scalar.dynamic ? ', dynamic' : ''}): ${scalar.doc}`)),
    section('Tuning axes', family.axes.map((axis) => `${axis.name} (${axis.values.join(', ')}): ${axis.doc}`)),
    section('Constraints', constraints.map((constraint) => `${constraint.name}: ${constraint.reason}`)),
    section('Space', [sizesByIsa(family)]),
    section('Default variants', family.forms.map((form) => form.default)),
  ];
  if (options.reasons) sections.push(section('Excluded by constraint (alone)', family.forms.map(exclusionLine)));
  return `${sections.filter((text) => text !== '').join('\n\n')}\n`;
}

function exclusionLine(form: FormDescription): string {
  const parts = form.exclusions.map(({ name, excluded, alone }) => `${name} ${excluded} (${alone})`);
  return `${form.id}: ${form.valid} of ${form.raw} valid${parts.length === 0 ? '' : `; ${parts.join(', ')}`}`;
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${title}\n${indent(lines)}`;
}

function indent(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}`).join('\n');
}

import { FAMILIES } from './families/index.js';
import { type Form, formId } from './ids.js';
import { defaultVariant } from './space.js';
import { isasOf } from './targets.js';
import { CPU_ISAS, ISAS, type Family, type Isa, type Params, type Variant } from './types.js';

/** All combinations of a family's compile-time parameters, the last parameter varying fastest. */
export function paramSets(family: Family): readonly Params[] {
  return family.params.reduce<readonly Params[]>(
    (sets, spec) => sets.flatMap((set) => spec.values.map((value) => ({ ...set, [spec.name]: value }))),
    [{}],
  );
}

/** Instruction sets that have default kernels: a device with `sm90` runs the `sm80` ones where nothing is tuned. */
export const DEFAULT_ISAS: readonly Isa[] = [...CPU_ISAS, 'sm80'];

/** Parameters × those of the instruction sets that the family has forms for. */
export function formsOf(family: Family, isas: readonly Isa[] = ISAS): readonly Form[] {
  const own = isasOf(family);
  return isas.filter((isa) => own.includes(isa)).flatMap((isa) => paramSets(family).map((params) => ({ family: family.name, params, isa })));
}

export interface DefaultKernel {
  readonly form: Form;
  readonly formId: string;
  readonly family: Family;
  readonly variant: Variant;
}

/** The default variant of every form of every family, by instruction set, then family, then parameters. */
export function defaultKernels(families: readonly Family[] = FAMILIES, isas: readonly Isa[] = DEFAULT_ISAS): readonly DefaultKernel[] {
  return isas.flatMap((isa) =>
    families.flatMap((family) =>
      formsOf(family, [isa]).map((form) => ({ form, formId: formId(form, family), family, variant: defaultVariant(form, { family }) })),
    ),
  );
}

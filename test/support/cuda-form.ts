import { CAPABILITIES } from '../../generator/capabilities.js';
import { cudaLaunch } from '../../generator/cuda-view.js';
import { requireFamily } from '../../generator/ids.js';
import { count, defaultVariant, enumerate, validate } from '../../generator/space.js';
import type { AxisValues, CudaTarget, Dims, Params } from '../../generator/types.js';
import { parseLaunchExpression } from '../../runtime/device/launch-expression.js';

export interface PhaseNumbers {
  readonly name: string;
  readonly grid: readonly number[];
  readonly block: number;
  readonly shared: number;
}

export interface LaunchNumbers {
  readonly phases: readonly PhaseNumbers[];
  readonly workspace: number;
  readonly counters: number;
}

/** What tests ask of one CUDA form: its default with some axes changed. */
export interface CudaForm {
  readonly target: CudaTarget;
  readonly standard: AxisValues;
  /** Names of the constraints that the variant breaks. */
  broken(axes: AxisValues, at?: { readonly dims?: Dims; readonly capability?: number }): string[];
  /** The launch for a problem, as a device with 132 multiprocessors evaluates it. */
  launch(axes: AxisValues, dims: Dims): LaunchNumbers;
  numericsClass(axes: AxisValues): string;
  /** Variants of the space per capability, in the order of CAPABILITIES. */
  counts(dims?: Dims): number[];
  variants(dims?: Dims): AxisValues[];
}

/** The `sm80` form of a family at these parameters. */
export function cudaForm(name: string, params: Params = {}): CudaForm {
  const family = requireFamily(name);
  const target = family.cuda;
  if (target === undefined) throw new Error(`${name} has no CUDA target`);
  const form = { family: name, params, isa: 'sm80' } as const;
  const standard = defaultVariant(form, { family }).axes;
  const variant = (axes: AxisValues) => ({ ...form, axes: { ...standard, ...axes } });
  return {
    target,
    standard,
    broken: (axes, at = {}) => validate(variant(axes), { family, ...at }).map((constraint) => constraint.name),
    launch: (axes, dims) => {
      const launch = cudaLaunch(variant(axes), family);
      const values: Record<string, number> = { sms: 132 };
      for (const scalar of family.scalars) if (scalar.type === 'int') values[scalar.name] = scalar.value(dims, params);
      const evaluate = (text: string): number => parseLaunchExpression(text).evaluate(values);
      return {
        phases: launch.phases.map((phase) => ({ name: phase.name, grid: phase.grid.map(evaluate), block: phase.block, shared: evaluate(phase.sharedBytes) })),
        workspace: evaluate(launch.workspaceBytes),
        counters: evaluate(launch.counters),
      };
    },
    numericsClass: (axes) => target.numericsClass(variant(axes)),
    counts: (dims) => CAPABILITIES.map(({ capability }) => count(form, { family, capability, ...(dims === undefined ? {} : { dims }) })),
    variants: (dims) => [...enumerate(form, { family, ...(dims === undefined ? {} : { dims }) })].map((each) => each.axes),
  };
}

/** Capabilities whose limits the default of a form breaks: none, if all is well. */
export function refusingCapabilities(form: CudaForm, dims?: Dims): number[] {
  return CAPABILITIES.map(({ capability }) => capability).filter((capability) => form.broken({}, { capability, ...(dims === undefined ? {} : { dims }) }).length > 0);
}

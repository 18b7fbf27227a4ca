/**
 * What a kernel family is, as data. Everything else in this room (spaces, rendering, bindings, the manifest) and the tuner work from
 * these descriptions alone; none of them knows any family by name.
 *
 * Vocabulary: a **family** is one operation; a **problem** is a family at concrete parameters and sizes; a **form** is what must be
 * compiled separately before any tuning choice (family × parameters × instruction set); a **variant** is one point of the form's
 * space of tuning axes.
 */

/** CPU instruction sets, weakest first. A machine that has one has all before it (on x86-64; elsewhere only `portable`). */
export const ISAS = ['portable', 'avx2', 'avx512', 'avx512bf16'] as const;
export type Isa = (typeof ISAS)[number];

export const WEIGHT_DTYPES = ['f32', 'f16', 'bf16'] as const;
export type WeightDtype = (typeof WEIGHT_DTYPES)[number];
export type Dtype = WeightDtype | 'i32';

/** Run-time sizes and run-time integer options of a problem, by name, e.g. `{ rows: 1, hidden: 4096, intermediate: 11008, k: 5504 }`. */
export type Dims = Readonly<Record<string, number>>;
/** Compile-time parameters by name, e.g. `{ dtype: 'bf16', gated: 'gated' }`. Every value is a string token of [a-z0-9]+. */
export type Params = Readonly<Record<string, string>>;
/** One value per tuning axis. */
export type AxisValues = Readonly<Record<string, number>>;

export interface ParamSpec {
  readonly name: string;
  readonly values: readonly string[];
  readonly doc: string;
}

export interface DimSpec {
  readonly name: string;
  readonly doc: string;
}

export interface TensorSpec {
  readonly name: string;
  readonly role: 'input' | 'output' | 'inout';
  readonly dtype: (params: Params) => Dtype;
  /** Shape for given sizes, row-major, innermost last. */
  readonly shape: (dims: Dims, params: Params) => readonly number[];
  /** May be absent (null): the kernel must then do what `doc` says. */
  readonly optional?: boolean;
  readonly doc: string;
}

export interface ScalarSpec {
  readonly name: string;
  readonly type: 'int' | 'float';
  /** May be bound to a 32-bit integer in device memory that is read when the step runs, so that a recorded plan need not change. */
  readonly dynamic?: boolean;
  /** The value for a problem. */
  readonly value: (dims: Dims, params: Params) => number;
  readonly doc: string;
}

export interface AxisSpec {
  readonly name: string;
  readonly values: readonly number[];
  /** What the axis changes in the kernel, with an example. */
  readonly doc: string;
}

/** What a constraint or a default may look at. `dims` is absent when a form is considered without a problem (default kernels). */
export interface VariantContext {
  readonly isa: Isa;
  readonly params: Params;
  readonly axes: AxisValues;
  readonly dims?: Dims;
}

export interface Constraint {
  readonly name: string;
  /** The hardware or algorithmic reason, as a sentence that a report can print. */
  readonly reason: string;
  readonly holds: (context: VariantContext) => boolean;
}

export interface LaunchGeometry {
  /** Work units of each phase: equal to what the compiled kernel's `units` answers. */
  readonly phases: readonly { readonly name: string; readonly units: number }[];
  readonly scratchBytes: number;
  readonly workspaceBytes: number;
}

export interface Cost {
  /** Bytes that must come from memory when nothing is cached (weights, indices, activations, each once). */
  readonly readBytes: number;
  readonly writeBytes: number;
  /** Floating-point operations (a fused multiply-add is two). */
  readonly flops: number;
}

/** Tensor contents by name, in the tensor's own numbers: weights are already rounded to their dtype. i32 tensors are Int32Array. */
export type TensorValues = Readonly<Record<string, Float64Array | Int32Array | null>>;

export interface ReferenceOutput {
  readonly values: Float64Array | Int32Array;
  /** Largest absolute error allowed, per element or for all; 0 asks for equality. Derived from the length and magnitude of the sums. */
  readonly bound: Float64Array | number;
}

/** A seeded uniform generator in [0, 1). */
export type Random = () => number;

export interface Family {
  /** e.g. `ff_gate_up_gather` */
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** The formula, in plain text. */
  readonly formula: string;
  /** Where the method comes from (paper and section, or "standard"). */
  readonly source: string;
  readonly params: readonly ParamSpec[];
  readonly dims: readonly DimSpec[];
  readonly tensors: readonly TensorSpec[];
  readonly scalars: readonly ScalarSpec[];
  readonly axes: readonly AxisSpec[];
  readonly constraints: readonly Constraint[];
  /** Template path inside `templates/`, e.g. `cpu/ff_gate_up_gather.cc.hbs`. */
  readonly template: string;
  /** The variant used where nothing is tuned: satisfies every constraint for any sizes. */
  readonly defaults: (form: { readonly isa: Isa; readonly params: Params }) => AxisValues;
  readonly launch: (problem: Problem, variant: { readonly isa: Isa; readonly axes: AxisValues }) => LaunchGeometry;
  readonly cost: (problem: Problem) => Cost;
  /** Variants of one class give bit-identical results on one device. */
  readonly numericsClass: (context: VariantContext) => string;
  /** Random contents for every input and inout tensor (null: leave the optional tensor out). */
  readonly makeInputs: (problem: Problem, random: Random) => TensorValues;
  /** fp64 oracle: outputs by tensor name, with error bounds. Shares no code with the templates. */
  readonly reference: (problem: Problem, inputs: TensorValues) => Readonly<Record<string, ReferenceOutput>>;
  /** Extra variables for the template; the standard view (see render.ts) always has params, axes, isa, ids and the tensor slots. */
  readonly view?: (context: VariantContext) => Readonly<Record<string, unknown>>;
  /** Small problems that exercise raggedness: sizes no vector width divides, k = 0, 1 and all, 1 to 64 rows, optional tensors in and out. */
  readonly raggedProblems: (params: Params) => readonly Problem[];
}

export interface Problem {
  readonly family: string;
  readonly params: Params;
  readonly dims: Dims;
}

/** What is compiled: one variant of one form. */
export interface Variant {
  readonly family: string;
  readonly params: Params;
  readonly isa: Isa;
  readonly axes: AxisValues;
}

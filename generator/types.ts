/**
 * What a kernel family is, as data. Everything else in this room (spaces, rendering, bindings, the manifest) and the tuner work from
 * these descriptions alone; none of them knows any family by name.
 *
 * Vocabulary: a **family** is one operation; a **problem** is a family at concrete parameters and sizes; a **form** is what must be
 * compiled separately before any tuning choice (family × parameters × instruction set); a **variant** is one point of the form's
 * space of tuning axes.
 */

/** CPU instruction sets, weakest first. A machine that has one has all before it (on x86-64; elsewhere only `portable`). */
export const CPU_ISAS = ['portable', 'avx2', 'avx512', 'avx512bf16'] as const;
export type CpuIsa = (typeof CPU_ISAS)[number];

/** What CUDA kernels may count on, weakest first: compute capability 8.0, and the bulk copies and clusters of 9.0. */
export const CUDA_ISAS = ['sm80', 'sm90'] as const;
export type CudaIsa = (typeof CUDA_ISAS)[number];

export const ISAS = [...CPU_ISAS, ...CUDA_ISAS] as const;
export type Isa = CpuIsa | CudaIsa;

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
export interface VariantContext<I extends Isa = Isa> {
  readonly isa: I;
  readonly params: Params;
  readonly axes: AxisValues;
  readonly dims?: Dims;
  /** CUDA: 10 × major + minor of the device. Absent: the variant must fit every capability of its instruction set (see capabilities.ts). */
  readonly capability?: number;
}

export interface Constraint<I extends Isa = Isa> {
  readonly name: string;
  /** The hardware or algorithmic reason, as a sentence that a report can print. */
  readonly reason: string;
  holds(context: VariantContext<I>): boolean;
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

/**
 * Integer arithmetic over the names of a family's int scalars (dynamic ones at the largest value they can take) and `sms`, the device's
 * multiprocessors: literals, + - * / % (division rounds down), parentheses, ceilDiv, min, max. Evaluated by the runtime at record time.
 */
export type Expr = string;

export interface CudaPhase {
  /** [a-z0-9]+; the entry point is the kernel's symbol + `__` + this. */
  readonly name: string;
  readonly grid: readonly [Expr, Expr, Expr];
  /** Threads per block, a multiple of 32, at most 1024. */
  readonly block: number;
  /** Dynamic shared memory of a block, bytes. */
  readonly sharedBytes: Expr;
  /** Blocks per cluster (sm90). Default 1. */
  readonly cluster?: number;
}

/** How a CUDA variant is launched; the kernel's module carries it as text (docs/cuda.md). */
export interface CudaLaunch {
  readonly phases: readonly CudaPhase[];
  /** Bytes shared by all phases, contents undefined. */
  readonly workspaceBytes: Expr;
  /** 32-bit words that are zero when the kernel starts, and that it leaves at zero. */
  readonly counters: Expr;
}

/** What CPU and CUDA forms of a family have each of their own: the space of variants and how one is written and launched. */
export interface Target<I extends Isa = Isa> {
  readonly axes: readonly AxisSpec[];
  readonly constraints: readonly Constraint<I>[];
  /** Template path inside `templates/`, e.g. `cpu/ff_gate_up_gather.cc.hbs`. */
  readonly template: string;
  /** The variant used where nothing is tuned: satisfies every constraint for any sizes. */
  defaults(form: { readonly isa: I; readonly params: Params }): AxisValues;
  /** Variants of one class give bit-identical results on one device. */
  numericsClass(context: VariantContext<I>): string;
  /** Extra variables for the template; the standard view (see render.ts) always has params, axes, isa, ids and the tensor slots. */
  view?(context: VariantContext<I>): Readonly<Record<string, unknown>>;
}

export interface CpuTarget extends Target<CpuIsa> {
  readonly kind: 'cpu';
  launch(problem: Problem, variant: { readonly isa: CpuIsa; readonly axes: AxisValues }): LaunchGeometry;
}

export interface CudaTarget extends Target<CudaIsa> {
  readonly kind: 'cuda';
  /** Instruction sets with forms of their own: always `sm80`, and `sm90` where there is a Hopper path. */
  readonly isas: readonly CudaIsa[];
  launch(context: VariantContext<CudaIsa>): CudaLaunch;
  /** Shared memory of a block in bytes, static and dynamic, where it depends on axes and parameters alone; for constraints and reports. */
  sharedBytes?(context: VariantContext<CudaIsa>): number;
  /** Weight bytes that one thread has in flight at once, for the report's bytes in flight per multiprocessor. */
  bytesInFlight?(context: VariantContext<CudaIsa>): number;
  /** A variant may spill registers and still be timed. Default false. */
  maySpill?(context: VariantContext<CudaIsa>): boolean;
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
  readonly cpu: CpuTarget;
  /** Absent only for families of tests. */
  readonly cuda?: CudaTarget;
  readonly cost: (problem: Problem) => Cost;
  /** Random contents for every input and inout tensor (null: leave the optional tensor out). */
  readonly makeInputs: (problem: Problem, random: Random) => TensorValues;
  /** fp64 oracle: outputs by tensor name, with error bounds. Shares no code with the templates. */
  readonly reference: (problem: Problem, inputs: TensorValues) => Readonly<Record<string, ReferenceOutput>>;
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

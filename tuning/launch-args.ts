import type { Family, Problem } from '../generator/types.js';
import type { DeviceBuffer, StepArgs } from '../runtime/device/types.js';

/** Where dynamic ints come from: immediates, or a device buffer that holds them, as in a recorded plan of the runtime. */
export type IntSource = { readonly kind: 'immediate' } | { readonly kind: 'bound'; readonly buffer: DeviceBuffer };

/** Bytes of a buffer for bound ints of this family. */
export function boundIntBytes(family: Family): number {
  return 4 * Math.max(1, family.scalars.filter((scalar) => scalar.type === 'int').length);
}

/** The arguments of one launch of a problem, in the order that the kernel ABI asks for. With bound ints, writes them to their buffer. */
export function stepArgs(family: Family, problem: Problem, buffers: readonly (DeviceBuffer | null)[], source: IntSource = { kind: 'immediate' }): StepArgs {
  const ints = family.scalars.filter((scalar) => scalar.type === 'int');
  const floats = family.scalars.filter((scalar) => scalar.type === 'float').map((scalar) => scalar.value(problem.dims, problem.params));
  const values = ints.map((scalar) => scalar.value(problem.dims, problem.params));
  if (source.kind === 'immediate') return { buffers, ints: values, floats, label: problem.family };
  source.buffer.write(Int32Array.from(values));
  return {
    buffers,
    ints: ints.map((scalar, index) => (scalar.dynamic === true ? { buffer: source.buffer, index } : (values[index] ?? 0))),
    floats,
    maxInts: Object.fromEntries(ints.flatMap((scalar, index) => (scalar.dynamic === true ? [[index, values[index] ?? 0]] : []))),
    label: problem.family,
  };
}

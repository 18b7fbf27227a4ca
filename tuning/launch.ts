/** One guarded launch: poisoned outputs, canaries around every buffer, inputs compared afterwards. */
import type { Family, Problem } from '../generator/types.js';
import type { Device, DeviceBuffer, Kernel } from '../runtime/device/types.js';
import { POISON } from './compare.js';
import { tensorBytes } from './inputs.js';
import { boundIntBytes, stepArgs } from './launch-args.js';

export interface LaunchInputs {
  readonly problem: Problem;
  /** Contents per tensor in declared order; null for absent tensors and outputs. */
  readonly inputs: readonly (Uint8Array<ArrayBuffer> | null)[];
  readonly present: readonly boolean[];
}

export interface LaunchStyle {
  /** Dynamic ints from device memory, as in the runtime's plans; else immediates. */
  readonly boundInts: boolean;
  /** `residual` is the output `y` itself, as in the runtime's plans; else its own buffer. */
  readonly inPlace: boolean;
}

export interface LaunchResult {
  /** Bytes of output and inout tensors by name. */
  readonly outputs: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** Which buffer's surroundings were written, or null. */
  readonly outOfBounds: string | null;
  /** Which input was changed, or null. */
  readonly changedInput: string | null;
}

export async function launchGuarded(device: Device, kernel: Kernel, family: Family, launch: LaunchInputs, style: LaunchStyle): Promise<LaunchResult> {
  const { problem } = launch;
  const owned: DeviceBuffer[] = [];
  const guarded = (bytes: number, label: string): DeviceBuffer => {
    const buffer = device.allocate(bytes, { label, guarded: true });
    owned.push(buffer);
    return buffer;
  };
  try {
    const aliased = style.inPlace ? aliasOf(family, launch) : null;
    const buffers: (DeviceBuffer | null)[] = family.tensors.map((tensor, i) => {
      if (launch.present[i] !== true || i === aliased?.input) return null;
      // A kernel must not touch a tensor of no elements, so four poisoned bytes stand for it.
      const buffer = guarded(Math.max(4, tensorBytes(tensor, problem)), tensor.name);
      const contents = i === aliased?.output ? launch.inputs[aliased.input] : launch.inputs[i];
      if (contents === null || contents === undefined || contents.length === 0) buffer.fill(POISON);
      else buffer.write(contents);
      return buffer;
    });
    if (aliased !== null) buffers[aliased.input] = buffers[aliased.output] ?? null;
    const ints = style.boundInts ? guarded(boundIntBytes(family), 'bound ints') : null;
    const recorder = device.record(`verify ${kernel.id}`);
    recorder.step(kernel, stepArgs(family, problem, buffers, ints === null ? { kind: 'immediate' } : { kind: 'bound', buffer: ints }));
    const plan = recorder.finish();
    try {
      await plan.run();
    } finally {
      plan.dispose();
    }
    return inspect(family, launch, buffers, owned, aliased);
  } finally {
    for (const buffer of owned) buffer.dispose();
  }
}

/** Families with a residual let it be the output itself: same shape, fully read before it is written. */
function aliasOf(family: Family, launch: LaunchInputs): { input: number; output: number } | null {
  const input = family.tensors.findIndex((tensor) => tensor.name === 'residual');
  const output = family.tensors.findIndex((tensor) => tensor.name === 'y' && tensor.role === 'output');
  return input >= 0 && output >= 0 && launch.present[input] === true ? { input, output } : null;
}

function inspect(
  family: Family,
  launch: LaunchInputs,
  buffers: readonly (DeviceBuffer | null)[],
  owned: readonly DeviceBuffer[],
  aliased: { input: number; output: number } | null,
): LaunchResult {
  const outputs = new Map<string, Uint8Array<ArrayBuffer>>();
  let changedInput: string | null = null;
  let outOfBounds = owned.map(damage).find((text) => text !== null) ?? null;
  family.tensors.forEach((tensor, i) => {
    const buffer = buffers[i];
    if (buffer === null || buffer === undefined || i === aliased?.input) return;
    const bytes = buffer.read();
    if (tensorBytes(tensor, launch.problem) === 0) {
      if (bytes.some((byte) => byte !== POISON)) outOfBounds ??= `${tensor.name} has no elements, but bytes were written there`;
    } else if (tensor.role === 'input') {
      const before = launch.inputs[i];
      // A buffer has at least four bytes, a tensor of one 16-bit number has two.
      if (before !== null && before !== undefined && Buffer.compare(bytes.subarray(0, before.length), before) !== 0) changedInput ??= `input ${tensor.name} was changed`;
    } else {
      outputs.set(tensor.name, bytes);
    }
  });
  return { outputs, outOfBounds, changedInput };
}

function damage(buffer: DeviceBuffer): string | null {
  const { before, after } = buffer.checkCanaries();
  if (before !== null) return `${buffer.label}: byte ${before} before the buffer was written`;
  if (after !== null) return `${buffer.label}: byte ${after}, past its end of ${buffer.byteLength}, was written`;
  return null;
}

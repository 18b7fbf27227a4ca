/**
 * Whether a candidate computes what its family says, before anything is timed. The oracle is the family's fp64 reference; a problem too
 * large for it is checked scaled down against the oracle, and at its true size against the default variant.
 */
import type { Family, Problem } from '../generator/types.js';
import type { Device, DeviceBuffer, Kernel } from '../runtime/device/types.js';
import type { CaseStore, VerificationCase } from './cases.js';
import { compareOutput, POISON, relativeBound, rootMeanSquare, worstRatio } from './compare.js';
import { decodeTensor } from '../generator/families/common.js';
import { indexContents, isIndexList, isResident, tensorBytes } from './inputs.js';
import { launchGuarded, type LaunchStyle } from './launch.js';
import { stepArgs } from './launch-args.js';
import { fits, ORACLE_LIMITS, scaledDown } from './scaling.js';
import { seededRandom } from './statistics.js';
import { problemKey } from './types.js';

export type Verdict = { readonly state: 'ok' } | { readonly state: 'wrong' | 'out-of-bounds'; readonly message: string };
/** `worst`: the largest error found, as a share of its bound. */
export type CaseVerdict = Verdict & { readonly worst: number };

const OK: Verdict = { state: 'ok' };

/** The same kernel on a device with all threads and on one with a single thread; where a device has no threads to choose, both are the same device. */
export interface VerificationTarget {
  readonly many: { readonly device: Device; readonly kernel: Kernel };
  readonly one: { readonly device: Device; readonly kernel: Kernel };
}

/**
 * Seeds of the contents, each with its way of launching: immediates and separate buffers, then as the runtime's plans do it, then sizes from
 * device memory with separate buffers.
 */
export function roundsOf(seed: number): readonly { readonly seed: number; readonly style: LaunchStyle }[] {
  return [
    { seed: 3 * seed + 1, style: { boundInts: false, inPlace: false } },
    { seed: 3 * seed + 2, style: { boundInts: true, inPlace: true } },
    { seed: 3 * seed + 3, style: { boundInts: true, inPlace: false } },
  ];
}

/** Problems whose oracle is run for a form (its ragged shapes) and for a problem (itself, or scaled down). */
export async function verifyAgainstOracle(target: VerificationTarget, family: Family, problems: readonly Problem[], store: CaseStore): Promise<Verdict> {
  for (const problem of problems) {
    for (const { seed, style } of roundsOf(0)) {
      const verdict = await verifyCase(target, family, store.get(family, problem, seed), style);
      if (verdict.state !== 'ok') return { state: verdict.state, message: `${problemKey(problem)}, seed ${seed}: ${verdict.message}` };
    }
  }
  return OK;
}

/** One launch against the oracle; a second one, and one with a single thread, must give the same bits. Rejects with what the device throws. */
export async function verifyCase(target: VerificationTarget, family: Family, one: VerificationCase, style: LaunchStyle): Promise<CaseVerdict> {
  let worst = 0;
  const all = await launchGuarded(target.many.device, target.many.kernel, family, one, style);
  if (all.outOfBounds !== null) return { state: 'out-of-bounds', message: all.outOfBounds, worst };
  if (all.changedInput !== null) return { state: 'wrong', message: all.changedInput, worst };
  for (const tensor of family.tensors) {
    const bytes = all.outputs.get(tensor.name);
    const expected = one.expected[tensor.name];
    if (bytes === undefined || expected === undefined) continue;
    const dtype = tensor.dtype(one.problem.params);
    worst = Math.max(worst, worstRatio(bytes, dtype, expected));
    const difference = compareOutput(tensor.name, bytes, dtype, expected);
    if (difference !== null) return { state: 'wrong', message: difference, worst };
  }
  const again = await repeat(target.many, 'in a second run', 'two equal runs');
  if (again.state !== 'ok' || target.one.device === target.many.device) return { ...again, worst };
  return { ...(await repeat(target.one, 'with one thread', `${target.many.device.threads} threads and 1`)), worst };

  async function repeat({ device, kernel }: VerificationTarget['many'], how: string, between: string): Promise<Verdict> {
    const other = await launchGuarded(device, kernel, family, one, style);
    if (other.outOfBounds !== null) return { state: 'out-of-bounds', message: `${how}: ${other.outOfBounds}` };
    if (other.changedInput !== null) return { state: 'wrong', message: `${how}: ${other.changedInput}` };
    const different = differing(all.outputs, other.outputs);
    return different === null ? OK : { state: 'wrong', message: `${different} differs between ${between}` };
  }
}

/** The first output whose bits are not the same, or null. */
function differing(a: ReadonlyMap<string, Uint8Array>, b: ReadonlyMap<string, Uint8Array>): string | null {
  for (const [name, bytes] of a) if (Buffer.compare(bytes, b.get(name) ?? new Uint8Array()) !== 0) return name;
  return null;
}

/** The problem itself where the oracle can afford it, else scaled down. */
export function oracleProblem(family: Family, problem: Problem): { readonly problem: Problem; readonly trueSize: boolean } {
  return fits(family, problem, ORACLE_LIMITS) ? { problem, trueSize: true } : { problem: scaledDown(family, problem), trueSize: false };
}

/** How far two right kernels may be apart: each within the bound, sums over more terms at most proportionally worse. */
const TRUE_SIZE_SLACK = 4;
/** Inputs are compared after a launch up to this size; larger ones are left to the small problems. */
const COMPARED_INPUT_BYTES = 4 * 2 ** 20;

export interface TrueSizeCheck {
  /** `standard` is the default variant; it is run once. */
  check(kernel: Kernel, standard: Kernel): Promise<Verdict>;
  dispose(): void;
}

/**
 * Compares candidates with the default variant (verified at small sizes before) at the true size, on the device. When the default itself
 * misbehaves there, every check fails with that: then nothing can be trusted.
 */
export async function createTrueSizeCheck(device: Device, family: Family, problem: Problem, store: CaseStore): Promise<TrueSizeCheck> {
  const small = scaledDown(family, problem);
  const reference = store.get(family, small, 1);
  const growth = Math.max(1, termsPerOutput(family, problem) / termsPerOutput(family, small));
  const buffers = await allocateTrueSize(device, family, problem, reference.present);
  const before = new Map<string, Buffer>();
  family.tensors.forEach((tensor, i) => {
    const buffer = buffers[i];
    if (tensor.role === 'input' && buffer && buffer.byteLength <= COMPARED_INPUT_BYTES) before.set(tensor.name, Buffer.from(buffer.read()));
  });
  const initial = family.tensors.map((tensor, i) => (tensor.role === 'inout' ? (buffers[i]?.read() ?? null) : null));

  async function outputsOf(kernel: Kernel): Promise<{ outputs: Map<string, Uint8Array<ArrayBuffer>>; fault: Verdict }> {
    family.tensors.forEach((tensor, i) => {
      if (tensor.role === 'output') buffers[i]?.fill(POISON);
      const contents = initial[i];
      if (contents) buffers[i]?.write(contents);
    });
    const recorder = device.record(`verify ${kernel.id}`);
    recorder.step(kernel, stepArgs(family, problem, buffers));
    const plan = recorder.finish();
    try {
      await plan.run();
    } finally {
      plan.dispose();
    }
    const outputs = new Map<string, Uint8Array<ArrayBuffer>>();
    let fault: Verdict = OK;
    family.tensors.forEach((tensor, i) => {
      const buffer = buffers[i];
      if (!buffer || fault.state !== 'ok') return;
      const { before: early, after } = buffer.checkCanaries();
      if (early !== null || after !== null) fault = { state: 'out-of-bounds', message: `${tensor.name}: byte ${early ?? after ?? 0} of ${buffer.byteLength} was written` };
      const kept = before.get(tensor.name);
      if (kept !== undefined && kept.compare(buffer.read()) !== 0) fault = { state: 'wrong', message: `input ${tensor.name} was changed` };
      if (tensor.role !== 'input') outputs.set(tensor.name, buffer.read());
    });
    return { outputs, fault };
  }

  let expected: Awaited<ReturnType<typeof outputsOf>> | null = null;
  return {
    async check(kernel, standard) {
      expected ??= await outputsOf(standard);
      if (expected.fault.state !== 'ok') return { ...expected.fault, message: `the default variant at ${problemKey(problem)}: ${expected.fault.message}` };
      const actual = await outputsOf(kernel);
      if (actual.fault.state !== 'ok') return { ...actual.fault, message: `${problemKey(problem)}: ${actual.fault.message}` };
      for (const tensor of family.tensors) {
        const [a, b] = [actual.outputs.get(tensor.name), expected.outputs.get(tensor.name)];
        if (a === undefined || b === undefined) continue;
        const dtype = tensor.dtype(problem.params);
        const values = decodeTensor(b, dtype);
        const small = reference.expected[tensor.name];
        const relative = small === undefined ? null : relativeBound(small);
        const bound = relative === null ? 0 : relative * rootMeanSquare(values) * growth * TRUE_SIZE_SLACK;
        const difference = compareOutput(tensor.name, a, dtype, { values, bound });
        if (difference !== null) return { state: 'wrong', message: `${problemKey(problem)} against the default variant: ${difference}` };
      }
      // Races show at the true size, where more runs at once.
      const again = await outputsOf(kernel);
      if (again.fault.state !== 'ok') return { ...again.fault, message: `${problemKey(problem)} in a second run: ${again.fault.message}` };
      const different = differing(actual.outputs, again.outputs);
      if (different !== null) return { state: 'wrong', message: `${problemKey(problem)}: ${different} differs between two equal runs` };
      return OK;
    },
    dispose() {
      for (const buffer of buffers) buffer?.dispose();
    },
  };
}

function termsPerOutput(family: Family, problem: Problem): number {
  const outputs = family.tensors.filter((tensor) => tensor.role !== 'input').reduce((sum, tensor) => sum + tensorBytes(tensor, problem), 0);
  return Math.max(1, family.cost(problem).flops) / Math.max(1, outputs);
}

async function allocateTrueSize(device: Device, family: Family, problem: Problem, present: readonly boolean[]): Promise<(DeviceBuffer | null)[]> {
  const random = seededRandom(3);
  const buffers: (DeviceBuffer | null)[] = [];
  for (const [i, tensor] of family.tensors.entries()) {
    if (present[i] !== true) {
      buffers.push(null);
      continue;
    }
    const buffer = device.allocate(Math.max(4, tensorBytes(tensor, problem)), { label: tensor.name, guarded: true });
    buffers.push(buffer);
    const dtype = tensor.dtype(problem.params);
    if (tensor.role === 'output') continue;
    if (isIndexList(tensor, dtype)) buffer.write(indexContents(tensor, problem, 0, random));
    else if (dtype === 'i32') buffer.fill(0);
    else await device.fillRandom(buffer, dtype, 100 + i, isResident(tensor, problem) ? 0.05 : 1);
  }
  return buffers;
}

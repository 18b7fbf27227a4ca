import { callNative, type NativeHandle } from './addon.js';
import type { NativeGpuLoadOp } from './addon-gpu.js';
import { addStep, cudaBuffer, cudaKernel, type CudaHost } from './cuda-plan.js';
import { checkLoadOp, ELEMENT_BYTES, nameOfLoadOp } from './load-op.js';
import type { DeviceBuffer, ElementType, Kernel, LoadOp, StepArgs, UtilityResolver } from './types.js';

/** Bytes of a tensor that are turned at once: enough to keep the GPU busy, little beside a model. */
const CHUNK_BYTES = 64 * 2 ** 20;
/** Chunks begin at multiples of this many rows, so that a row of the target is written in whole cache lines. */
const CHUNK_ROWS = 64;
/** Contents are made in units of this size (runtime/native/fill_random.h). */
const RANDOM_UNIT_BYTES = 2 ** 20;

/** A kernel's arguments from values by name: what a family calls its scalars is known, their order is the kernel's business. */
function namedArgs(host: CudaHost, kernel: Kernel, buffers: readonly DeviceBuffer[], values: Readonly<Record<string, number>>, label: string): StepArgs {
  const { ints, floats } = cudaKernel(host, kernel).description;
  const named = (name: string): number => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) throw new RangeError(`${kernel.id}: the device knows no value for its scalar ${name}`);
    return value;
  };
  return { buffers, ints: ints.map(named), floats: floats.map(named), label };
}

/** Load operations for the addon, and what to let go of when they are done. */
export interface PackedLoad {
  readonly ops: readonly NativeGpuLoadOp[];
  release(): void;
}

/**
 * Checks load operations and plans the transpositions: on the device where `utilities` has the `transpose` kernel, else on the host.
 * `allocate` answers a temporary buffer. Throws what `checkLoadOp` throws.
 */
export function packLoad(
  host: CudaHost,
  ops: readonly LoadOp[],
  utilities: UtilityResolver | undefined,
  allocate: (byteLength: number) => DeviceBuffer,
): PackedLoad {
  const checked = ops.map((op, i) => ({ ...checkLoadOp(op, i), native: cudaBuffer(host, op.target, `${nameOfLoadOp(op, i)}: the target`) }));
  const turning = checked.map((op) => {
    if (!op.transpose || op.toF32 || op.rows === 0 || op.cols === 0 || op.targetOffset % 4 !== 0) return undefined;
    const kernel = utilities?.('transpose', { dtype: op.type });
    const rowBytes = op.cols * ELEMENT_BYTES[op.type];
    const chunkRows = Math.min(op.rows, Math.max(CHUNK_ROWS, Math.floor(CHUNK_BYTES / rowBytes / CHUNK_ROWS) * CHUNK_ROWS));
    return kernel && { kernel, chunkRows, bytes: chunkRows * rowBytes };
  });
  const most = Math.max(0, ...turning.map((turn) => turn?.bytes ?? 0));
  if (most === 0) return { ops: checked.map(({ native, source, ...op }) => ({ ...op, source: source.native, target: native })), release: () => undefined };

  const temporary = allocate(most);
  let plan: NativeHandle | undefined;
  const release = (): void => {
    temporary.dispose();
    const handle = plan;
    if (handle !== undefined) callNative((addon) => addon.release(handle));
  };
  try {
    const recorded = (plan = callNative((addon) => addon.gpuCreatePlan(host.native(), 'loading', true)));
    let steps = 0;
    const packed = checked.map(({ native, source, ...op }, i): NativeGpuLoadOp => {
      const turn = turning[i];
      if (turn === undefined) return { ...op, source: source.native, target: native };
      const firstStep = steps;
      for (let row = 0; row < op.rows; row += turn.chunkRows, steps++) {
        const rows = Math.min(turn.chunkRows, op.rows - row);
        const begin = op.targetOffset + row * ELEMENT_BYTES[op.type];
        using target = ops[i]!.target.view(begin, ops[i]!.target.byteLength - begin);
        const values = { rows, cols: op.cols, source_stride: op.cols, target_stride: op.targetStride };
        addStep(host, recorded, turn.kernel, namedArgs(host, turn.kernel, [temporary, target], values, `transposing ${op.target.label}`));
      }
      const where = cudaBuffer(host, temporary, 'the temporary buffer');
      return { ...op, source: source.native, target: native, turn: { plan: recorded, firstStep, chunkRows: turn.chunkRows, temporary: where } };
    });
    callNative((addon) => addon.gpuFinishPlan(host.native(), recorded));
    return { ops: packed, release };
  } catch (error) {
    release();
    throw error;
  }
}

const MASK = (1n << 64n) - 1n;

/** The output function of SplitMix64 (Steele, Lea, Flood 2014) over a counter, as in runtime/native/fill_random.cc. */
function mix(seed: bigint, counter: bigint): bigint {
  let z = (seed + (counter + 1n) * 0x9e3779b97f4a7c15n) & MASK;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return z ^ (z >> 31n);
}

/** The 64-bit seed of one unit of the contents that `seed` stands for, as two int32: low, high. */
export function unitSeed(seed: number, unit: number): readonly [low: number, high: number] {
  const bits = mix(mix(BigInt(seed), 0n), BigInt(unit));
  return [Number(BigInt.asIntN(32, bits)), Number(BigInt.asIntN(32, bits >> 32n))];
}

/**
 * Records the launches that fill a buffer: one per unit of a mebibyte, each with the unit's own seed, so that the `fill_random` kernel
 * needs only 32-bit counters and writes the bytes that the CPU device writes. Answers the plan's handle.
 */
export function recordFill(host: CudaHost, buffer: DeviceBuffer, type: ElementType, seed: number, scale: number, kernel: Kernel): NativeHandle {
  const plan = callNative((addon) => addon.gpuCreatePlan(host.native(), `filling ${buffer.label}`, true));
  for (let unit = 0; unit * RANDOM_UNIT_BYTES < buffer.byteLength; unit++) {
    const begin = unit * RANDOM_UNIT_BYTES;
    const bytes = Math.min(RANDOM_UNIT_BYTES, buffer.byteLength - begin);
    const [seed_low, seed_high] = unitSeed(seed, unit);
    using target = buffer.view(begin, bytes);
    const values = { n: bytes / ELEMENT_BYTES[type], seed_low, seed_high, scale };
    addStep(host, plan, kernel, namedArgs(host, kernel, [target], values, `filling ${buffer.label}`));
  }
  callNative((addon) => addon.gpuFinishPlan(host.native(), plan));
  return plan;
}

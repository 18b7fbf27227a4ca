import { callNative, type NativeHandle } from './addon.js';
import type { NativeGpuLoadOp } from './addon-gpu.js';
import { addStep, cudaBuffer, cudaKernel, type CudaHost } from './cuda-plan.js';
import { checkLoadOp, ELEMENT_BYTES, nameOfLoadOp } from './load-op.js';
import type { DeviceBuffer, ElementType, Kernel, LoadOp, StepArgs, UtilityResolver } from './types.js';

/** Bytes of a tensor that are turned at once: enough to keep the GPU busy, little beside a model. */
const CHUNK_BYTES = 64 * 2 ** 20;
/** Chunks begin at multiples of this many rows, so that a row of the target is written in whole cache lines. */
const CHUNK_ROWS = 64;
/** Elements that one launch fills at most. */
const FILL_ELEMENTS = 2 ** 30;

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

/** A whole number below 2^64 as the two int32 that kernels take it in. */
const low = (value: number): number => value % 2 ** 32 | 0;
const high = (value: number): number => Math.floor(value / 2 ** 32) | 0;

/**
 * Records the launches that fill a buffer with the contents that `seed` stands for (runtime/native/fill_random.cc): one, or several where
 * an int of 32 bits cannot count the elements. Answers the plan's handle.
 */
export function recordFill(
  host: CudaHost,
  buffer: DeviceBuffer,
  type: ElementType,
  seed: number,
  scale: number,
  kernel: Kernel,
  mostElements = FILL_ELEMENTS,
): NativeHandle {
  const plan = callNative((addon) => addon.gpuCreatePlan(host.native(), `filling ${buffer.label}`, true));
  const elements = buffer.byteLength / ELEMENT_BYTES[type];
  for (let first = 0; first < elements; first += mostElements) {
    const n = Math.min(mostElements, elements - first);
    using target = buffer.view(first * ELEMENT_BYTES[type], n * ELEMENT_BYTES[type]);
    const values = { n, first_low: low(first), first_high: high(first), seed_low: low(seed), seed_high: high(seed), scale };
    addStep(host, plan, kernel, namedArgs(host, kernel, [target], values, `filling ${buffer.label}`));
  }
  callNative((addon) => addon.gpuFinishPlan(host.native(), plan));
  return plan;
}

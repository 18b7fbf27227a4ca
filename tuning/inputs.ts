/**
 * Device tensors of a problem, for measuring: as many sets as it takes to be cold. A tensor that does not depend on `rows` (weights,
 * caches, expert lists) has its own copy in every set, since a model has one per layer; activations are shared by the sets, since the
 * previous kernel has just written them.
 */
import type { Dims, Dtype, Family, Params, Problem, TensorSpec } from '../generator/types.js';
import type { Device, DeviceBuffer } from '../runtime/device/types.js';
import { TuneError } from '../runtime/errors.js';
import { DTYPE_BYTES, encodeTensor } from '../generator/families/common.js';
import { expertTraceFits, recordedLists, type ExpertTrace, type RecordedLists } from './expert-trace.js';
import { indexList } from './index-lists.js';
import { elementCount, scaledDown } from './scaling.js';
import { seededRandom, seedFrom } from './statistics.js';

/** Up to this many elements a problem's contents come from its family; above, weights and activations are uniform random numbers. */
export const FAMILY_DATA_LIMIT = 1_000_000;
const MAX_SETS = 512;
const MIN_SETS = 3;
/** All sets together hold at most this many times the bytes that make them cold (but at least three sets). */
const MAX_HELD = 6;
const ALIGNMENT = 64;
/** Weights of trained models have about this size; activations after a norm are about 1. */
const WEIGHT_SCALE = 0.05;
const ACTIVATION_SCALE = 1;

export interface Workload {
  readonly family: Family;
  readonly problem: Problem;
  readonly sets: number;
  /** After so many sets the kinds of index lists come again: 2 where two kinds alternate, else 1. `sets` is a multiple. */
  readonly period: 1 | 2;
  /** Bytes of one set that are not shared with other sets. */
  readonly coldBytesPerSet: number;
  /** Buffers of one set, one per tensor in declared order. */
  buffers(set: number): readonly (DeviceBuffer | null)[];
  dispose(): void;
}

export interface WorkloadOptions {
  readonly seed: number;
  /** The sets together are at least this large, and at least three, unless there would be more than 512 of them. */
  readonly coldBytes: number;
  /** Lists of real generations, for the problems that they fit. */
  readonly experts?: ExpertTrace | null;
}

export function shapeElements(tensor: TensorSpec, dims: Dims, params: Params): number {
  return tensor.shape(dims, params).reduce((product, size) => product * size, 1);
}

export function tensorBytes(tensor: TensorSpec, problem: Problem): number {
  return shapeElements(tensor, problem.dims, problem.params) * DTYPE_BYTES[tensor.dtype(problem.params)];
}

/** Whether a tensor is an input that does not grow with `rows`. */
export function isResident(tensor: TensorSpec, problem: Problem): boolean {
  if (tensor.role !== 'input') return false;
  const rows = problem.dims['rows'];
  if (rows === undefined) return true;
  return shapeElements(tensor, problem.dims, problem.params) === shapeElements(tensor, { ...problem.dims, rows: rows + 1 }, problem.params);
}

/**
 * Sets for a rotation that leaves the last-level cache behind. What counts is what a launch touches: a gather reads a part of its
 * weights. But the sets are held whole, so their number is also limited by memory.
 */
export function setCount(touchedBytes: number, heldBytes: number, coldBytes: number): number {
  const wanted = Math.min(MAX_SETS, Math.ceil(coldBytes / Math.max(1, touchedBytes)));
  const affordable = Math.floor((MAX_HELD * coldBytes) / Math.max(1, heldBytes));
  return Math.max(MIN_SETS, Math.min(wanted, affordable));
}

/** Which optional tensors a problem has, as its family decides it: asked at a size that costs nothing. */
function presentTensors(family: Family, problem: Problem): ReadonlySet<string> {
  const small = scaledDown(family, problem, { elements: 100_000, flops: 1_000_000 });
  const values = family.makeInputs(small, seededRandom(1));
  return new Set(family.tensors.filter((tensor) => tensor.role === 'output' || values[tensor.name] !== null).map((tensor) => tensor.name));
}

/** Allocates and fills. Throws DeviceError when memory runs out and TuneError for an index tensor whose contents it cannot make. */
export async function createWorkload(device: Device, family: Family, problem: Problem, options: WorkloadOptions): Promise<Workload> {
  const present = presentTensors(family, problem);
  const tensors = family.tensors.filter((tensor) => present.has(tensor.name));
  const coldBytesPerSet = tensors.filter((tensor) => isResident(tensor, problem)).reduce((sum, tensor) => sum + aligned(tensorBytes(tensor, problem)), 0);
  const period = tensors.some((tensor) => tensor.name === 'experts' && isIndexList(tensor, tensor.dtype(problem.params))) ? 2 : 1;
  const cold = setCount(Math.min(coldBytesPerSet, family.cost(problem).readBytes), coldBytesPerSet, options.coldBytes);
  const sets = Math.ceil(cold / period) * period;
  const trace = options.experts ?? null;
  const recorded = trace !== null && expertTraceFits(trace, problem) ? recordedLists(trace, options.seed) : null;
  const random = seededRandom(options.seed);
  const fromFamily = elementCount(family, problem) <= FAMILY_DATA_LIMIT ? family.makeInputs(problem, random) : null;
  const owned: DeviceBuffer[] = [];
  const views = new Map<string, readonly DeviceBuffer[]>();
  try {
    for (const tensor of tensors) {
      const copies = isResident(tensor, problem) ? sets : 1;
      const bytes = tensorBytes(tensor, problem);
      const stride = aligned(bytes);
      const parent = device.allocate(Math.max(ALIGNMENT, stride * copies), { label: `${family.name} ${tensor.name}` });
      owned.push(parent);
      await fill(parent, tensor, fromFamily?.[tensor.name] ?? null, copies, stride);
      views.set(tensor.name, Array.from({ length: copies }, (_, i) => parent.view(i * stride, Math.max(4, aligned(bytes, 4)))));
    }
  } catch (error) {
    for (const buffer of owned) buffer.dispose();
    throw error;
  }

  async function fill(parent: DeviceBuffer, tensor: TensorSpec, values: Float64Array | Int32Array | null, copies: number, stride: number): Promise<void> {
    const dtype = tensor.dtype(problem.params);
    if (tensor.role === 'output') return;
    if (isIndexList(tensor, dtype)) {
      for (let i = 0; i < copies; i++) parent.write(indexContents(tensor, problem, i, random, recorded), i * stride);
    } else if (values !== null) {
      const bytes = encodeTensor(values, dtype);
      if (bytes.length > 0) for (let i = 0; i < copies; i++) parent.write(bytes, i * stride);
    } else if (dtype === 'i32') {
      throw new TuneError(
        `${family.name}: do not know what to put into the index tensor "${tensor.name}" of ${elementCount(family, problem)} elements; ` +
          `expected one of ${Object.keys(INDEXED_BY).join(', ')}, or a problem of at most ${FAMILY_DATA_LIMIT} elements`,
      );
    } else {
      await device.fillRandom(parent, dtype, seedFrom(tensor.name, options.seed), fillScale(tensor, dtype));
    }
  }

  function fillScale(tensor: TensorSpec, dtype: Dtype): number {
    return dtype !== 'f32' || isResident(tensor, problem) ? WEIGHT_SCALE : ACTIVATION_SCALE;
  }

  return {
    family,
    problem,
    sets,
    period,
    coldBytesPerSet,
    buffers: (set) =>
      family.tensors.map((tensor) => {
        const copies = views.get(tensor.name);
        return copies === undefined ? null : (copies[set % copies.length] ?? null);
      }),
    dispose() {
      for (const buffer of owned) buffer.dispose();
    },
  };
}

/** What the numbers of an index tensor count, by tensor name. */
const INDEXED_BY: Readonly<Record<string, string>> = { experts: 'intermediate', tokens: 'vocab' };

/** Whether the tuner makes the contents of this tensor itself. */
export function isIndexList(tensor: TensorSpec, dtype: Dtype): boolean {
  return dtype === 'i32' && tensor.role === 'input' && INDEXED_BY[tensor.name] !== undefined;
}

/** Expert lists alternate from set to set: recorded and uniform, or, where none are recorded, uniform and clustered. Tokens are drawn with repetition. */
export function indexContents(tensor: TensorSpec, problem: Problem, set: number, random: () => number, recorded: RecordedLists | null = null): Int32Array {
  const limit = problem.dims[INDEXED_BY[tensor.name] ?? ''] ?? 0;
  const length = shapeElements(tensor, problem.dims, problem.params);
  if (tensor.name === 'experts' && recorded !== null) return set % 2 === 0 ? recorded(set / 2, length) : indexList(limit, length, 'uniform', random);
  if (tensor.name === 'experts') return indexList(limit, length, set % 2 === 0 ? 'uniform' : 'clustered', random);
  return Int32Array.from({ length }, () => Math.floor(random() * limit));
}

function aligned(bytes: number, unit = ALIGNMENT): number {
  return Math.ceil(bytes / unit) * unit;
}

/**
 * Weights from a checkpoint's files into device memory, in the layouts of docs/design.md. One layer is allocated and copied at a time,
 * straight from the mapped file: the host never holds a copy, so resident memory stays close to the weights themselves.
 */
import { AbortedError, DeviceError, FileError } from '../errors.js';
import type { Device, DeviceBuffer, LoadOp, MappedFile } from '../device/types.js';
import type { Checkpoint, PlannedTensor } from './checkpoint.js';
import { type Slot, elementCount, globalSlots, layerSlots } from './layout.js';
import type { SafetensorsFile } from './safetensors.js';
import type { LayerWeights, ModelConfig, ModelWeights, WeightDtype } from './types.js';

export const ELEMENT_BYTES: Readonly<Record<WeightDtype, number>> = { f32: 4, f16: 2, bf16: 2 };

export interface LoadProgress {
  /** Bytes of the files that have been copied. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface LoadWeightsOptions {
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Checked between layers; what was loaded is freed. */
  readonly signal?: AbortSignal;
}

/** Loads all weights. Throws FileError when a file changed since it was opened, DeviceError when memory runs out; frees everything on failure. */
export async function loadWeights(device: Device, checkpoint: Checkpoint, options: LoadWeightsOptions = {}): Promise<ModelWeights> {
  const { config, tensors } = checkpoint;
  const bytesTotal = tensors.reduce((sum, { stored }) => sum + stored.byteLength, 0);
  const files = new Map<SafetensorsFile, MappedFile>();
  const fileOf = (file: SafetensorsFile): MappedFile => {
    const known = files.get(file);
    if (known !== undefined) return known;
    const mapped = device.mapFile(file.path);
    files.set(file, mapped);
    if (mapped.byteLength !== file.byteLength) throw new FileError(`${file.path}: ${mapped.byteLength} bytes; it had ${file.byteLength} when the checkpoint was opened`);
    return mapped;
  };
  const groups = new Map<number | null, PlannedTensor[]>();
  for (const tensor of tensors) {
    const layer = tensor.source.destination.layer ?? null;
    groups.set(layer, [...(groups.get(layer) ?? []), tensor]);
  }
  let bytesBefore = 0;
  try {
    return await buildWeights(device, config, async (buffers, layer) => {
      if (options.signal?.aborted === true) throw new AbortedError('loading was stopped');
      const group = groups.get(layer) ?? [];
      const ops = group.map((tensor) => loadOp(tensor, fileOf(tensor.stored.file), buffers));
      await device.load(ops, (bytes) => options.onProgress?.({ bytesDone: bytesBefore + bytes, bytesTotal }));
      bytesBefore += group.reduce((sum, { stored }) => sum + stored.byteLength, 0);
      options.onProgress?.({ bytesDone: bytesBefore, bytesTotal });
    });
  } finally {
    for (const file of files.values()) file.dispose();
  }
}

/** Buffers by slot name. */
export type SlotBuffers = Readonly<Record<string, DeviceBuffer>>;

/**
 * Allocates a model's buffers group by group (the global ones with `layer` null, then each layer) and has `fill` write each group before
 * the next is allocated. Frees everything when anything fails.
 */
export async function buildWeights(
  device: Device,
  config: ModelConfig,
  fill: (buffers: SlotBuffers, layer: number | null, slots: Readonly<Record<string, Slot>>) => Promise<void>,
): Promise<ModelWeights> {
  const global = globalSlots(config);
  const perLayer = layerSlots(config);
  const byteLength = groupBytes(global, config.dtype) + config.layers * groupBytes(perLayer, config.dtype);
  if (byteLength > device.identity.memoryBytes) {
    throw new DeviceError(`the weights take ${gigabytes(byteLength)}, more than the ${gigabytes(device.identity.memoryBytes)} of memory of ${device.identity.name}`);
  }
  const allocated: DeviceBuffer[] = [];
  const dispose = (): void => {
    for (const buffer of allocated.splice(0)) buffer.dispose();
  };
  const build = async (slots: Readonly<Record<string, Slot>>, layer: number | null): Promise<SlotBuffers> => {
    const buffers: Record<string, DeviceBuffer> = {};
    for (const [name, slot] of Object.entries(slots)) {
      const label = layer === null ? name : `layers.${layer}.${name}`;
      const buffer = device.allocate(slotBytes(slot, config.dtype), { label });
      allocated.push(buffer);
      buffers[name] = buffer;
    }
    await fill(buffers, layer, slots);
    return buffers;
  };
  try {
    const { embed, finalNorm, lmHead } = (await build(global, null)) as { embed: DeviceBuffer; finalNorm: DeviceBuffer; lmHead?: DeviceBuffer };
    const layers: LayerWeights[] = [];
    for (let layer = 0; layer < config.layers; layer++) layers.push(asLayer(await build(perLayer, layer)));
    return { config, embed, finalNorm, lmHead: lmHead ?? embed, layers, byteLength, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

export function slotBytes(slot: Slot, dtype: WeightDtype): number {
  return elementCount(slot) * ELEMENT_BYTES[slot.kind === 'vector' ? 'f32' : dtype];
}

function groupBytes(slots: Readonly<Record<string, Slot>>, dtype: WeightDtype): number {
  return Object.values(slots).reduce((sum, slot) => sum + slotBytes(slot, dtype), 0);
}

function asLayer(buffers: SlotBuffers): LayerWeights {
  return { qkvBias: null, oBias: null, ffInBias: null, ffOutBias: null, ...buffers } as unknown as LayerWeights;
}

function loadOp({ source, stored }: PlannedTensor, file: MappedFile, buffers: SlotBuffers): LoadOp {
  const { slot, offset, stride, transpose } = source.destination;
  const toF32 = source.kind === 'vector';
  // A vector is a column whose elements are `stride` apart (biases of gate and up alternate); one written whole is better copied as a row.
  const [first, second = 1] = source.shape as [number, number?];
  const isRow = source.kind === 'vector' && stride === 1;
  const [rows, cols] = isRow ? [1, first] : [first, second];
  return {
    source: file,
    sourceOffset: stored.byteOffset,
    type: stored.weightDtype,
    rows,
    cols,
    target: buffers[slot] as DeviceBuffer,
    targetOffset: offset * ELEMENT_BYTES[toF32 ? 'f32' : stored.weightDtype],
    targetStride: isRow ? cols : stride,
    ...(transpose === true ? { transpose } : {}),
    ...(toF32 ? { toF32 } : {}),
  };
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(bytes < 1e8 ? 3 : 1)} GB`;
}

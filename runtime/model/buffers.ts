import type { ModelConfig } from '../checkpoint/types.js';
import type { Device, DeviceBuffer } from '../device/types.js';
import { inverseFrequencies } from './rope.js';

/** Slots of the `state` buffer (i32); see docs/design.md. */
export const STATE = { token: 0, position: 1, rows: 2, lastRow: 3, k: 4, seedLow: 5, seedHigh: 6, draws: 7, topK: 8 } as const;
export const STATE_SLOTS = 16;
/** Slots of the `settings` buffer (f32). */
export const SETTINGS = { temperature: 0, topP: 1, minP: 2, repetitionPenalty: 3 } as const;
export const SETTINGS_SLOTS = 4;

/** Small buffers that live as long as the model. */
export interface SharedBuffers extends Disposable {
  /** i32 [16]: token, position, sampling counters */
  readonly state: DeviceBuffer;
  /** f32 [4]: sampling settings */
  readonly settings: DeviceBuffer;
  /** i32 [vocab]: 1 where the token is in the prompt or was generated */
  readonly seen: DeviceBuffer;
  /** i32 [layers, F]: kept neurons, ascending in the first k of a row */
  readonly experts: DeviceBuffer;
  /** f32 [layers, F]: s² of the prompt, or weight magnitudes */
  readonly scores: DeviceBuffer;
  /** The token slot of `state` */
  readonly token: DeviceBuffer;
  /** Rows of `experts` and `scores`, one per layer */
  readonly layerExperts: readonly DeviceBuffer[];
  readonly layerScores: readonly DeviceBuffer[];
  /** f32 [vocab] */
  readonly logits: DeviceBuffer;
  /** f32 [headDim / 2] */
  readonly invFreq: DeviceBuffer;
}

/** What a step of up to `rows` tokens writes. All f32 unless said otherwise. */
export interface Activations extends Disposable {
  readonly rows: number;
  /** i32 [rows]: the tokens of a prefill chunk */
  readonly tokens: DeviceBuffer;
  /** [rows, hidden]: the residual stream */
  readonly x: DeviceBuffer;
  /** [rows, hidden]: normalised input of a block */
  readonly normed: DeviceBuffer;
  /** [rows, (heads + 2·kvHeads)·headDim] */
  readonly qkv: DeviceBuffer;
  /** [rows, heads·headDim] */
  readonly attended: DeviceBuffer;
  /** [rows, F, G]: FF products before the activation (prefill only) */
  readonly u: DeviceBuffer;
  /** [rows, F] */
  readonly h: DeviceBuffer;
  /** [rows]: 1/‖h_row‖₂ */
  readonly invNorm: DeviceBuffer;
}

/** Keys and values of every layer: f32 [kvHeads, capacity, headDim] each. */
export interface KvCache extends Disposable {
  readonly capacity: number;
  readonly keys: readonly DeviceBuffer[];
  readonly values: readonly DeviceBuffer[];
  readonly byteLength: number;
}

/** Packed copies of the kept neurons: W_in [k, G, hidden], W_out [k, hidden], bias [k, G], per layer. */
export interface PackedFeedForward extends Disposable {
  readonly k: number;
  readonly layers: readonly { readonly ffIn: DeviceBuffer; readonly ffInBias: DeviceBuffer | null; readonly ffOut: DeviceBuffer }[];
  readonly byteLength: number;
}

export const WEIGHT_BYTES = { f32: 4, f16: 2, bf16: 2 } as const;

/** Width of a row of `qkv`. */
export function qkvWidth(config: ModelConfig): number {
  return (config.heads + 2 * config.kvHeads) * config.headDim;
}

/** G: rows of W_in per neuron. */
export function ffGroup(config: ModelConfig): 1 | 2 {
  return config.gated ? 2 : 1;
}

export function allocateShared(device: Device, config: ModelConfig): SharedBuffers {
  const { allocate, view, dispose } = allocator(device);
  return dispose.onError(() => {
    const rowBytes = config.intermediateSize * 4;
    const rows = (buffer: DeviceBuffer): DeviceBuffer[] => Array.from({ length: config.layers }, (_, layer) => view(buffer, layer * rowBytes, rowBytes));
    const state = allocate('state', STATE_SLOTS * 4);
    const experts = allocate('experts', config.layers * rowBytes);
    const scores = allocate('neuron scores', config.layers * rowBytes);
    const shared = {
      state,
      token: view(state, STATE.token * 4, 4),
      settings: allocate('settings', SETTINGS_SLOTS * 4),
      seen: allocate('seen tokens', config.vocabSize * 4),
      experts,
      scores,
      layerExperts: rows(experts),
      layerScores: rows(scores),
      logits: allocate('logits', config.vocabSize * 4),
      invFreq: allocate('rotary frequencies', config.headDim * 2),
      [Symbol.dispose]: dispose.all,
    };
    shared.invFreq.write(inverseFrequencies(config));
    return shared;
  });
}

export function allocateActivations(device: Device, config: ModelConfig, rows: number): Activations {
  const { allocate, dispose } = allocator(device);
  const floats = (label: string, perRow: number): DeviceBuffer => allocate(`${label} of ${rows} rows`, rows * perRow * 4);
  return dispose.onError(() => ({
    rows,
    tokens: floats('tokens', 1),
    x: floats('residual stream', config.hiddenSize),
    normed: floats('normalised input', config.hiddenSize),
    qkv: floats('qkv', qkvWidth(config)),
    attended: floats('attention output', config.heads * config.headDim),
    u: floats('FF products', config.intermediateSize * ffGroup(config)),
    h: floats('FF activations', config.intermediateSize),
    invNorm: floats('FF row norms', 1),
    [Symbol.dispose]: dispose.all,
  }));
}

export function allocateKvCache(device: Device, config: ModelConfig, capacity: number): KvCache {
  const { allocate, dispose } = allocator(device);
  const bytes = config.kvHeads * capacity * config.headDim * 4;
  return dispose.onError(() => ({
    capacity,
    keys: Array.from({ length: config.layers }, (_, layer) => allocate(`layers.${layer} keys of ${capacity} positions`, bytes)),
    values: Array.from({ length: config.layers }, (_, layer) => allocate(`layers.${layer} values of ${capacity} positions`, bytes)),
    byteLength: 2 * config.layers * bytes,
    [Symbol.dispose]: dispose.all,
  }));
}

export function allocatePacked(device: Device, config: ModelConfig, k: number, biased: readonly boolean[]): PackedFeedForward {
  const { allocate, dispose } = allocator(device);
  const element = WEIGHT_BYTES[config.dtype];
  const group = ffGroup(config);
  return dispose.onError(() => {
    const layers = Array.from({ length: config.layers }, (_, layer) => ({
      ffIn: allocate(`layers.${layer} packed W_in`, k * group * config.hiddenSize * element),
      ffInBias: biased[layer] === true ? allocate(`layers.${layer} packed FF bias`, k * group * 4) : null,
      ffOut: allocate(`layers.${layer} packed W_out`, k * config.hiddenSize * element),
    }));
    const byteLength = layers.reduce((sum, { ffIn, ffInBias, ffOut }) => sum + ffIn.byteLength + (ffInBias?.byteLength ?? 0) + ffOut.byteLength, 0);
    return { k, layers, byteLength, [Symbol.dispose]: dispose.all };
  });
}

/** Collects buffers so that they are given back together: at the end, or when one of the allocations fails. */
function allocator(device: Device) {
  const held: DeviceBuffer[] = [];
  const hold = (buffer: DeviceBuffer): DeviceBuffer => {
    held.push(buffer);
    return buffer;
  };
  const all = (): void => {
    while (held.length > 0) held.pop()!.dispose();
  };
  return {
    allocate: (label: string, byteLength: number): DeviceBuffer => hold(device.allocate(byteLength, { label })),
    /** A window; held too, because it keeps its buffer's memory alive. */
    view: (buffer: DeviceBuffer, byteOffset: number, byteLength: number): DeviceBuffer => hold(buffer.view(byteOffset, byteLength)),
    dispose: {
      all,
      onError<T>(build: () => T): T {
        try {
          return build();
        } catch (error) {
          all();
          throw error;
        }
      },
    },
  };
}

import { elementCount, globalSlots, layerSlots } from './layout.js';
import type { ModelConfig } from './types.js';
import { ELEMENT_BYTES, slotBytes } from './weights.js';

export interface WeightBytes {
  /** W_in (gate, up) and W_out of all layers, with their biases. */
  readonly ff: number;
  /** q, k, v and o of all layers, with their biases. */
  readonly attention: number;
  /** The output projection. When tied it is the embedding, counted here only. */
  readonly lmHead: number;
  /** The input embedding when it is a table of its own, and all norm weights. */
  readonly other: number;
  /** Everything that is resident: the sum of the above. */
  readonly total: number;
  /** What one decoded token reads: all but the embedding table, of which it reads one row. */
  readonly perToken: number;
}

/** Bytes of a model's weights in its `dtype`, from its sizes alone. */
export function weightBytes(config: ModelConfig): WeightBytes {
  const layer = layerSlots(config);
  const sum = (...names: (keyof typeof layer)[]): number =>
    names.reduce((bytes, name) => bytes + (layer[name] === undefined ? 0 : slotBytes(layer[name], config.dtype)), 0);
  const { embed, finalNorm } = globalSlots(config) as Required<ReturnType<typeof globalSlots>>;
  const table = elementCount(embed) * ELEMENT_BYTES[config.dtype];
  const ff = config.layers * sum('ffIn', 'ffOut', 'ffInBias', 'ffOutBias');
  const attention = config.layers * sum('qkv', 'o', 'qkvBias', 'oBias');
  const norms = config.layers * sum('inputNorm', 'postNorm') + slotBytes(finalNorm, config.dtype);
  const other = norms + (config.tiedEmbeddings ? 0 : table);
  const embeddingRow = config.hiddenSize * ELEMENT_BYTES[config.dtype];
  return { ff, attention, lmHead: table, other, total: ff + attention + table + other, perToken: ff + attention + table + norms + embeddingRow };
}

/** Bytes that one token of context occupies in the KV cache (f32 K and V of all layers), and that one decoded token reads per token of context. */
export function kvBytesPerToken(config: ModelConfig): number {
  return config.layers * 2 * config.kvHeads * config.headDim * 4;
}

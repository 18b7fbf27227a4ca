import type { ModelConfig } from '../checkpoint/types.js';

/** Bytes that one generated token must read from memory at least once. */
export interface TokenTraffic {
  /** Feed-forward weights actually used. */
  readonly ffBytes: number;
  /** Attention projections, norms, biases, the embedding row and the output head. */
  readonly otherBytes: number;
  /** The KV cache (f32 keys and values) at the given context. */
  readonly kvBytes: number;
  readonly totalBytes: number;
}

const ELEMENT_BYTES = { f32: 4, f16: 2, bf16: 2 } as const;

/** k = ⌊F·density⌋, the neurons that a density keeps in each layer. */
export function keptNeurons(intermediate: number, density: number): number {
  return Math.floor(intermediate * density);
}

/**
 * What one decode step reads at batch 1. `context` is the number of tokens attended to, averaged over the measured steps (need not be an
 * integer). Activations are left out: they stay in the first-level cache.
 */
export function tokenTraffic(config: ModelConfig, density: number, context: number): TokenTraffic {
  const element = ELEMENT_BYTES[config.dtype];
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize } = config;
  const matrices = config.gated ? 3 : 2;
  const kept = keptNeurons(intermediateSize, density);
  const ffBias = config.mlpBias ? 4 * (kept * (matrices - 1) + hiddenSize) : 0;
  const ffBytes = layers * (matrices * hiddenSize * kept * element + ffBias);
  const qkvRows = (heads + 2 * kvHeads) * headDim;
  const attention = (qkvRows + heads * headDim) * hiddenSize * element + (config.attentionBias ? 4 * (qkvRows + hiddenSize) : 0);
  const norms = 4 * hiddenSize * (2 * layers + 1);
  const otherBytes = layers * attention + norms + hiddenSize * element + vocabSize * hiddenSize * element;
  const kvBytes = context * layers * 2 * kvHeads * headDim * 4;
  return { ffBytes, otherBytes, kvBytes, totalBytes: ffBytes + otherBytes + kvBytes };
}

/**
 * Bytes per token of the operations of a decode step that move weights or the KV cache, by the operation's name in a plan's labels.
 * The sum over all of them, plus norms and the embedding row, is {@link tokenTraffic}.
 */
export function operationBytes(config: ModelConfig, density: number, context: number): Readonly<Record<string, number>> {
  const element = ELEMENT_BYTES[config.dtype];
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize } = config;
  const kept = keptNeurons(intermediateSize, density);
  const qkvRows = (heads + 2 * kvHeads) * headDim;
  const group = config.gated ? 2 : 1;
  return {
    qkv: layers * (qkvRows * hiddenSize * element + (config.attentionBias ? 4 * qkvRows : 0)),
    o: layers * (heads * headDim * hiddenSize * element + (config.attentionBias ? 4 * hiddenSize : 0)),
    attention: tokenTraffic(config, density, context).kvBytes,
    gate_up: layers * kept * group * (hiddenSize * element + (config.mlpBias ? 4 : 0)),
    down: layers * (kept * hiddenSize * element + (config.mlpBias ? 4 * hiddenSize : 0)),
    lm_head: vocabSize * hiddenSize * element,
  };
}

/** Floating-point operations of the matrix products of one prefill chunk of `rows` tokens, by the operation's name in a plan's labels. */
export function prefillOperationFlops(config: ModelConfig, rows: number): Readonly<Record<string, number>> {
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim } = config;
  const product = (width: number, out: number): number => layers * 2 * rows * width * out;
  return {
    qkv: product(hiddenSize, (heads + 2 * kvHeads) * headDim),
    o: product(heads * headDim, hiddenSize),
    ff_in: product(hiddenSize, intermediateSize * (config.gated ? 2 : 1)),
    ff_out: product(intermediateSize, hiddenSize),
  };
}

/**
 * The speed-up that reading fewer bytes allows: S = T / T′ where T is the traffic of the full model and T′ that of the density, at one
 * context. With σ the share of the feed-forward bytes dropped, S(σ) = T / (T − σ·FF).
 */
export function idealSpeedup(config: ModelConfig, density: number, context: number): number {
  return tokenTraffic(config, 1, context).totalBytes / tokenTraffic(config, density, context).totalBytes;
}

/** Floating-point operations of the full model over a prompt (matrix products and attention; a fused multiply-add counts two). */
export function prefillFlops(config: ModelConfig, promptTokens: number): number {
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize } = config;
  const matrices = config.gated ? 3 : 2;
  const perToken = layers * 2 * hiddenSize * ((heads + 2 * kvHeads) * headDim + heads * headDim + matrices * intermediateSize);
  // Causal attention: scores and values, each 2 flops per head dimension, over (n² + n)/2 pairs of positions.
  const attention = layers * heads * headDim * 4 * ((promptTokens * (promptTokens + 1)) / 2);
  return perToken * promptTokens + attention + 2 * hiddenSize * vocabSize;
}

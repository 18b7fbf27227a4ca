/**
 * Models of a published size with random weights, for benchmarks: what a token costs depends on shapes, not on what was learned.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';

import type { Device, ElementType } from '../device/types.js';
import { UsageError } from '../errors.js';
import { readModelConfig } from './config.js';
import type { Slot } from './layout.js';
import type { ModelConfig, ModelWeights, WeightDtype } from './types.js';
import { buildWeights } from './weights.js';

type Shape = Pick<ModelConfig, 'hiddenSize' | 'intermediateSize' | 'layers' | 'heads' | 'vocabSize' | 'maxPositions'> & Partial<ModelConfig>;

/** Everything runs as a Llama: RMS norms and rotary positions, whatever the original has there. That changes well under 1 % of the bytes read. */
function shape(fields: Shape): ModelConfig {
  return {
    architecture: 'LlamaForCausalLM',
    kvHeads: fields.heads,
    headDim: fields.hiddenSize / fields.heads,
    rmsNormEps: 1e-5,
    activation: 'silu',
    gated: true,
    tiedEmbeddings: false,
    attentionBias: false,
    mlpBias: false,
    ropeTheta: 10000,
    ropeScaling: null,
    bosTokenId: 1,
    eosTokenIds: [2],
    dtype: 'bf16',
    ...fields,
  };
}

/** The comments give the fields of each published config.json that the entry is taken from. */
const SHAPES: Readonly<Record<string, ModelConfig>> = {
  // meta-llama/Llama-2-7b-hf: hidden_size 4096, intermediate_size 11008, num_hidden_layers 32, num_attention_heads 32, num_key_value_heads 32,
  // vocab_size 32000, max_position_embeddings 4096, rms_norm_eps 1e-5, hidden_act silu, tie_word_embeddings false
  'llama-2-7b': shape({ hiddenSize: 4096, intermediateSize: 11008, layers: 32, heads: 32, vocabSize: 32000, maxPositions: 4096 }),
  // meta-llama/Llama-2-13b-hf: hidden_size 5120, intermediate_size 13824, num_hidden_layers 40, num_attention_heads 40, num_key_value_heads 40,
  // vocab_size 32000, max_position_embeddings 4096, rms_norm_eps 1e-5, hidden_act silu, tie_word_embeddings false
  'llama-2-13b': shape({ hiddenSize: 5120, intermediateSize: 13824, layers: 40, heads: 40, vocabSize: 32000, maxPositions: 4096 }),
  // google/gemma-7b: hidden_size 3072, intermediate_size 24576, num_hidden_layers 28, num_attention_heads 16, num_key_value_heads 16, head_dim 256,
  // vocab_size 256000, max_position_embeddings 8192, rms_norm_eps 1e-6, hidden_activation gelu_pytorch_tanh, embeddings tied
  'gemma-7b': shape({
    hiddenSize: 3072, intermediateSize: 24576, layers: 28, heads: 16, headDim: 256, vocabSize: 256000, maxPositions: 8192,
    rmsNormEps: 1e-6, activation: 'gelu_pytorch_tanh', tiedEmbeddings: true, bosTokenId: 2, eosTokenIds: [1],
  }),
  // mistralai/Mistral-7B-v0.1: hidden_size 4096, intermediate_size 14336, num_hidden_layers 32, num_attention_heads 32, num_key_value_heads 8,
  // vocab_size 32000, max_position_embeddings 32768 (full attention; sliding_window 4096 in the original), rms_norm_eps 1e-5, hidden_act silu
  'mistral-7b': shape({ hiddenSize: 4096, intermediateSize: 14336, layers: 32, heads: 32, kvHeads: 8, vocabSize: 32000, maxPositions: 32768 }),
  // meta-llama/Meta-Llama-3-8B: hidden_size 4096, intermediate_size 14336, num_hidden_layers 32, num_attention_heads 32, num_key_value_heads 8,
  // vocab_size 128256, max_position_embeddings 8192, rope_theta 500000, rms_norm_eps 1e-5, hidden_act silu
  'llama-3-8b': shape({
    hiddenSize: 4096, intermediateSize: 14336, layers: 32, heads: 32, kvHeads: 8, vocabSize: 128256, maxPositions: 8192,
    ropeTheta: 500000, bosTokenId: 128000, eosTokenIds: [128001],
  }),
  // facebook/opt-6.7b: hidden_size 4096, ffn_dim 16384 (not gated), num_hidden_layers 32, num_attention_heads 32, vocab_size 50272,
  // max_position_embeddings 2048, activation_function relu, biases everywhere, embeddings tied
  'opt-6.7b': shape({
    hiddenSize: 4096, intermediateSize: 16384, layers: 32, heads: 32, vocabSize: 50272, maxPositions: 2048, activation: 'relu', gated: false,
    tiedEmbeddings: true, attentionBias: true, mlpBias: true, bosTokenId: 2, eosTokenIds: [2],
  }),
  // TinyLlama/TinyLlama-1.1B: hidden_size 2048, intermediate_size 5632, num_hidden_layers 22, num_attention_heads 32, num_key_value_heads 4,
  // vocab_size 32000, max_position_embeddings 2048, rms_norm_eps 1e-5, hidden_act silu
  'tinyllama-1.1b': shape({ hiddenSize: 2048, intermediateSize: 5632, layers: 22, heads: 32, kvHeads: 4, vocabSize: 32000, maxPositions: 2048 }),
};

/** Names that `syntheticConfig` knows. */
export const SYNTHETIC_NAMES: readonly string[] = Object.keys(SHAPES);

export interface SyntheticOptions {
  /** Keep the first so many layers, to fit memory. Default all. */
  readonly layers?: number;
  /** Default bf16 for a name, what the file says for a config.json. */
  readonly dtype?: WeightDtype;
}

/** The config of a known shape, of a `config.json`, or of a directory that holds one. Throws UsageError, FileError or CheckpointError. */
export function syntheticConfig(nameOrPath: string, options: SyntheticOptions = {}): ModelConfig {
  const config = namedOrRead(nameOrPath);
  const layers = options.layers ?? config.layers;
  if (!Number.isInteger(layers) || layers < 1 || layers > config.layers) {
    throw new UsageError(`layers is ${layers}; expected an integer from 1 to the ${config.layers} layers of ${nameOrPath}`);
  }
  return { ...config, layers, dtype: options.dtype ?? config.dtype };
}

function namedOrRead(nameOrPath: string): ModelConfig {
  if (Object.hasOwn(SHAPES, nameOrPath)) return SHAPES[nameOrPath] as ModelConfig;
  if (existsSync(nameOrPath)) return readModelConfig(statSync(nameOrPath).isDirectory() ? join(nameOrPath, 'config.json') : nameOrPath);
  throw new UsageError(`unknown shape ${JSON.stringify(nameOrPath)}; expected one of ${SYNTHETIC_NAMES.join(', ')}, or the path of a config.json`);
}

/**
 * Random weights whose activations stay near unit size at any depth: each matrix is uniform with variance 1 / inputs, and the two that
 * write to the residual stream are smaller by √(2·layers) (the scaling of GPT-2, Radford et al. 2019, section 2.3). Norm weights are 1.
 * The same seed gives the same bytes. Throws DeviceError when memory runs out.
 */
export async function syntheticWeights(device: Device, config: ModelConfig, options: { readonly seed: number }): Promise<ModelWeights> {
  let buffersFilled = 0;
  return buildWeights(device, config, async (buffers, _layer, slots) => {
    for (const [name, slot] of Object.entries(slots)) {
      const buffer = buffers[name];
      if (buffer === undefined) continue;
      buffersFilled++;
      if (/norm$/i.test(name)) {
        buffer.write(new Float32Array(slot.shape[0] as number).fill(1));
      } else {
        const type: ElementType = slot.kind === 'vector' ? 'f32' : config.dtype;
        await device.fillRandom(buffer, type, bufferSeed(options.seed, buffersFilled), scaleOf(name, slot, config));
      }
    }
  });
}

function scaleOf(name: string, slot: Slot, config: ModelConfig): number {
  if (slot.kind === 'vector') return 0.02;
  // ffOut is stored transposed: its inputs are its rows.
  const inputs = name === 'ffOut' ? config.intermediateSize : (slot.shape.at(-1) as number);
  const residual = name === 'o' || name === 'ffOut' ? Math.sqrt(2 * config.layers) : 1;
  return Math.sqrt(3 / inputs) / residual;
}

/** A 32-bit seed per buffer, so that no two buffers repeat each other. */
function bufferSeed(seed: number, index: number): number {
  let x = (Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul(index, 0x85ebca6b)) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  return (x ^ (x >>> 13)) >>> 0;
}

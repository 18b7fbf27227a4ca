/**
 * Writes small Llama checkpoints in the layout of Hugging Face, with seeded random weights. The tensor names and shapes are spelled out
 * here on purpose, apart from the runtime's own table, so that a mistake there shows.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type WeightType, decodeElements, encodeElements } from './halves.js';
import { seededRandom } from './random.js';

export interface WrittenTensor {
  readonly type: WeightType;
  readonly shape: readonly number[];
  /** As stored: already rounded to `type`. */
  readonly values: Float32Array;
}

export interface WriteCheckpointOptions {
  /** Fields of config.json, over a tiny default (hidden 24, intermediate 40, 2 layers, 4 heads, 2 kv heads, vocabulary 50). `undefined` removes a field. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Type of the matrices. Default `f32`. */
  readonly type?: WeightType;
  /** Type of norm weights and biases. Default: as the matrices. */
  readonly vectorType?: WeightType;
  /** 0 (default) writes one `model.safetensors`; n > 0 writes n shards and an index. */
  readonly shards?: number;
  /** Default 1. */
  readonly seed?: number;
  /** Weights are uniform in ±scale. Default 0.2. */
  readonly scale?: number;
  /** Last change to the tensors before they are written: remove, add, reshape. */
  readonly edit?: (tensors: Map<string, WrittenTensor>) => void;
}

export interface WrittenCheckpoint {
  readonly tensors: ReadonlyMap<string, WrittenTensor>;
  readonly config: Readonly<Record<string, unknown>>;
}

const TINY_LLAMA = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 24,
  intermediate_size: 40,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  hidden_act: 'silu',
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  vocab_size: 50,
  tie_word_embeddings: false,
  attention_bias: false,
  mlp_bias: false,
  bos_token_id: 1,
  eos_token_id: 2,
};

const TORCH_NAMES: Readonly<Record<WeightType, string>> = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' };

/** Names and shapes of a Llama checkpoint's tensors, in the order of the forward pass. */
export function llamaTensorShapes(config: Readonly<Record<string, unknown>>): Map<string, number[]> {
  const size = (name: string): number => config[name] as number;
  const hidden = size('hidden_size');
  const ff = size('intermediate_size');
  const heads = size('num_attention_heads');
  const kvHeads = (config['num_key_value_heads'] as number | undefined) ?? heads;
  const headDim = (config['head_dim'] as number | undefined) ?? hidden / heads;
  const shapes = new Map<string, number[]>([['model.embed_tokens.weight', [size('vocab_size'), hidden]]]);
  for (let layer = 0; layer < size('num_hidden_layers'); layer++) {
    const add = (name: string, rows: number, cols: number, bias: unknown): void => {
      shapes.set(`model.layers.${layer}.${name}.weight`, [rows, cols]);
      if (bias === true) shapes.set(`model.layers.${layer}.${name}.bias`, [rows]);
    };
    shapes.set(`model.layers.${layer}.input_layernorm.weight`, [hidden]);
    add('self_attn.q_proj', heads * headDim, hidden, config['attention_bias']);
    add('self_attn.k_proj', kvHeads * headDim, hidden, config['attention_bias']);
    add('self_attn.v_proj', kvHeads * headDim, hidden, config['attention_bias']);
    add('self_attn.o_proj', hidden, heads * headDim, config['attention_bias']);
    shapes.set(`model.layers.${layer}.post_attention_layernorm.weight`, [hidden]);
    add('mlp.gate_proj', ff, hidden, config['mlp_bias']);
    add('mlp.up_proj', ff, hidden, config['mlp_bias']);
    add('mlp.down_proj', hidden, ff, config['mlp_bias']);
  }
  shapes.set('model.norm.weight', [hidden]);
  if (config['tie_word_embeddings'] !== true) shapes.set('lm_head.weight', [size('vocab_size'), hidden]);
  return shapes;
}

/** A file in the safetensors format. `header` may be any text, so that tests can lie. */
export function safetensorsFile(header: string, data: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + text.length + data.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  file.set(data, 8 + text.length);
  return file;
}

/** The tensors one after the other, with an honest header padded to 8 bytes. */
export function encodeSafetensors(tensors: ReadonlyMap<string, WrittenTensor>): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, tensor] of tensors) {
    const bytes = encodeElements(tensor.values, tensor.type);
    header[name] = { dtype: tensor.type.toUpperCase(), shape: tensor.shape, data_offsets: [offset, offset + bytes.length] };
    parts.push(bytes);
    offset += bytes.length;
  }
  const text = JSON.stringify(header);
  return safetensorsFile(text.padEnd(Math.ceil(text.length / 8) * 8), Buffer.concat(parts));
}

/** Creates `dir` and writes `config.json` and the weights into it. Same options, same bytes. */
export function writeCheckpoint(dir: string, options: WriteCheckpointOptions = {}): WrittenCheckpoint {
  const type = options.type ?? 'f32';
  const merged: Record<string, unknown> = { ...TINY_LLAMA, torch_dtype: TORCH_NAMES[type], ...options.config };
  const config = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
  const random = seededRandom(options.seed ?? 1);
  const scale = options.scale ?? 0.2;
  const tensors = new Map<string, WrittenTensor>();
  for (const [name, shape] of llamaTensorShapes(config)) {
    const tensorType = shape.length === 1 ? (options.vectorType ?? type) : type;
    const isNorm = name.endsWith('norm.weight');
    const drawn = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (isNorm ? 1 : 0) + (2 * random() - 1) * scale);
    tensors.set(name, { type: tensorType, shape, values: decodeElements(encodeElements(drawn, tensorType), tensorType) });
  }
  options.edit?.(tensors);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  const shards = options.shards ?? 0;
  if (shards === 0) writeFileSync(join(dir, 'model.safetensors'), encodeSafetensors(tensors));
  else writeShards(dir, tensors, shards);
  return { tensors, config };
}

function writeShards(dir: string, tensors: ReadonlyMap<string, WrittenTensor>, shards: number): void {
  const weightMap: Record<string, string> = {};
  const entries = [...tensors];
  const perShard = Math.ceil(entries.length / shards);
  for (let shard = 0; shard < shards; shard++) {
    const file = `model-${String(shard + 1).padStart(5, '0')}-of-${String(shards).padStart(5, '0')}.safetensors`;
    const own = new Map(entries.slice(shard * perShard, (shard + 1) * perShard));
    for (const name of own.keys()) weightMap[name] = file;
    writeFileSync(join(dir, file), encodeSafetensors(own));
  }
  const totalSize = entries.reduce((sum, [, t]) => sum + encodeElements(t.values, t.type).length, 0);
  writeFileSync(join(dir, 'model.safetensors.index.json'), `${JSON.stringify({ metadata: { total_size: totalSize }, weight_map: weightMap })}\n`);
}

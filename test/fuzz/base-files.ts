/** The valid checkpoints that the fuzzer mutates, as files in memory. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { byteFallbackDefinition, byteLevelDefinition } from '../support/byte-tokenizers.js';
import { type WriteCheckpointOptions, writeCheckpoint } from '../support/write-checkpoint.js';

/** File name → contents. */
export type Files = Map<string, Uint8Array>;

const SMALL = { hidden_size: 8, intermediate_size: 12, num_attention_heads: 2, num_key_value_heads: 1, vocab_size: 10, num_hidden_layers: 1, max_position_embeddings: 16 };

const VARIANTS: readonly (WriteCheckpointOptions & { readonly extra?: Readonly<Record<string, unknown>> })[] = [
  { config: SMALL },
  { config: { ...SMALL, num_hidden_layers: 2, attention_bias: true, mlp_bias: true }, type: 'bf16', shards: 2 },
  {
    config: {
      ...SMALL, tie_word_embeddings: true, head_dim: 6, eos_token_id: [2, 3], hidden_act: 'gelu_new',
      rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8 },
    },
    type: 'f16',
    vectorType: 'f32',
    extra: { 'generation_config.json': { eos_token_id: [2], temperature: 0.7, top_p: 0.9, top_k: 20 } },
  },
  {
    config: SMALL,
    shards: 3,
    extra: {
      'tokenizer.json': byteLevelDefinition(),
      'tokenizer_config.json': { bos_token: '<s>', eos_token: { content: '</s>' }, chat_template: '{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}' },
    },
  },
  { config: SMALL, type: 'bf16', vectorType: 'f32', extra: { 'tokenizer.json': byteFallbackDefinition(), 'tokenizer_config.json': { chat_template: '{{ messages[0].content }}' } } },
];

export const BASE_COUNT = VARIANTS.length;

const cache = new Map<number, Files>();

/** A fresh copy of a base's file list (the contents are shared and must not be written to). */
export function baseFiles(base: number): Files {
  let files = cache.get(base);
  if (files === undefined) {
    const { extra = {}, ...options } = VARIANTS[base] as (typeof VARIANTS)[0];
    const dir = mkdtempSync(join(tmpdir(), 'griffin-fuzz-base-'));
    try {
      writeCheckpoint(dir, { seed: base + 1, ...options });
      files = new Map(readdirSync(dir).sort().map((name) => [name, readFileSync(join(dir, name))]));
    } finally {
      rmSync(dir, { recursive: true });
    }
    for (const [name, content] of Object.entries(extra)) files.set(name, new TextEncoder().encode(JSON.stringify(content)));
    cache.set(base, files);
  }
  return new Map(files);
}

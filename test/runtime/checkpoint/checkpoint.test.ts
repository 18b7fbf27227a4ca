import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { openCheckpoint } from '../../../runtime/checkpoint/checkpoint.js';
import { CheckpointError, FileError, TokenizerError } from '../../../runtime/errors.js';
import { packageRoot } from '../../../runtime/paths.js';
import { temporaryDirectories } from '../../support/temp-dir.js';
import { type WriteCheckpointOptions, type WrittenTensor, safetensorsFile, writeCheckpoint } from '../../support/write-checkpoint.js';

const freshDir = temporaryDirectories('checkpoint');

function written(options: WriteCheckpointOptions = {}): string {
  const dir = freshDir();
  writeCheckpoint(dir, options);
  return dir;
}

const vector = (n: number): WrittenTensor => ({ type: 'f32', shape: [n], values: new Float32Array(n) });

/** Replaces a tensor by one of this shape. */
const reshape = (name: string, shape: number[]) => (tensors: Map<string, WrittenTensor>) => {
  const old = tensors.get(name) as WrittenTensor;
  tensors.set(name, { ...old, shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
};

describe('openCheckpoint', () => {
  it.each([{}, { shards: 3 }, { type: 'bf16' as const }, { config: { attention_bias: true, mlp_bias: true } }, { config: { tie_word_embeddings: true, head_dim: 8 } }])(
    'opens %j',
    (options) => {
      const dir = freshDir();
      const { tensors } = writeCheckpoint(dir, options);
      const checkpoint = openCheckpoint(dir);
      expect(checkpoint.tensors.map(({ source }) => source.name).sort()).toEqual([...tensors.keys()].sort());
      for (const { source } of checkpoint.tensors) expect(source.shape).toEqual(tensors.get(source.name)?.shape);
      expect(checkpoint.config.dtype).toBe(options.type ?? 'f32');
      expect(checkpoint.hasTokenizer).toBe(false);
      expect(() => checkpoint.tokenizer()).toThrow(TokenizerError);
    },
  );

  it.each(['test/fixtures/llama-tiny', 'test/fixtures/relu-llama-tiny', 'models/demo-llama-7m'])('opens %s', (path) => {
    const checkpoint = openCheckpoint(join(packageRoot(), path));
    expect(checkpoint.tensors.length).toBeGreaterThan(10);
  });

  it('gives the tokenizer and the end-of-text ids of the demo model', () => {
    const checkpoint = openCheckpoint(join(packageRoot(), 'models/demo-llama-7m'));
    expect(checkpoint.hasTokenizer).toBe(true);
    expect(checkpoint.tokenizer()).toBe(checkpoint.tokenizer());
    expect(checkpoint.eosTokenIds).toEqual([1]);
    expect(() => checkpoint.renderChat([{ role: 'user', content: 'x' }])).toThrow(/no chat template/);
  });

  it('lets generation_config.json decide the end-of-text ids', () => {
    const dir = written();
    expect(openCheckpoint(dir).eosTokenIds).toEqual([2]);
    writeFileSync(join(dir, 'generation_config.json'), '{"eos_token_id": [3, 4, 5000], "temperature": 0.6}');
    expect(openCheckpoint(dir)).toMatchObject({ eosTokenIds: [3, 4], generationConfig: { temperature: 0.6 } });
  });

  it('takes the matrices\' real type, not what config.json claims, and lets vectors differ', () => {
    expect(openCheckpoint(written({ type: 'f16', config: { torch_dtype: 'float32' } })).config.dtype).toBe('f16');
    expect(openCheckpoint(written({ type: 'bf16', vectorType: 'f32', config: { attention_bias: true } })).config.dtype).toBe('bf16');
  });

  it('leaves out what nothing needs', () => {
    const extra = (tensors: Map<string, WrittenTensor>): void => {
      tensors.set('model.layers.0.self_attn.rotary_emb.inv_freq', vector(3));
      tensors.set('lm_head.weight', tensors.get('model.embed_tokens.weight') as WrittenTensor);
    };
    const checkpoint = openCheckpoint(written({ config: { tie_word_embeddings: true }, edit: extra }));
    expect(checkpoint.tensors.some(({ source }) => /inv_freq|lm_head/.test(source.name))).toBe(false);
  });

  it.each<[string, WriteCheckpointOptions, RegExp]>([
    ['a missing tensor', { edit: (t) => t.delete('model.layers.1.mlp.up_proj.weight') }, /tensor "model.layers.1.mlp.up_proj.weight" missing/],
    ['a missing output projection', { edit: (t) => t.delete('lm_head.weight') }, /"lm_head.weight" missing.*\n {2}try: set "tie_word_embeddings": true/],
    ['an extra tensor', { edit: (t) => t.set('model.extra', vector(2)) }, /tensor "model.extra" in the weights, but not in a LlamaForCausalLM/],
    ['an unannounced bias', { edit: (t) => t.set('model.layers.0.mlp.up_proj.bias', vector(40)) }, /need "attention_bias" or "mlp_bias"/],
    ['an announced bias that is missing', { config: { mlp_bias: true }, edit: (t) => t.delete('model.layers.0.mlp.gate_proj.bias') }, /gate_proj.bias" missing/],
    ['a wrong shape', { edit: reshape('model.layers.0.mlp.down_proj.weight', [40, 24]) }, /"model.layers.0.mlp.down_proj.weight" has shape \[40, 24\]; config.json implies \[24, 40\]/],
    ['a flattened matrix', { edit: reshape('lm_head.weight', [50 * 24]) }, /has shape \[1200\]; config.json implies \[50, 24\]/],
    ['a short norm', { edit: reshape('model.norm.weight', [23]) }, /"model.norm.weight" has shape \[23\]/],
    ['matrices of two types', { edit: (t) => t.set('lm_head.weight', { ...(t.get('lm_head.weight') as WrittenTensor), type: 'bf16' }) }, /"lm_head.weight" is BF16, but "model.embed_tokens.weight" is F32/],
  ])('refuses %s', (_name, options, message) => {
    const dir = written(options);
    expect(() => openCheckpoint(dir)).toThrow(message);
    expect(() => openCheckpoint(dir)).toThrow(CheckpointError);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['layers', { num_hidden_layers: 3 }, /the weights have 2 layers, config.json says num_hidden_layers 3/],
    ['absurdly many layers', { num_hidden_layers: 4096 }, /the weights have 2 layers/],
    ['vocabulary', { vocab_size: 2 ** 24 }, /"model.embed_tokens.weight" has shape \[50, 24\]; config.json implies \[16777216, 24\]/],
    ['neurons', { intermediate_size: 44 }, /config.json implies \[44, 24\]/],
    ['heads', { num_key_value_heads: 4 }, /"model.layers.0.self_attn.k_proj.weight" has shape \[12, 24\]; config.json implies \[24, 24\]/],
  ])('refuses a config.json of other %s', (_name, change, message) => {
    const dir = freshDir();
    const { config } = writeCheckpoint(dir);
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...config, ...change }));
    expect(() => openCheckpoint(dir)).toThrow(message);
  });

  it('refuses weights that are integers', () => {
    const dir = freshDir();
    const { tensors } = writeCheckpoint(dir, { edit: (t) => t.delete('model.norm.weight'), shards: 1 });
    const header = '{"model.norm.weight":{"dtype":"I64","shape":[24],"data_offsets":[0,192]}}';
    writeFileSync(join(dir, 'model-norm.safetensors'), safetensorsFile(header, new Uint8Array(192)));
    const map = Object.fromEntries([...tensors.keys()].map((name) => [name, 'model-00001-of-00001.safetensors']));
    writeFileSync(join(dir, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { ...map, 'model.norm.weight': 'model-norm.safetensors' } }));
    expect(() => openCheckpoint(dir)).toThrow(/"model.norm.weight" has dtype I64; supported: F32, F16, BF16/);
  });

  it('reports missing and truncated files', () => {
    expect(() => openCheckpoint(join(freshDir(), 'none'))).toThrow(/does not exist; expected a checkpoint directory/);
    const dir = written();
    truncateSync(join(dir, 'model.safetensors'), 5000);
    expect(() => openCheckpoint(dir)).toThrow(/truncated/);
    rmSync(join(dir, 'config.json'));
    expect(() => openCheckpoint(dir)).toThrow(FileError);
    expect(() => openCheckpoint(dir)).toThrow(/config.json: does not exist/);
  });
});

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { parseModelConfig, readModelConfig } from '../../../runtime/checkpoint/config.js';
import { CheckpointError, FileError } from '../../../runtime/errors.js';
import { packageRoot } from '../../../runtime/paths.js';
import { temporaryDirectories } from '../../support/temp-dir.js';

const freshDir = temporaryDirectories('config');
const base = {
  architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_size: 64, intermediate_size: 176, num_hidden_layers: 3,
  num_attention_heads: 4, num_key_value_heads: 2, vocab_size: 320, bos_token_id: 1, eos_token_id: 2,
};
const parse = (change: Record<string, unknown> = {}) => parseModelConfig({ ...base, ...change }, 'config.json');

describe('parseModelConfig', () => {
  it('reads the fixture and the demo model', () => {
    expect(readModelConfig(join(packageRoot(), 'test/fixtures/llama-tiny/config.json'))).toEqual({
      architecture: 'LlamaForCausalLM', hiddenSize: 64, intermediateSize: 176, layers: 3, heads: 4, kvHeads: 2, headDim: 16, vocabSize: 320,
      maxPositions: 256, rmsNormEps: 1e-5, activation: 'silu', gated: true, tiedEmbeddings: false, attentionBias: false, mlpBias: false,
      ropeTheta: 10000, ropeScaling: null, bosTokenId: 1, eosTokenIds: [2], dtype: 'f32',
    });
    const demo = readModelConfig(join(packageRoot(), 'models/demo-llama-7m/config.json'));
    expect(demo).toMatchObject({ headDim: 32, kvHeads: 4, tiedEmbeddings: true, dtype: 'bf16', bosTokenId: 0, eosTokenIds: [1] });
  });

  it('has the defaults of LlamaConfig', () => {
    expect(parseModelConfig({ model_type: 'llama' }, 'x')).toEqual({
      architecture: 'LlamaForCausalLM', hiddenSize: 4096, intermediateSize: 11008, layers: 32, heads: 32, kvHeads: 32, headDim: 128, vocabSize: 32000,
      maxPositions: 2048, rmsNormEps: 1e-6, activation: 'silu', gated: true, tiedEmbeddings: false, attentionBias: false, mlpBias: false,
      ropeTheta: 10000, ropeScaling: null, bosTokenId: 1, eosTokenIds: [2], dtype: 'f32',
    });
  });

  it('derives or takes head_dim, and kv heads', () => {
    expect(parse({ num_key_value_heads: undefined }).kvHeads).toBe(4);
    expect(parse({ num_key_value_heads: null }).kvHeads).toBe(4);
    expect(parse({ head_dim: null }).headDim).toBe(16);
    expect(parse({ head_dim: 48 }).headDim).toBe(48);
    expect(parse({ hidden_size: 66, head_dim: 8 }).headDim).toBe(8);
  });

  it.each([
    ['silu', 'silu'], ['swish', 'silu'], ['gelu', 'gelu'], ['gelu_python', 'gelu'], ['gelu_pytorch_tanh', 'gelu_pytorch_tanh'],
    ['gelu_new', 'gelu_pytorch_tanh'], ['gelu_fast', 'gelu_pytorch_tanh'], ['relu', 'relu'],
  ])('activation %s is %s', (name, activation) => expect(parse({ hidden_act: name }).activation).toBe(activation));

  it('reads token ids as a number, a list or null', () => {
    expect(parse({ eos_token_id: [2, 5] }).eosTokenIds).toEqual([2, 5]);
    expect(parse({ eos_token_id: null, bos_token_id: null })).toMatchObject({ eosTokenIds: [], bosTokenId: null });
    expect(parse({ eos_token_id: undefined }).eosTokenIds).toEqual([2]);
  });

  it.each([
    [{ torch_dtype: 'bfloat16' }, 'bf16'], [{ torch_dtype: 'torch.float16' }, 'f16'], [{ dtype: 'float16' }, 'f16'],
    [{ dtype: 'bfloat16', torch_dtype: 'float32' }, 'bf16'], [{ torch_dtype: null }, 'f32'],
  ])('dtype of %j is %s', (change, dtype) => expect(parse(change).dtype).toBe(dtype));

  it.each([
    [{}, 10000, null],
    [{ rope_theta: 5e5, rope_scaling: null }, 5e5, null],
    [{ rope_scaling: { type: 'linear', factor: 2.5 } }, 10000, { type: 'linear', factor: 2.5 }],
    [{ rope_scaling: { rope_type: 'linear', factor: 4 } }, 10000, { type: 'linear', factor: 4 }],
    [{ rope_scaling: { rope_type: 'default' } }, 10000, null],
    [
      { rope_theta: 5e5, rope_scaling: { rope_type: 'llama3', factor: 32, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 } },
      5e5,
      { type: 'llama3', factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 8192 },
    ],
    [{ rope_parameters: { rope_type: 'default', rope_theta: 1e6 } }, 1e6, null],
    [{ rope_parameters: { rope_type: 'linear', factor: 8, rope_theta: 1e6 }, rope_theta: 7 }, 1e6, { type: 'linear', factor: 8 }],
    [{ rope_parameters: { rope_theta: 2e6 } }, 2e6, null],
  ])('reads positions from %j', (change, theta, scaling) => {
    expect(parse(change)).toMatchObject({ ropeTheta: theta, ropeScaling: scaling });
  });

  const llama3 = { rope_type: 'llama3', factor: 32, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
  it.each([
    [{ architectures: ['FalconForCausalLM'] }, /unsupported architecture "FalconForCausalLM"; supported: LlamaForCausalLM/],
    [{ architectures: [] }, /unsupported architecture \[\]/],
    [{ architectures: 'LlamaForCausalLM' }, /unsupported architecture "LlamaForCausalLM"; supported/],
    [{ architectures: ['__proto__'] }, /unsupported architecture/],
    [{ architectures: undefined, model_type: 'bert' }, /model_type is "bert".*supported: LlamaForCausalLM \(model_type llama\)/],
    [{ model_type: 'mistral' }, /model_type says "mistral"; expected "llama"/],
    [{ hidden_act: 'mish' }, /unsupported hidden_act "mish"; supported: silu, swish, gelu/],
    [{ hidden_act: 3 }, /hidden_act is 3/],
    [{ torch_dtype: 'float64' }, /unsupported torch_dtype "float64"; supported: float32, float16, bfloat16/],
    [{ num_key_value_heads: 3 }, /num_attention_heads 4 is not a multiple of num_key_value_heads 3/],
    [{ num_key_value_heads: 8 }, /num_attention_heads 4 is not a multiple of num_key_value_heads 8/],
    [{ hidden_size: 66 }, /hidden_size 66 is not a multiple of num_attention_heads 4/],
    [{ hidden_size: 60 }, /head_dim 15 .* is odd/],
    [{ head_dim: 7 }, /head_dim 7 is odd/],
    [{ head_dim: 0 }, /head_dim is 0/],
    [{ hidden_size: 0 }, /hidden_size is 0/],
    [{ hidden_size: -64 }, /hidden_size is -64/],
    [{ hidden_size: 64.5 }, /hidden_size is 64.5/],
    [{ hidden_size: '64' }, /hidden_size is "64"/],
    [{ hidden_size: null }, /hidden_size is null/],
    [{ intermediate_size: 2 ** 40 }, /intermediate_size is 1099511627776/],
    [{ num_hidden_layers: 1e9 }, /num_hidden_layers is 1000000000/],
    [{ vocab_size: 2 ** 40 }, /vocab_size is 1099511627776/],
    [{ max_position_embeddings: 2 ** 40 }, /max_position_embeddings is/],
    [{ rms_norm_eps: -1e-5 }, /rms_norm_eps is -0.00001/],
    [{ rope_theta: 0 }, /rope_theta is 0/],
    [{ rope_scaling: 'linear' }, /rope_scaling is "linear"/],
    [{ rope_scaling: { type: 'dynamic', factor: 2 } }, /rope_scaling: unsupported rope_type "dynamic"; supported: default, linear, llama3/],
    [{ rope_scaling: { rope_type: 'yarn', factor: 2 } }, /unsupported rope_type "yarn"/],
    [{ rope_scaling: { factor: 2 } }, /unsupported rope_type nothing/],
    [{ rope_scaling: { type: 'linear' } }, /rope_scaling: factor is nothing/],
    [{ rope_scaling: { type: 'linear', factor: 0.5 } }, /factor is 0.5/],
    [{ rope_scaling: { ...llama3, low_freq_factor: undefined } }, /low_freq_factor is nothing/],
    [{ rope_scaling: { ...llama3, high_freq_factor: 'x' } }, /high_freq_factor is "x"/],
    [{ rope_scaling: { ...llama3, high_freq_factor: 1 } }, /high_freq_factor is 1: expected more than low_freq_factor/],
    [{ rope_scaling: { ...llama3, original_max_position_embeddings: 0 } }, /original_max_position_embeddings is 0/],
    [{ rope_parameters: { rope_type: 'longrope' } }, /rope_parameters: unsupported rope_type "longrope"/],
    [{ tie_word_embeddings: 'yes' }, /tie_word_embeddings is "yes"/],
    [{ bos_token_id: 320 }, /bos_token_id 320 is outside the vocabulary of 320 tokens/],
    [{ eos_token_id: [2, 999] }, /eos_token_id 999 is outside/],
    [{ eos_token_id: -1 }, /eos_token_id is -1/],
    [{ eos_token_id: ['a'] }, /eos_token_id/],
    [{ quantization_config: { quant_method: 'gptq' } }, /quantization_config \("gptq"\)/],
  ])('refuses %j', (change, message) => {
    expect(() => parse(change)).toThrow(message);
    expect(() => parse(change)).toThrow(CheckpointError);
  });

  it('accepts the published Llama 3.2 form', () => {
    const config = parse({ rope_scaling: llama3, tie_word_embeddings: true, eos_token_id: [2, 3, 4], torch_dtype: 'bfloat16', unknown_field: { any: 'thing' }, pad_token_id: -1 });
    expect(config).toMatchObject({ tiedEmbeddings: true, eosTokenIds: [2, 3, 4] });
  });
});

describe('readModelConfig', () => {
  it('names the file when it is missing or malformed', () => {
    const path = join(freshDir(), 'config.json');
    expect(() => readModelConfig(path)).toThrow(FileError);
    writeFileSync(path, '{"a": 1, "a": 2}');
    expect(() => readModelConfig(path)).toThrow(/config.json: the name "a" appears twice/);
    writeFileSync(path, readFileSync(join(packageRoot(), 'test/fixtures/llama-tiny/config.json')).subarray(0, 90));
    expect(() => readModelConfig(path)).toThrow(/config.json: invalid JSON/);
  });
});

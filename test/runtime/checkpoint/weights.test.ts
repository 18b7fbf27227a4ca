import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { openCheckpoint } from '../../../runtime/checkpoint/checkpoint.js';
import type { ModelConfig, ModelWeights, WeightDtype } from '../../../runtime/checkpoint/types.js';
import { loadWeights } from '../../../runtime/checkpoint/weights.js';
import { openCpuDevice } from '../../../runtime/device/cpu.js';
import type { Device, DeviceBuffer } from '../../../runtime/device/types.js';
import { AbortedError, DeviceError, FileError } from '../../../runtime/errors.js';
import { packageRoot } from '../../../runtime/paths.js';
import { decodeElements } from '../../support/halves.js';
import { readTensors } from '../../support/read-tensors.js';
import { temporaryDirectories } from '../../support/temp-dir.js';
import { type WriteCheckpointOptions, writeCheckpoint } from '../../support/write-checkpoint.js';

const freshDir = temporaryDirectories('weights');
const device = openCpuDevice({ threads: 2 });
afterAll(() => device.dispose());

const numbers = (buffer: DeviceBuffer, dtype: WeightDtype): Float32Array => decodeElements(buffer.read(), dtype);

/** Compares every buffer with the checkpoint's numbers, element by element, by the definition of each layout. */
function expectLayouts(weights: ModelWeights, tensors: ReadonlyMap<string, Float32Array>): void {
  const { config } = weights;
  const { hiddenSize: d, intermediateSize: f, heads, kvHeads, headDim } = config;
  const tensor = (name: string): Float32Array => {
    const values = tensors.get(name);
    if (values === undefined) throw new Error(`the test's own reading of the checkpoint lacks ${name}`);
    return values;
  };
  const join = (...names: string[]): Float32Array => Float32Array.from(names.flatMap((name) => [...tensor(name)]));
  const same = (buffer: DeviceBuffer | null, dtype: WeightDtype, expected: Float32Array): void => {
    expect(buffer === null ? null : Buffer.compare(Buffer.from(numbers(buffer, dtype).buffer), Buffer.from(expected.buffer))).toBe(0);
  };
  same(weights.embed, config.dtype, tensor('model.embed_tokens.weight'));
  same(weights.finalNorm, 'f32', tensor('model.norm.weight'));
  if (config.tiedEmbeddings) expect(weights.lmHead).toBe(weights.embed);
  else same(weights.lmHead, config.dtype, tensor('lm_head.weight'));
  expect(weights.layers).toHaveLength(config.layers);
  for (const [i, layer] of weights.layers.entries()) {
    const name = (part: string): string => `model.layers.${i}.${part}`;
    const qkv = ['q', 'k', 'v'].map((which) => name(`self_attn.${which}_proj`));
    expect(layer.qkv.byteLength).toBe((heads + 2 * kvHeads) * headDim * d * (config.dtype === 'f32' ? 4 : 2));
    same(layer.inputNorm, 'f32', tensor(name('input_layernorm.weight')));
    same(layer.postNorm, 'f32', tensor(name('post_attention_layernorm.weight')));
    same(layer.qkv, config.dtype, join(...qkv.map((q) => `${q}.weight`)));
    same(layer.o, config.dtype, tensor(name('self_attn.o_proj.weight')));
    const [gate, up, down] = ['gate', 'up', 'down'].map((which) => tensor(name(`mlp.${which}_proj.weight`))) as [Float32Array, Float32Array, Float32Array];
    same(layer.ffIn, config.dtype, Float32Array.from({ length: 2 * f * d }, (_, e) => {
      const [neuron, which, col] = [Math.floor(e / (2 * d)), Math.floor(e / d) % 2, e % d];
      return (which === 0 ? gate : up)[neuron * d + col] as number;
    }));
    same(layer.ffOut, config.dtype, Float32Array.from({ length: f * d }, (_, e) => down[(e % d) * f + Math.floor(e / d)] as number));
    if (config.attentionBias) {
      same(layer.qkvBias, 'f32', join(...qkv.map((q) => `${q}.bias`)));
      same(layer.oBias, 'f32', tensor(name('self_attn.o_proj.bias')));
    } else {
      expect([layer.qkvBias, layer.oBias]).toEqual([null, null]);
    }
    if (config.mlpBias) {
      const [gateBias, upBias] = [tensor(name('mlp.gate_proj.bias')), tensor(name('mlp.up_proj.bias'))];
      same(layer.ffInBias, 'f32', Float32Array.from({ length: 2 * f }, (_, e) => (e % 2 === 0 ? gateBias : upBias)[e >> 1] as number));
      same(layer.ffOutBias, 'f32', tensor(name('mlp.down_proj.bias')));
    } else {
      expect([layer.ffInBias, layer.ffOutBias]).toEqual([null, null]);
    }
  }
}

describe('loadWeights', () => {
  const biases = { attention_bias: true, mlp_bias: true };
  it.each<[string, WriteCheckpointOptions]>([
    ['f32', {}],
    ['f16 in shards', { type: 'f16', shards: 3 }],
    ['bf16 with f32 vectors and biases', { type: 'bf16', vectorType: 'f32', config: biases }],
    ['f16 with biases', { type: 'f16', config: biases }],
    ['f32 with bf16 vectors', { vectorType: 'bf16', config: biases }],
    ['tied, its own head_dim', { type: 'bf16', config: { tie_word_embeddings: true, head_dim: 10 } }],
    ['one head, odd sizes', { type: 'bf16', config: { hidden_size: 34, intermediate_size: 71, num_attention_heads: 1, num_key_value_heads: 1, vocab_size: 53, num_hidden_layers: 1 } }],
  ])('lays out %s', async (_name, options) => {
    const dir = freshDir();
    const { tensors } = writeCheckpoint(dir, options);
    const weights = await loadWeights(device, openCheckpoint(dir));
    expectLayouts(weights, new Map([...tensors].map(([name, { values }]) => [name, values])));
    weights.dispose();
    expect(device.allocatedBytes()).toBe(0);
  });

  it.each(['test/fixtures/llama-tiny', 'models/demo-llama-7m'])('lays out %s', async (path) => {
    const dir = join(packageRoot(), path);
    const before = device.allocatedBytes();
    const weights = await loadWeights(device, openCheckpoint(dir));
    expectLayouts(weights, readTensors(join(dir, 'model.safetensors')));
    expect(device.allocatedBytes() - before).toBeGreaterThanOrEqual(weights.byteLength);
    expect(device.allocatedBytes() - before).toBeLessThanOrEqual(1.15 * weights.byteLength + 65536);
    weights.dispose();
  });

  it('reports progress up to the size of the files\' tensors', async () => {
    const dir = freshDir();
    const { tensors } = writeCheckpoint(dir, { shards: 2 });
    const total = [...tensors.values()].reduce((sum, { values }) => sum + 4 * values.length, 0);
    const seen: number[] = [];
    const weights = await loadWeights(device, openCheckpoint(dir), {
      onProgress: ({ bytesDone, bytesTotal }) => {
        expect(bytesTotal).toBe(total);
        seen.push(bytesDone);
      },
    });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(total);
    weights.dispose();
  });

  it('frees everything when it is stopped or fails', async () => {
    const dir = freshDir();
    writeCheckpoint(dir, { shards: 2 });
    const checkpoint = openCheckpoint(dir);
    const abort = new AbortController();
    const stopped = loadWeights(device, checkpoint, { signal: abort.signal, onProgress: () => abort.abort() });
    await expect(stopped).rejects.toThrow(AbortedError);
    expect(device.allocatedBytes()).toBe(0);
    appendFileSync(join(dir, 'model-00002-of-00002.safetensors'), 'more');
    await expect(loadWeights(device, checkpoint)).rejects.toThrow(FileError);
    await expect(loadWeights(device, checkpoint)).rejects.toThrow(/when the checkpoint was opened/);
    expect(device.allocatedBytes()).toBe(0);
  });

  it('refuses weights larger than the memory before allocating', async () => {
    const dir = freshDir();
    writeCheckpoint(dir);
    const small: Device = Object.create(device, {
      identity: { value: { ...device.identity, memoryBytes: 1000 } },
      allocate: { value: () => { throw new Error('must not allocate'); } },
    }) as Device;
    const checkpoint = openCheckpoint(dir);
    await expect(loadWeights(small, checkpoint)).rejects.toThrow(DeviceError);
    await expect(loadWeights(small, checkpoint)).rejects.toThrow(/the weights take 0.000 GB, more than the 0.000 GB/);
    expect((checkpoint.config satisfies ModelConfig).layers).toBe(2);
  });
});

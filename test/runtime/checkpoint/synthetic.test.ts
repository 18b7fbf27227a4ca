import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { weightBytes } from '../../../runtime/checkpoint/sizes.js';
import { SYNTHETIC_NAMES, syntheticConfig, syntheticWeights } from '../../../runtime/checkpoint/synthetic.js';
import type { ModelConfig } from '../../../runtime/checkpoint/types.js';
import { openCpuDevice } from '../../../runtime/device/cpu.js';
import type { DeviceBuffer } from '../../../runtime/device/types.js';
import { CheckpointError, UsageError } from '../../../runtime/errors.js';
import { packageRoot } from '../../../runtime/paths.js';
import { decodeElements } from '../../support/halves.js';
import { temporaryDirectories } from '../../support/temp-dir.js';

const freshDir = temporaryDirectories('synthetic');
const device = openCpuDevice({ threads: 2 });
afterAll(() => device.dispose());

describe('syntheticConfig', () => {
  it('knows the published shapes', () => {
    expect(SYNTHETIC_NAMES).toEqual(['llama-2-7b', 'llama-2-13b', 'gemma-7b', 'mistral-7b', 'llama-3-8b', 'opt-6.7b', 'tinyllama-1.1b']);
    for (const name of SYNTHETIC_NAMES) {
      const config = syntheticConfig(name);
      expect(config.heads % config.kvHeads).toBe(0);
      expect(config.headDim % 2).toBe(0);
      expect(config.dtype).toBe('bf16');
    }
    expect(syntheticConfig('gemma-7b')).toMatchObject({ headDim: 256, tiedEmbeddings: true, activation: 'gelu_pytorch_tanh' });
    expect(syntheticConfig('opt-6.7b')).toMatchObject({ gated: false, mlpBias: true, activation: 'relu' });
  });

  it('reads a config.json or its directory, and cuts layers', () => {
    const dir = join(packageRoot(), 'test/fixtures/llama-tiny');
    expect(syntheticConfig(dir)).toEqual(syntheticConfig(join(dir, 'config.json')));
    expect(syntheticConfig(dir, { layers: 2, dtype: 'f16' })).toMatchObject({ layers: 2, dtype: 'f16', hiddenSize: 64 });
  });

  it.each([
    ['llama-9', {}, UsageError, /unknown shape "llama-9"; expected one of llama-2-7b, .*tinyllama-1.1b, or the path/],
    ['__proto__', {}, UsageError, /unknown shape/],
    ['llama-2-7b', { layers: 33 }, UsageError, /layers is 33; expected an integer from 1 to the 32 layers/],
    ['llama-2-7b', { layers: 0 }, UsageError, /layers is 0/],
    ['llama-2-7b', { layers: 1.5 }, UsageError, /layers is 1.5/],
  ])('refuses %s %j', (name, options, type, message) => {
    expect(() => syntheticConfig(name, options)).toThrow(message);
    expect(() => syntheticConfig(name, options)).toThrow(type);
  });

  it('names the field of a config.json that is wrong', () => {
    const path = join(freshDir(), 'config.json');
    writeFileSync(path, '{"model_type":"llama","hidden_size":-1}');
    expect(() => syntheticConfig(path)).toThrow(CheckpointError);
  });
});

describe('syntheticWeights', () => {
  const tiny: ModelConfig = { ...syntheticConfig(join(packageRoot(), 'test/fixtures/llama-tiny')), dtype: 'bf16', attentionBias: true, mlpBias: true };
  const stats = (buffer: DeviceBuffer, type: 'f32' | 'bf16'): { largest: number; deviation: number; mean: number } => {
    const values = decodeElements(buffer.read(), type);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return { largest: values.reduce((a, b) => Math.max(a, Math.abs(b)), 0), mean, deviation: Math.sqrt(values.reduce((a, b) => a + b * b, 0) / values.length) };
  };

  it('has norms of one and matrices of variance 1 / inputs', async () => {
    const weights = await syntheticWeights(device, tiny, { seed: 1 });
    for (const layer of weights.layers) {
      for (const norm of [layer.inputNorm, layer.postNorm, weights.finalNorm]) expect([...decodeElements(norm.read(), 'f32')].every((v) => v === 1)).toBe(true);
      for (const [buffer, inputs, shrink] of [[layer.qkv, 64, 1], [layer.o, 64, 6], [layer.ffIn, 64, 1], [layer.ffOut, 176, 6]] as const) {
        const { deviation, mean, largest } = stats(buffer, 'bf16');
        expect(deviation * Math.sqrt(inputs * shrink)).toBeGreaterThan(0.95);
        expect(deviation * Math.sqrt(inputs * shrink)).toBeLessThan(1.05);
        expect(Math.abs(mean)).toBeLessThan(0.1 * deviation);
        expect(largest).toBeLessThanOrEqual(Math.sqrt(3 / (inputs * shrink)) * 1.01);
      }
      for (const bias of [layer.qkvBias, layer.oBias, layer.ffInBias, layer.ffOutBias]) expect(stats(bias as DeviceBuffer, 'f32').largest).toBeLessThanOrEqual(0.0201);
    }
    expect(weights.byteLength).toBe(weightBytes(tiny).total);
    weights.dispose();
    expect(device.allocatedBytes()).toBe(0);
  });

  it('gives the same bytes for the same seed, others for another, and no buffer twice', async () => {
    const [a, b, c] = [await syntheticWeights(device, tiny, { seed: 7 }), await syntheticWeights(device, tiny, { seed: 7 }), await syntheticWeights(device, tiny, { seed: 8 })];
    const bytes = (weights: typeof a): string[] => [weights.embed, weights.lmHead, ...weights.layers.flatMap((l) => [l.qkv, l.o, l.ffIn, l.ffOut])].map((buffer) => Buffer.from(buffer.read()).toString('base64'));
    expect(bytes(a)).toEqual(bytes(b));
    const heads = [...bytes(a), ...bytes(c)].map((text) => text.slice(0, 1000));
    expect(new Set(heads).size).toBe(heads.length);
    for (const weights of [a, b, c]) weights.dispose();
  });

  it('shares a tied embedding, and has plain FF weights where not gated', async () => {
    const config = { ...syntheticConfig('opt-6.7b', { layers: 1 }), hiddenSize: 64, headDim: 16, heads: 4, kvHeads: 4, intermediateSize: 100, vocabSize: 60 };
    const weights = await syntheticWeights(device, config, { seed: 0 });
    expect(weights.lmHead).toBe(weights.embed);
    expect(weights.layers[0]?.ffIn.byteLength).toBe(100 * 64 * 2);
    expect(weights.layers[0]?.ffInBias?.byteLength).toBe(400);
    expect(weights.byteLength).toBe(weightBytes(config).total);
    weights.dispose();
  });
});

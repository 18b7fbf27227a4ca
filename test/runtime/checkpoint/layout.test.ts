import { describe, expect, it } from 'vitest';

import { parseModelConfig } from '../../../runtime/checkpoint/config.js';
import { elementCount, globalSlots, isIgnoredTensor, layerSlots, sourceTensors } from '../../../runtime/checkpoint/layout.js';
import { syntheticConfig } from '../../../runtime/checkpoint/synthetic.js';
import type { ModelConfig } from '../../../runtime/checkpoint/types.js';
import { CheckpointError } from '../../../runtime/errors.js';
import { llamaTensorShapes } from '../../support/write-checkpoint.js';

const raw = { model_type: 'llama', hidden_size: 12, intermediate_size: 20, num_hidden_layers: 2, num_attention_heads: 3, num_key_value_heads: 1, head_dim: 6, vocab_size: 7 };
const variants: [string, Record<string, unknown>][] = [
  ['plain', raw],
  ['with biases', { ...raw, attention_bias: true, mlp_bias: true }],
  ['tied', { ...raw, tie_word_embeddings: true }],
];

describe.each(variants)('the tensors of a Llama, %s', (_name, json) => {
  const config = parseModelConfig(json, 'config.json');

  it('are those that Hugging Face writes', () => {
    const shapes = new Map(sourceTensors(config).map(({ name, shape }) => [name, [...shape]]));
    expect(new Map([...shapes].sort())).toEqual(new Map([...llamaTensorShapes(json)].sort()));
  });

  it('fill every element of every slot exactly once', () => {
    const slots = (layer: number | undefined) => (layer === undefined ? globalSlots(config) : layerSlots(config)) as Record<string, { kind: string; shape: readonly number[] }>;
    const counts = new Map<string, Uint8Array>();
    for (const layer of [undefined, 0, 1]) {
      for (const [name, slot] of Object.entries(slots(layer))) counts.set(`${layer}.${name}`, new Uint8Array(elementCount(slot as Parameters<typeof elementCount>[0])));
    }
    for (const { shape, kind, destination } of sourceTensors(config)) {
      const key = `${destination.layer}.${destination.slot}`;
      expect(slots(destination.layer)[destination.slot]?.kind).toBe(kind);
      const count = counts.get(key) as Uint8Array;
      const [rows, cols = 1] = shape as [number, number?];
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < cols; c++) {
          const at = destination.offset + (destination.transpose === true ? c * destination.stride + r : r * destination.stride + c);
          expect(at).toBeLessThan(count.length);
          count[at] = (count[at] as number) + 1;
        }
      }
    }
    for (const [key, count] of counts) expect([key, [...new Set(count)]]).toEqual([key, [1]]);
  });
});

describe('slots', () => {
  it('leave out what the config has not', () => {
    const config = parseModelConfig(raw, 'config.json');
    expect(Object.keys(layerSlots(config))).toEqual(['inputNorm', 'qkv', 'o', 'postNorm', 'ffIn', 'ffOut']);
    expect(layerSlots({ ...config, gated: false }).ffIn?.shape).toEqual([20, 1, 12]);
    expect(layerSlots(config).qkv?.shape).toEqual([(3 + 2) * 6, 12]);
    expect(globalSlots({ ...config, tiedEmbeddings: true }).lmHead).toBeUndefined();
  });
});

it('names the supported architectures for another one', () => {
  const config: ModelConfig = { ...syntheticConfig('tinyllama-1.1b'), architecture: 'FalconForCausalLM' };
  expect(() => sourceTensors(config)).toThrow(/no tensor table for architecture "FalconForCausalLM"; supported: LlamaForCausalLM/);
  expect(() => sourceTensors(config)).toThrow(CheckpointError);
});

it('ignores rotary tables, and the output projection only where tied', () => {
  const config = parseModelConfig(raw, 'config.json');
  expect(isIgnoredTensor('model.layers.3.self_attn.rotary_emb.inv_freq', config)).toBe(true);
  expect(isIgnoredTensor('lm_head.weight', config)).toBe(false);
  expect(isIgnoredTensor('lm_head.weight', { ...config, tiedEmbeddings: true })).toBe(true);
  expect(isIgnoredTensor('model.layers.3.mlp.inv_freq', config)).toBe(false);
});

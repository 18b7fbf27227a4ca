/**
 * What the recorded checkpoints do not have (F16, biases, other activations, head sizes, rotary scalings, tied embeddings; sizes that no
 * vector width divides): compiled kernels against the same plans on fp64 oracles.
 */
import { describe, expect, it } from 'vitest';

import { cpuIdentity } from '../../../runtime/device/cpu-info.js';
import { openCpuDevice } from '../../../runtime/device/cpu.js';
import { openLibrary } from '../../../runtime/library/library.js';
import { generateTokens, openTinyEngine } from '../../support/tiny-engine.js';
import type { WriteCheckpointOptions } from '../../support/write-checkpoint.js';
import { temporaryDirectory } from '../library/support.js';

const CHECKPOINTS: readonly (WriteCheckpointOptions & { readonly name: string })[] = [
  { name: 'F16, attention and MLP bias', type: 'f16', config: { attention_bias: true, mlp_bias: true } },
  {
    name: 'BF16, F32 norms, tied, gelu_pytorch_tanh, llama3 rotary scaling, one kv head',
    type: 'bf16',
    vectorType: 'f32',
    config: {
      tie_word_embeddings: true, hidden_act: 'gelu_pytorch_tanh', num_key_value_heads: 1, intermediate_size: 53,
      rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 },
    },
  },
  {
    name: 'F32, gelu, head_dim of its own, linear rotary scaling, odd sizes',
    type: 'f32',
    config: {
      hidden_act: 'gelu', hidden_size: 35, head_dim: 10, num_attention_heads: 3, num_key_value_heads: 3, intermediate_size: 41, vocab_size: 67,
      rope_scaling: { type: 'linear', factor: 4 }, rope_theta: 500,
    },
  },
  { name: 'BF16, relu, three layers, odd sizes', type: 'bf16', config: { hidden_act: 'relu', num_hidden_layers: 3, hidden_size: 56, intermediate_size: 97 } },
];
const PROMPT = [7, 3, 44, 12, 12, 30, 9, 1, 25];
const OPTIONS = { maxNewTokens: 7, density: 0.4, prefillChunk: 6, ignoreEos: true } as const;

describe.each(CHECKPOINTS)('$name', ({ name: _, ...checkpoint }) => {
  it.each(cpuIdentity().isas)('%s gives the oracle\'s tokens, experts and logits', async (isa) => {
    using nowhere = temporaryDirectory();
    const { engine: oracle } = await openTinyEngine({ ...checkpoint, scale: 0.4 });
    const device = openCpuDevice({ isa, threads: 2 });
    const { engine } = await openTinyEngine({ ...checkpoint, scale: 0.4 }, device, openLibrary(device, { directory: nowhere.path }));
    for (const strategy of ['gather', 'compact'] as const) {
      const expected = await generateTokens(oracle, PROMPT, { ...OPTIONS, strategy });
      const actual = await generateTokens(engine, PROMPT, { ...OPTIONS, strategy });
      expect(actual.tokens).toEqual(expected.tokens);
      expect(actual.report.experts).toEqual(expected.report.experts);
      for (const which of ['firstLogits', 'lastLogits'] as const) {
        const worst = Math.max(...actual.report[which]!.map((logit, i) => Math.abs(logit - expected.report[which]![i]!)));
        expect(worst, which).toBeLessThan(1e-4);
      }
    }
    await engine[Symbol.asyncDispose]();
    engine.weights.dispose();
    expect(device.allocatedBytes()).toBe(0);
    await device.dispose();
  });
});

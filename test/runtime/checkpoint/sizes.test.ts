import { describe, expect, it } from 'vitest';

import { kvBytesPerToken, weightBytes } from '../../../runtime/checkpoint/sizes.js';
import { syntheticConfig } from '../../../runtime/checkpoint/synthetic.js';

/** FF bytes and all bytes that a token reads, in GB, as published for these models with 2-byte weights (norms and biases aside). */
const PUBLISHED = [
  ['llama-2-7b', 8.66, 13.21],
  ['llama-2-13b', 16.99, 25.7],
  ['gemma-7b', 12.68, 17.08],
  ['mistral-7b', 11.27, 14.22],
  ['llama-3-8b', 11.27, 15.01],
  ['opt-6.7b', 8.59, 13.3],
] as const;

describe('weightBytes', () => {
  it.each(PUBLISHED)('%s: %d GB of FF, %d GB per token', (name, ff, perToken) => {
    const bytes = weightBytes(syntheticConfig(name));
    expect(Math.abs(bytes.ff / 1e9 - ff)).toBeLessThan(0.007);
    expect(Math.abs(bytes.perToken / 1e9 - perToken)).toBeLessThan(0.008);
    expect(bytes.total).toBe(bytes.ff + bytes.attention + bytes.lmHead + bytes.other);
  });

  it('counts the parameters of TinyLlama', () => {
    expect(weightBytes(syntheticConfig('tinyllama-1.1b', { dtype: 'f32' })).total).toBe(4 * 1_100_048_384);
  });

  it('counts norms and biases in f32, and a tied table once', () => {
    const config = { ...syntheticConfig('tinyllama-1.1b', { layers: 1 }), attentionBias: true, mlpBias: true };
    const [d, f, v, qkv] = [2048, 5632, 32000, (32 + 8) * 64];
    expect(weightBytes(config)).toEqual({
      ff: 2 * 3 * f * d + 4 * (2 * f + d),
      attention: 2 * (qkv + d) * d + 4 * (qkv + d),
      lmHead: 2 * v * d,
      other: 2 * v * d + 4 * 3 * d,
      total: 2 * 3 * f * d + 4 * (2 * f + d) + 2 * (qkv + d) * d + 4 * (qkv + d) + 4 * v * d + 12 * d,
      perToken: 2 * 3 * f * d + 4 * (2 * f + d) + 2 * (qkv + d) * d + 4 * (qkv + d) + 2 * v * d + 12 * d + 2 * d,
    });
    expect(weightBytes({ ...config, tiedEmbeddings: true }).other).toBe(4 * 3 * d);
    expect(weightBytes({ ...config, gated: false }).ff).toBe(2 * 2 * f * d + 4 * (f + d));
  });
});

describe('kvBytesPerToken', () => {
  it('is an f32 key and value per layer and kv head', () => {
    expect(kvBytesPerToken(syntheticConfig('llama-3-8b'))).toBe(32 * 2 * 8 * 128 * 4);
  });
});

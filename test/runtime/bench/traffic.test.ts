import { describe, expect, it } from 'vitest';
import { idealSpeedup, keptNeurons, operationBytes, prefillFlops, prefillOperationFlops, tokenTraffic } from '../../../runtime/bench/traffic.js';
import type { ModelConfig } from '../../../runtime/checkpoint/types.js';

const llama2: ModelConfig = {
  architecture: 'llama',
  hiddenSize: 4096,
  intermediateSize: 11008,
  layers: 32,
  heads: 32,
  kvHeads: 32,
  headDim: 128,
  vocabSize: 32000,
  maxPositions: 4096,
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
};

describe('tokenTraffic', () => {
  it('gives the feed-forward and weight volumes of Llama-2-7B', () => {
    const full = tokenTraffic(llama2, 1, 0);
    expect(full.ffBytes).toBe(3 * 4096 * 11008 * 2 * 32);
    expect(full.ffBytes / 1e9).toBeCloseTo(8.66, 2);
    expect(full.totalBytes / 1e9).toBeCloseTo(13.21, 1);
  });

  it('counts f32 keys and values: twice the published 2-byte figure per context token', () => {
    expect(tokenTraffic(llama2, 1, 1).kvBytes).toBe(2 * 32 * 32 * 128 * 4);
    expect(tokenTraffic(llama2, 0.5, 2.5).kvBytes).toBe(2.5 * tokenTraffic(llama2, 1, 1).kvBytes);
  });

  it('drops exactly the share of the feed-forward that is not kept', () => {
    const tokens = tokenTraffic({ ...llama2, intermediateSize: 11007 }, 0.5, 0);
    expect(keptNeurons(11007, 0.5)).toBe(5503);
    expect(tokens.ffBytes).toBe(3 * 4096 * 5503 * 2 * 32);
    expect(tokenTraffic(llama2, 0, 0).ffBytes).toBe(0);
  });

  it('counts biases where the model has them', () => {
    const biased = { ...llama2, gated: false, mlpBias: true, attentionBias: true };
    const difference = tokenTraffic(biased, 1, 0).ffBytes - tokenTraffic({ ...biased, mlpBias: false }, 1, 0).ffBytes;
    expect(difference).toBe(32 * 4 * (11008 + 4096));
  });
});

describe('idealSpeedup', () => {
  it('is 1 at density 1 and grows as density falls', () => {
    expect(idealSpeedup(llama2, 1, 100)).toBe(1);
    expect(idealSpeedup(llama2, 0.25, 100)).toBeGreaterThan(idealSpeedup(llama2, 0.5, 100));
  });

  it('agrees with S = T / (T - sigma FF)', () => {
    const { totalBytes, ffBytes } = tokenTraffic(llama2, 1, 512);
    expect(idealSpeedup(llama2, 0.5, 512)).toBeCloseTo(totalBytes / (totalBytes - 0.5 * ffBytes), 12);
  });
});

describe('prefillFlops', () => {
  it('is close to 2 flops per weight and token for a short prompt', () => {
    const weights = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008);
    expect(prefillFlops(llama2, 16) / (2 * weights * 16)).toBeCloseTo(1, 1);
  });
});

describe('operationBytes', () => {
  it.each([llama2, { ...llama2, gated: false, mlpBias: true, attentionBias: true }])('adds up to the traffic of a token, but for norms and the embedding row', (config) => {
    const sum = Object.values(operationBytes(config, 0.5, 77)).reduce((a, b) => a + b, 0);
    const rest = 4 * 4096 * 65 + 4096 * 2;
    expect(sum + rest).toBe(tokenTraffic(config, 0.5, 77).totalBytes);
  });
});

describe('prefillOperationFlops', () => {
  it('adds up to the prefill without attention scores and the head', () => {
    const products = Object.values(prefillOperationFlops(llama2, 64)).reduce((a, b) => a + b, 0);
    const attention = 32 * 32 * 128 * 4 * ((64 * 65) / 2);
    expect(products + attention + 2 * 4096 * 32000).toBe(prefillFlops(llama2, 64));
  });
});

import { describe, expect, it } from 'vitest';

import { UsageError } from '../../../runtime/errors.js';
import { STATE } from '../../../runtime/model/buffers.js';
import type { Device } from '../../../runtime/device/types.js';
import { generateTokens, openTinyEngine } from '../../support/tiny-engine.js';

const PROMPT = [3, 8, 21, 40, 11];

/** Counts recordings. */
function countRecordings(device: Device): () => number {
  const record = device.record.bind(device);
  let recordings = 0;
  device.record = (label) => {
    recordings++;
    return record(label);
  };
  return () => recordings;
}

describe('createEngine', () => {
  it('reuses buffers and plans from one generation to the next', async () => {
    const { engine, device } = await openTinyEngine();
    const recordings = countRecordings(device);
    await generateTokens(engine, PROMPT, { density: 0.5, maxNewTokens: 3 });
    const [first, bytes] = [recordings(), device.allocatedBytes()];
    await generateTokens(engine, [...PROMPT, 1], { density: 0.5, maxNewTokens: 9 });
    expect(recordings()).toBe(first);
    // A prompt of few tokens has a prefill of its own.
    await generateTokens(engine, PROMPT.slice(0, 4), { density: 0.5, maxNewTokens: 3 });
    await generateTokens(engine, PROMPT.slice(0, 2), { density: 0.5, maxNewTokens: 3 });
    expect(recordings()).toBe(first + 1);
    expect(device.allocatedBytes()).toBe(bytes);
  });

  it('records ahead everything that a generation needs', async () => {
    const { engine, device } = await openTinyEngine();
    engine.prepare(20, 16);
    engine.record({ tokens: PROMPT.length, statistic: true }, { kind: 'gather', k: 7 });
    const recordings = countRecordings(device);
    await engine.prefill(Int32Array.from(PROMPT), 0, { statistic: true });
    await engine.tail();
    await engine.decode({ kind: 'gather', k: 7 });
    expect(recordings()).toBe(0);
    await engine.compact(7);
    const afterPacking = recordings();
    await engine.decode({ kind: 'compact', k: 7 });
    expect(recordings()).toBe(afterPacking);
  });

  it('keeps no more than it uses, and gives everything back', async () => {
    const { engine, device } = await openTinyEngine();
    const weights = device.allocatedBytes() - engine.workingBytes();
    for (const density of [0.2, 0.4, 0.6]) await generateTokens(engine, PROMPT, { density, maxNewTokens: 3, strategy: 'compact' });
    const once = engine.workingBytes();
    await generateTokens(engine, PROMPT, { density: 0.6, maxNewTokens: 3, strategy: 'compact' });
    expect(engine.workingBytes()).toBe(once);
    await engine[Symbol.asyncDispose]();
    expect(device.allocatedBytes()).toBe(weights);
    engine.weights.dispose();
    expect(device.allocatedBytes()).toBe(0);
  });

  it('gives the same answers for packed neurons, biases included', async () => {
    const { engine } = await openTinyEngine({ config: { mlp_bias: true, attention_bias: true }, type: 'bf16', vectorType: 'f32' });
    expect(engine.weights.layers[0]!.ffInBias).not.toBeNull();
    const gather = await generateTokens(engine, PROMPT, { density: 0.4, maxNewTokens: 6, strategy: 'gather' });
    const compact = await generateTokens(engine, PROMPT, { density: 0.4, maxNewTokens: 6, strategy: 'compact' });
    expect(compact.tokens).toEqual(gather.tokens);
    expect(compact.report.lastLogits).toEqual(gather.report.lastLogits);
  });

  it('leaves token and position in state after every call', async () => {
    const { engine } = await openTinyEngine();
    engine.prepare(20, 16);
    engine.shared.settings.write(Float32Array.of(0, 1, 0, 1)); // greedy, nothing else on
    const state = (): Int32Array => new Int32Array(engine.shared.state.read().buffer);
    await engine.prefill(Int32Array.from(PROMPT), 0, { statistic: true });
    expect([state()[STATE.position], state()[STATE.rows], state()[STATE.lastRow]]).toEqual([5, 5, 4]);
    await engine.tail();
    const largest = (): number => {
      const logits = new Float32Array(engine.shared.logits.read().buffer);
      return logits.indexOf(Math.max(...logits));
    };
    expect([state()[STATE.position], state()[STATE.token]]).toEqual([5, largest()]);
    await engine.decode({ kind: 'dense' });
    expect([state()[STATE.position], state()[STATE.token]]).toEqual([6, largest()]);
    const profile = await engine.profileDecode({ kind: 'dense' });
    expect(profile.map(({ label }) => label).filter((label) => label.startsWith('layers.1 '))).toEqual(
      ['input_norm', 'qkv', 'rope', 'attention', 'o', 'post_norm', 'gate_up', 'down'].map((name) => `layers.1 ${name}`),
    );
  });

  it('adds the statistic over chunks: rows of length one in all', async () => {
    const { engine } = await openTinyEngine();
    engine.prepare(20, 16);
    engine.shared.scores.fill(0);
    await engine.prefill(Int32Array.from(PROMPT.slice(0, 3)), 0, { statistic: true });
    await engine.prefill(Int32Array.from(PROMPT.slice(3)), 3, { statistic: true });
    const scores = new Float32Array(engine.shared.scores.read().buffer);
    for (const layer of [0, 1]) {
      const sum = scores.subarray(layer * 40, (layer + 1) * 40).reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo(PROMPT.length, 4);
    }
  });

  it('refuses to run before it is prepared, past its rows, and after disposal', async () => {
    const { engine } = await openTinyEngine();
    await expect(engine.decode({ kind: 'dense' })).rejects.toThrow('prepare');
    engine.prepare(8, 4);
    await expect(engine.prefill(Int32Array.from(PROMPT), 0, { statistic: false })).rejects.toThrow(RangeError);
    await expect(engine.decode({ kind: 'compact', k: 3 })).rejects.toThrow('compact(3)');
    await engine[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
    expect(() => engine.prepare(8, 4)).toThrow(UsageError);
    await expect(engine.tail()).rejects.toThrow(UsageError);
  });
});

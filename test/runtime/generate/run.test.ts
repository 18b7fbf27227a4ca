import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CheckpointError } from '../../../runtime/errors.js';
import { emptyReport, runTokens } from '../../../runtime/generate/run.js';
import { STATE } from '../../../runtime/model/buffers.js';
import type { Engine } from '../../../runtime/model/engine.js';
import { generateTokens, openTinyEngine, runRequest } from '../../support/tiny-engine.js';

const PROMPT = [5, 9, 2, 17, 33, 8, 41, 5, 12, 30, 7];
const FF = 40;
let engine: Engine;

beforeAll(async () => {
  ({ engine } = await openTinyEngine());
});
afterAll(() => engine[Symbol.asyncDispose]());

describe('runTokens', () => {
  it('keeps floor(F * density) ascending neurons per layer, and reports both logits', async () => {
    const { tokens, finish, report } = await generateTokens(engine, PROMPT, { density: 0.3, maxNewTokens: 5 });
    expect(tokens).toHaveLength(5);
    expect(finish).toBe('length');
    expect(report.decodeTokens).toBe(4);
    for (const row of report.experts!) {
      expect(row).toHaveLength(12);
      expect(row).toEqual([...row].sort((a, b) => a - b));
    }
    const argmax = (logits: number[]): number => logits.indexOf(Math.max(...logits));
    expect(argmax(report.firstLogits!)).toBe(tokens[0]);
    expect(argmax(report.lastLogits!)).toBe(tokens[4]);
  });

  it('refuses to write text from weights that are not numbers', async () => {
    const { engine: broken } = await openTinyEngine();
    const { finalNorm } = broken.weights;
    finalNorm.write(new Float32Array(finalNorm.byteLength / 4).fill(Number.NaN));
    await expect(generateTokens(broken, PROMPT, { density: 1, maxNewTokens: 3 })).rejects.toThrow(/NaN\) for token 0 after this prompt/);
    await expect(generateTokens(broken, PROMPT, { density: 0.5, mode: 'class' })).rejects.toBeInstanceOf(CheckpointError);
    await broken[Symbol.asyncDispose]();
  });

  it('gives the same experts and tokens for any prefill chunk', async () => {
    const whole = await generateTokens(engine, PROMPT, { density: 0.5, maxNewTokens: 6 });
    for (const prefillChunk of [1, 2, 4, 7, 10]) {
      const chunked = await generateTokens(engine, PROMPT, { density: 0.5, maxNewTokens: 6, prefillChunk });
      expect(chunked.report.experts).toEqual(whole.report.experts);
      expect(chunked.tokens).toEqual(whole.tokens);
    }
  });

  it('gives the full model for density 1, and the same through gather and compact with k = F', async () => {
    const dense = await generateTokens(engine, PROMPT, { density: 1, maxNewTokens: 6 });
    expect(dense.report.strategy).toBe('dense');
    expect(dense.report.experts).toEqual([0, 1].map(() => Array.from({ length: FF }, (_, i) => i)));
    for (const strategy of ['gather', 'compact'] as const) {
      const all = await generateTokens(engine, PROMPT, { density: 1, maxNewTokens: 6, strategy });
      expect(all.report.strategy).toBe(strategy);
      expect(all.tokens).toEqual(dense.tokens);
      expect(all.report.experts).toEqual(dense.report.experts);
    }
  });

  it('drops the feed-forward blocks for k = 0', async () => {
    const none = await generateTokens(engine, PROMPT, { density: 0, maxNewTokens: 3 });
    const almost = await generateTokens(engine, PROMPT, { density: 0.99 / FF, maxNewTokens: 3 });
    const dense = await generateTokens(engine, PROMPT, { density: 1, maxNewTokens: 3 });
    expect(none.report.experts).toEqual([[], []]);
    expect(none.report.firstLogits).toEqual(dense.report.firstLogits);
    expect(none.report.lastLogits).toEqual(almost.report.lastLogits);
    expect(none.report.lastLogits).not.toEqual(dense.report.lastLogits);
  });

  it('asks for advice only where there is a choice, with the number of sparse steps', async () => {
    const asked: unknown[] = [];
    const advise = (problem: { k: number; steps: number }): 'compact' => {
      asked.push(problem);
      return 'compact';
    };
    const compact = await generateTokens(engine, PROMPT, { density: 0.5, maxNewTokens: 6 }, { advise });
    expect(compact.report.strategy).toBe('compact');
    expect(asked).toEqual([{ k: 20, steps: 5 }]);
    await generateTokens(engine, PROMPT, { density: 1, maxNewTokens: 2 }, { advise });
    await generateTokens(engine, PROMPT, { density: 0, maxNewTokens: 2 }, { advise });
    await generateTokens(engine, PROMPT, { density: 0.5, maxNewTokens: 2, strategy: 'gather' }, { advise });
    expect(asked).toHaveLength(1);
  });

  it('selects from a prompt of one token, in both modes', async () => {
    const gen = await generateTokens(engine, [7], { density: 0.5, maxNewTokens: 4 });
    const masked = await generateTokens(engine, [7], { density: 0.5, mode: 'class' });
    expect(gen.report.experts![0]).toHaveLength(20);
    expect(masked.report.experts).toEqual(gen.report.experts);
    expect(masked.tokens).toHaveLength(1);
    expect(masked.report.lastLogits).not.toEqual(gen.report.firstLogits);
  });

  it('selects from all prompt tokens but the last in class mode', async () => {
    const masked = await generateTokens(engine, PROMPT, { density: 0.5, mode: 'class', maxNewTokens: 9 });
    const shorter = await generateTokens(engine, PROMPT.slice(0, -1), { density: 0.5, maxNewTokens: 1 });
    expect(masked.report.experts).toEqual(shorter.report.experts);
    expect(masked.tokens).toHaveLength(1);
    const full = await generateTokens(engine, PROMPT, { density: 1, mode: 'class' });
    const dense = await generateTokens(engine, PROMPT, { density: 1, maxNewTokens: 1 });
    full.report.lastLogits!.forEach((logit, i) => expect(logit).toBeCloseTo(dense.report.lastLogits![i]!, 5));
  });

  it('does not depend on what ran before', async () => {
    const options = { density: 0.5, maxNewTokens: 5 } as const;
    const { engine: fresh } = await openTinyEngine();
    const first = await generateTokens(fresh, PROMPT, options);
    await generateTokens(engine, [1, 2, 3], { density: 0.8, maxNewTokens: 20, selection: 'magnitude' });
    await generateTokens(engine, PROMPT.slice(3), { density: 0, maxNewTokens: 7, strategy: 'compact' });
    const later = await generateTokens(engine, PROMPT, options);
    expect({ ...later.report, prefillMs: 0, selectMs: 0, decodeMs: 0 }).toEqual({ ...first.report, prefillMs: 0, selectMs: 0, decodeMs: 0 });
    expect(later.tokens).toEqual(first.tokens);
    await fresh[Symbol.asyncDispose]();
  });

  it.each(['random', 'sample', 'topk-sample'] as const)('repeats %s selection for a seed, and changes it with the seed', async (selection) => {
    const options = { density: 0.5, maxNewTokens: 2, selection } as const;
    const a = await generateTokens(engine, PROMPT, { ...options, seed: 3 });
    const b = await generateTokens(engine, PROMPT, { ...options, seed: 3 });
    const c = await generateTokens(engine, PROMPT, { ...options, seed: 4 });
    expect(b.report.experts).toEqual(a.report.experts);
    expect(c.report.experts).not.toEqual(a.report.experts);
    expect(a.report.experts![0]).toHaveLength(20);
  });

  it('ends at an end-of-sequence token unless told to go on', async () => {
    const { tokens } = await generateTokens(engine, PROMPT, { density: 1, maxNewTokens: 6 });
    const eosTokenIds = [tokens[2]!];
    const at = tokens.indexOf(eosTokenIds[0]!);
    const ended = await generateTokens(engine, PROMPT, { density: 1, maxNewTokens: 6 }, { eosTokenIds });
    expect(ended).toMatchObject({ tokens: tokens.slice(0, at + 1), finish: 'eos' });
    const ignored = await generateTokens(engine, PROMPT, { density: 1, maxNewTokens: 6, ignoreEos: true }, { eosTokenIds });
    expect(ignored).toMatchObject({ tokens, finish: 'length' });
  });

  it('samples the same tokens for the same seed, and writes both halves of it', async () => {
    const options = { density: 0.5, maxNewTokens: 12, temperature: 1.5, topK: 20, topP: 0.95, minP: 0.01, repetitionPenalty: 1.1 } as const;
    const seed = 2 ** 40 + 5;
    const a = await generateTokens(engine, PROMPT, { ...options, seed });
    const state = new Int32Array(engine.shared.state.read().buffer);
    expect([state[STATE.seedLow], state[STATE.seedHigh], state[STATE.topK], state[STATE.draws]]).toEqual([5, 256, 20, 12]);
    expect((await generateTokens(engine, PROMPT, { ...options, seed })).tokens).toEqual(a.tokens);
    expect((await generateTokens(engine, PROMPT, { ...options, seed: 6 })).tokens).not.toEqual(a.tokens);
  });

  it('marks prompt tokens as seen, so that the penalty counts them', async () => {
    const { tokens } = await generateTokens(engine, PROMPT, { density: 1, maxNewTokens: 1 });
    const prompt = [...PROMPT.slice(0, -1), tokens[0]!, PROMPT.at(-1)!];
    const plain = await generateTokens(engine, prompt, { density: 1, maxNewTokens: 1 });
    const penalised = await generateTokens(engine, prompt, { density: 1, maxNewTokens: 1, repetitionPenalty: 1e6 });
    expect(prompt).not.toContain(penalised.tokens[0]);
    expect(penalised.report.firstLogits).toEqual(plain.report.firstLogits);
  });

  it('stops between steps when aborted, keeping what was produced', async () => {
    const controller = new AbortController();
    const report = emptyReport();
    const tokens: number[] = [];
    const request = runRequest(PROMPT, { density: 0.5, maxNewTokens: 30, signal: controller.signal, dumpLogits: true });
    for await (const { tokenId } of runTokens(engine, request, report)) {
      tokens.push(tokenId);
      if (tokens.length === 3) controller.abort();
    }
    expect(tokens).toHaveLength(3);
    expect(report.lastLogits).toHaveLength(50);
    const before = runRequest(PROMPT, { signal: AbortSignal.abort(), dumpLogits: true });
    const early = emptyReport();
    for await (const _ of runTokens(engine, before, early)) throw new Error('produced a token');
    expect(early.lastLogits).toBeNull();
  });
});

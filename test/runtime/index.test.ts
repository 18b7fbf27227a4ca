/** The public API on the demo model and this machine's best kernels. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { loadModel, TokenizerError, UsageError, type GenerateResult, type Model, type Piece } from '../../runtime/index.js';
import { packageRoot } from '../../runtime/paths.js';

const DEMO = join(packageRoot(), 'models', 'demo-llama-7m');
/** No tuned kernels: what this machine's user tuned must not matter here. */
const LIBRARY = join(packageRoot(), 'test', 'fixtures', 'no-library');
const PROMPT = 'In the beginning God created';
let model: Model;

beforeAll(async () => {
  model = await loadModel(DEMO, { library: LIBRARY });
});
afterAll(() => model.dispose());

async function collect(stream: AsyncGenerator<Piece, GenerateResult>): Promise<{ pieces: Piece[]; result: GenerateResult }> {
  const pieces: Piece[] = [];
  for (;;) {
    const next = await stream.next();
    if (next.done === true) return { pieces, result: next.value };
    pieces.push(next.value);
  }
}

describe('model.generate', () => {
  it('streams text, one piece per token, and returns the result', async () => {
    const { pieces, result } = await collect(model.generate(PROMPT, { maxNewTokens: 20, ignoreEos: true }));
    expect(pieces.map((piece) => piece.index)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(pieces.map((piece) => piece.tokenId)).toEqual(result.tokenIds);
    expect(pieces.map((piece) => piece.text).join('')).toBe(result.text);
    const prompt = model.tokenizer!.decode(result.promptIds);
    expect(prompt + result.text).toBe(model.tokenizer!.decode([...result.promptIds, ...result.tokenIds]));
    expect(result.text.trim().length).toBeGreaterThan(10);
    expect(result).toMatchObject({ model: DEMO, device: 'cpu', density: 0.5, selection: 'topk', mode: 'gen', finishReason: 'length' });
    expect(Object.keys(result).sort()).toEqual(['density', 'device', 'finishReason', 'mode', 'model', 'promptIds', 'selection', 'text', 'timings', 'tokenIds']);
    expect(Object.keys(result.timings).sort()).toEqual(['decodeMs', 'loadMs', 'prefillMs', 'selectMs', 'tokensPerSecond']);
    expect(result.timings.tokensPerSecond).toBeCloseTo(19_000 / result.timings.decodeMs, 6);
  });

  it('adds experts and logits when asked', async () => {
    const result = await model.generateText(PROMPT, { maxNewTokens: 3, density: 0.25, dumpExperts: true, dumpLogits: true });
    expect(result.experts!.map((row) => row.length)).toEqual(Array.from({ length: 6 }, () => 256));
    expect([result.logits!.first.length, result.logits!.last.length]).toEqual([4096, 4096]);
  });

  it('takes a text as the ids that the tokenizer gives', async () => {
    const ids = model.promptIds(PROMPT);
    expect(ids).toEqual(model.tokenizer!.encode(PROMPT));
    const byText = await model.generateText(PROMPT, { maxNewTokens: 5 });
    const byIds = await model.generateText(ids, { maxNewTokens: 5 });
    expect(byIds.tokenIds).toEqual(byText.tokenIds);
    expect(byText.promptIds).toEqual(ids);
  });

  it('ends at a stop text, which is not part of the text', async () => {
    const whole = await model.generateText(PROMPT, { maxNewTokens: 30, ignoreEos: true });
    const words = whole.text.trim().split(/\s+/);
    const stop = words.slice(3, 5).join(' ');
    const stopped = await model.generateText(PROMPT, { maxNewTokens: 30, ignoreEos: true, stop });
    expect(stopped.finishReason).toBe('stop');
    expect(stopped.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
    expect(stopped.tokenIds).toEqual(whole.tokenIds.slice(0, stopped.tokenIds.length));
  });

  it('samples the same text for a seed, with any number of threads', async () => {
    const options = { maxNewTokens: 24, temperature: 0.9, topP: 0.95, topK: 50, seed: 11, ignoreEos: true } as const;
    const first = await model.generateText(PROMPT, options);
    expect((await model.generateText(PROMPT, options)).tokenIds).toEqual(first.tokenIds);
    expect((await model.generateText(PROMPT, { ...options, seed: 12 })).tokenIds).not.toEqual(first.tokenIds);
    await using other = await loadModel(DEMO, { library: LIBRARY, threads: model.device.threads + 1 });
    const again = await other.generateText(PROMPT, { ...options, dumpLogits: true });
    expect(again.tokenIds).toEqual(first.tokenIds);
    // Not only the choice: every bit of the logits.
    expect((await model.generateText(PROMPT, { ...options, dumpLogits: true })).logits).toEqual(again.logits);
  });

  it('gives the same experts for any prefill chunk', async () => {
    const prompt = Array.from({ length: 70 }, (_, i) => (i * 37) % 4096);
    const whole = await model.generateText(prompt, { maxNewTokens: 8, dumpExperts: true, ignoreEos: true });
    for (const prefillChunk of [1, 7, 64]) {
      const chunked = await model.generateText(prompt, { maxNewTokens: 8, dumpExperts: true, ignoreEos: true, prefillChunk });
      expect(chunked.experts).toEqual(whole.experts);
      expect(chunked.tokenIds).toEqual(whole.tokenIds);
    }
  });

  it('with k = F gives the tokens of the full model, with k = 0 runs without feed-forward blocks', async () => {
    const options = { maxNewTokens: 16, ignoreEos: true } as const;
    const dense = await model.generateText(PROMPT, { ...options, density: 1 });
    for (const strategy of ['gather', 'compact'] as const) {
      expect((await model.generateText(PROMPT, { ...options, density: 1, strategy })).tokenIds).toEqual(dense.tokenIds);
    }
    const none = await model.generateText(PROMPT, { ...options, density: 0, dumpExperts: true, dumpLogits: true });
    expect(none.experts).toEqual(Array.from({ length: 6 }, () => []));
    expect(none.logits!.last.every(Number.isFinite)).toBe(true);
    expect(none.tokenIds).toHaveLength(16);
  });

  it('lets timers run while the device works', async () => {
    let ticks = 0;
    let running = true;
    const tick = (): void => {
      ticks++;
      if (running) setImmediate(tick);
    };
    setImmediate(tick);
    const prompt = Array.from({ length: 256 }, (_, i) => (i * 31) % 4096);
    const stream = model.generate(prompt, { maxNewTokens: 2 });
    const before = ticks;
    await stream.next(); // the whole prompt, in one native call
    const during = ticks - before;
    running = false;
    await stream.return(undefined as never);
    expect(during).toBeGreaterThan(10);
  });

  it('stops in the middle when aborted, and keeps what it has', async () => {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), 30);
    const result = await model.generateText(PROMPT, { maxNewTokens: 1000, ignoreEos: true, signal: controller.signal });
    clearTimeout(timer);
    expect(result.finishReason).toBe('aborted');
    expect(result.tokenIds.length).toBeLessThan(1000);
    const next = await model.generateText(PROMPT, { maxNewTokens: 2, ignoreEos: true });
    expect(next.finishReason).toBe('length');
  });

  it('runs one generation at a time, and is free again when one is given up', async () => {
    const first = model.generate(PROMPT, { maxNewTokens: 50 });
    await first.next();
    await expect(model.generateText(PROMPT)).rejects.toThrow(/already running/);
    await first.return(undefined as never);
    await expect(model.generateText(PROMPT, { maxNewTokens: 1 })).resolves.toMatchObject({ finishReason: 'length' });
  });

  it('refuses bad input with typed errors, and works on', async () => {
    await expect(model.generateText('')).rejects.toThrow(UsageError);
    await expect(model.generateText([4096])).rejects.toThrow('outside the vocabulary');
    await expect(model.generateText([1], { density: Number.NaN })).rejects.toThrow(UsageError);
    await expect(model.generateText(PROMPT, { maxNewTokens: 1024 })).rejects.toThrow('1024 positions');
    await expect(model.generateText(PROMPT, { maxTokens: 3 } as never)).rejects.toThrow(/maxTokens/);
    await expect(model.generateText({ messages: [{ role: 'user', content: 'hello' }] })).rejects.toThrow(/no chat template/);
    await using bare = await loadModel(join(packageRoot(), 'test', 'fixtures', 'llama-tiny'), { library: LIBRARY });
    await expect(bare.generateText('text')).rejects.toThrow(TokenizerError);
    await expect(bare.generateText([1], { stop: 'x' })).rejects.toThrow(TokenizerError);
    expect((await model.generateText(PROMPT, { maxNewTokens: 1 })).tokenIds).toHaveLength(1);
  });
});

describe('model.dispose', () => {
  it('ends a generation that is under way with a typed error, never a crash', async () => {
    const other = await loadModel(DEMO, { library: LIBRARY });
    const stream = other.generate(PROMPT, { maxNewTokens: 500, dumpLogits: true });
    await stream.next();
    const [pending] = await Promise.allSettled([stream.next(), other.dispose(), other.dispose()]);
    expect(pending).toMatchObject({ status: 'rejected', reason: { code: 'USAGE' } });
    await expect(other.generateText(PROMPT)).rejects.toThrow('disposed');
  });
});

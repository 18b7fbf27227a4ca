import { describe, expect, it } from 'vitest';

import type { KernelLibrary } from '../../../runtime/library/library.js';
import { createModel, type Model, type ModelParts } from '../../../runtime/model/model.js';
import { openTinyEngine } from '../../support/tiny-engine.js';
import { referenceKernels } from '../../support/reference-device.js';

const PROMPT = [4, 9, 33, 2];

/** The tiny model with every kernel its oracle, and a library that records what it is asked. */
async function openTinyModel(parts: Partial<ModelParts> = {}): Promise<{ model: Model; asked: unknown[] }> {
  const { engine, device } = await openTinyEngine();
  const asked: unknown[] = [];
  const library = {
    ...referenceKernels,
    strategy(problem: unknown) {
      asked.push(problem);
      return { choice: 'compact', detail: '' };
    },
  } as unknown as KernelLibrary;
  return { model: createModel({ name: 'tiny', deviceName: 'reference', device, library, weights: engine.weights, loadMs: 7, ...parts }), asked };
}

describe('createModel', () => {
  it('needs no tokenizer for ids, and names what the text needs', async () => {
    const { model } = await openTinyModel();
    const result = await model.generateText(PROMPT, { maxNewTokens: 4, ignoreEos: true });
    expect(result).toMatchObject({ model: 'tiny', device: 'reference', promptIds: PROMPT, text: '', timings: { loadMs: 7 } });
    await expect(model.generateText('text')).rejects.toThrow(/tiny has no tokenizer[\s\S]*--prompt-ids/);
    await expect(model.generateText({ messages: [{ role: 'user', content: 'x' }] })).rejects.toThrow(/no tokenizer/);
  });

  it('asks the library for the strategy with the layer shape and the sparse steps', async () => {
    const { model, asked } = await openTinyModel();
    await model.generateText(PROMPT, { maxNewTokens: 4, density: 0.5, ignoreEos: true });
    expect(asked).toEqual([{ hidden: 24, intermediate: 40, k: 20, dtype: 'f32', steps: 3 }]);
  });

  it('uses the end-of-sequence ids that it is given', async () => {
    const { model } = await openTinyModel();
    const { tokenIds } = await model.generateText(PROMPT, { maxNewTokens: 3, density: 1, ignoreEos: true });
    const { model: ending } = await openTinyModel({ eosTokenIds: [tokenIds[0]!] });
    expect(await ending.generateText(PROMPT, { maxNewTokens: 3, density: 1 })).toMatchObject({ finishReason: 'eos', tokenIds: [tokenIds[0]] });
  });

  it('reports no rate when no decode step ran', async () => {
    const { model } = await openTinyModel();
    const { timings } = await model.generateText(PROMPT, { maxNewTokens: 1 });
    expect(timings).toMatchObject({ decodeMs: 0, tokensPerSecond: 0 });
  });

  it('gives one token in class mode, with both logits the masked ones', async () => {
    const { model } = await openTinyModel();
    const result = await model.generateText(PROMPT, { mode: 'class', maxNewTokens: 9, dumpLogits: true, ignoreEos: true });
    expect(result.tokenIds).toHaveLength(1);
    expect(result.logits!.first).toEqual(result.logits!.last);
  });
});

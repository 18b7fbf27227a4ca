import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { readExperts, selectExperts } from '../../../runtime/griffin/experts.js';
import { drawExperts } from '../../../runtime/griffin/selection.js';
import type { Engine } from '../../../runtime/model/engine.js';
import { openTinyEngine } from '../../support/tiny-engine.js';

const FF = 40;
const scores = Float32Array.from({ length: 2 * FF }, (_, i) => ((i * 29) % 23) / 23);
let engine: Engine;

beforeAll(async () => {
  ({ engine } = await openTinyEngine());
  engine.prepare(8, 4);
});
afterAll(() => engine[Symbol.asyncDispose]());

function largest(values: readonly number[], k: number): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
  return order.slice(0, k).sort((a, b) => a - b);
}

describe('selectExperts', () => {
  it.each([1, 13, 40])('topk keeps the %i largest of each layer, ties to the lower index', async (k) => {
    engine.shared.scores.write(scores);
    await selectExperts(engine, { selection: 'topk', k, seed: 0 });
    expect(readExperts(engine, k)).toEqual([0, 1].map((layer) => largest(Array.from(scores.subarray(layer * FF, (layer + 1) * FF)), k)));
  });

  it('magnitude keeps the largest products of row norms, whatever the prompt was', async () => {
    engine.shared.scores.write(scores);
    await selectExperts(engine, { selection: 'magnitude', k: 15, seed: 0 });
    const hidden = engine.weights.config.hiddenSize;
    const expected = engine.weights.layers.map((layer) => {
      const w = new Float32Array(layer.ffIn.read().buffer);
      const norm = (row: number): number => Math.hypot(...w.subarray(row * hidden, (row + 1) * hidden));
      return largest(Array.from({ length: FF }, (_, i) => norm(2 * i) * norm(2 * i + 1)), 15);
    });
    expect(readExperts(engine, 15)).toEqual(expected);
  });

  it.each(['sample', 'topk-sample', 'random'] as const)('%s leaves on the device what is drawn on the host', async (selection) => {
    engine.shared.scores.write(scores);
    await selectExperts(engine, { selection, k: 9, seed: 5 });
    const drawn = drawExperts(selection, scores, { layers: 2, intermediateSize: FF, k: 9 }, 5);
    expect(readExperts(engine, 9)).toEqual([0, 1].map((layer) => Array.from(drawn.subarray(layer * FF, layer * FF + 9))));
  });

  it('leaves the buffer alone for k = 0', async () => {
    engine.shared.experts.fill(1);
    await selectExperts(engine, { selection: 'topk', k: 0, seed: 0 });
    expect(readExperts(engine, 1)).toEqual([[0x01010101], [0x01010101]]);
    expect(readExperts(engine, 0)).toEqual([[], []]);
  });
});

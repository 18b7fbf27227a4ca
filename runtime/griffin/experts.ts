import type { Engine } from '../model/engine.js';
import { drawExperts, drawsOnHost, type Selection } from './selection.js';

/**
 * Chooses the kept neurons of every layer and leaves them in the engine's `experts` buffer, ascending in the first k of each row.
 * For selections that look at the prompt, `scores` must hold s² already. k = 0 leaves the buffer alone.
 */
export async function selectExperts(engine: Engine, options: { readonly selection: Selection; readonly k: number; readonly seed: number }): Promise<void> {
  const { selection, k, seed } = options;
  if (k === 0) return;
  if (drawsOnHost(selection)) {
    const { layers, intermediateSize } = engine.weights.config;
    const s2 = selection === 'random' ? null : new Float32Array(engine.shared.scores.read().buffer);
    engine.shared.experts.write(drawExperts(selection as 'topk-sample' | 'sample' | 'random', s2, { layers, intermediateSize, k }, seed));
    return;
  }
  if (selection === 'magnitude') await engine.magnitude();
  await engine.select(k);
}

/** The first k of each layer's row. */
export function readExperts(engine: Engine, k: number): number[][] {
  const { layers, intermediateSize } = engine.weights.config;
  const all = new Int32Array(engine.shared.experts.read().buffer);
  return Array.from({ length: layers }, (_, layer) => Array.from(all.subarray(layer * intermediateSize, layer * intermediateSize + k)));
}

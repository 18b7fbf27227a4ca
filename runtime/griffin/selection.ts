import { seededRandom, type Random } from './random.js';

/**
 * How the kept neurons (experts) of a generation are chosen (GRIFFIN, arXiv 2404.01365; the variants are those of the authors' repository
 * hdong920/GRIFFIN, commit d1d3d6e).
 *
 * - `topk`: the k largest values of the prompt statistic: the method of the paper.
 * - `topk-sample`: half of them by size, the rest drawn without replacement, with probability proportional to the statistic.
 * - `sample`: all drawn that way.
 * - `random`: drawn uniformly; the prompt plays no part.
 * - `magnitude`: the k largest products of weight row norms; the prompt plays no part.
 */
export const SELECTIONS = ['topk', 'topk-sample', 'sample', 'random', 'magnitude'] as const;
export type Selection = (typeof SELECTIONS)[number];

/** Whether a selection looks at the prompt's activations. */
export function needsStatistic(selection: Selection): boolean {
  return selection === 'topk' || selection === 'topk-sample' || selection === 'sample';
}

/** Whether a selection draws on the host (the others run on the device). */
export function drawsOnHost(selection: Selection): boolean {
  return selection === 'topk-sample' || selection === 'sample' || selection === 'random';
}

/** k = ⌊F·density⌋ kept neurons per layer. */
export function expertCount(intermediateSize: number, density: number): number {
  return Math.floor(intermediateSize * density);
}

/**
 * Draws the experts of all layers on the host.
 *
 * @param s2 squared statistic, f32 [layers, F]; ignored by `random`
 * @returns i32 [layers, F]: the first k of each row ascending, the rest 0
 */
export function drawExperts(
  selection: 'topk-sample' | 'sample' | 'random',
  s2: Float32Array | null,
  shape: { readonly layers: number; readonly intermediateSize: number; readonly k: number },
  seed: number,
): Int32Array {
  const { layers, intermediateSize, k } = shape;
  const experts = new Int32Array(layers * intermediateSize);
  for (let layer = 0; layer < layers; layer++) {
    const random = seededRandom(seed, layer);
    const weights = new Float64Array(intermediateSize).fill(1);
    // The authors draw in proportion to s, not s².
    if (selection !== 'random' && s2 !== null) for (let j = 0; j < intermediateSize; j++) weights[j] = Math.sqrt(s2[layer * intermediateSize + j]!);
    const kept: number[] = [];
    if (selection === 'topk-sample') {
      // ⌊k/2⌋ by size. (For odd k the authors' code keeps k − 1 neurons; here the drawn half takes the odd one, so that k are kept.)
      for (const j of largest(weights, Math.floor(k / 2))) {
        kept.push(j);
        weights[j] = -1;
      }
    }
    kept.push(...drawWithoutReplacement(weights, k - kept.length, random));
    experts.set(kept.sort((a, b) => a - b), layer * intermediateSize);
  }
  return experts;
}

/**
 * `count` distinct indices, drawn one after another in proportion to the remaining weights (as the order of exponential arrival times
 * with rates = weights). Weight 0 is drawn only when every positive weight is taken, lower index first; a negative weight never.
 */
export function drawWithoutReplacement(weights: Float64Array, count: number, random: Random): number[] {
  const keys = new Float64Array(weights.length);
  for (let j = 0; j < weights.length; j++) {
    const weight = weights[j]!;
    const arrival = -Math.log(1 - random());
    keys[j] = weight < 0 ? Number.NEGATIVE_INFINITY : weight === 0 ? 0 : weight / Math.max(arrival, Number.MIN_VALUE);
  }
  return largest(keys, count);
}

/** Indices of the `count` largest values, ties to the lower index. */
function largest(values: Float64Array, count: number): number[] {
  const order = Array.from(values.keys());
  order.sort((a, b) => values[b]! - values[a]! || a - b);
  return order.slice(0, count);
}

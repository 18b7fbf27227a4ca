/** The forest on what a search has observed: predicts log cost and the chance that a point runs at all. */
import type { Ledger } from '../ledger.js';
import { USUAL_SAMPLES } from '../ledger.js';
import { fitForest, type Forest } from './forest.js';

const TREES = 32;
/** Trees grow to the end: what one tree takes too literally, the mean over bootstrap samples does not. */
const LEAF = 1;
const COLUMNS = 0.75;
/** The prior enters as one more column, cut into this many equal parts of the members it was seen on. */
const PRIOR_BINS = 10;
/** Most examples: the newest of a long search, and always the best. Bounds the time of a fit. */
const MOST_EXAMPLES = 512;
/** Log units: no ensemble of a few examples is surer than this. */
const LEAST_SPREAD = 0.01;

export interface Judgement {
  /** Log of the cost. */
  readonly mean: number;
  readonly spread: number;
  /** Chance that it runs and is right, 0 to 1. */
  readonly success: number;
}

export interface Surrogate {
  judge(point: number): Judgement;
  /** Log of the best cost that is believed: observations drawn towards the model as far as they are few. */
  readonly believedBest: number;
}

export function fitSurrogate(ledger: Ledger, priorAt: (point: number) => number, random: () => number): Surrogate {
  const { space } = ledger;
  const ranking = ledger.ranked;
  const keep = new Set([...ranking.slice(0, MOST_EXAMPLES / 4).map(({ point }) => point), ...[...ledger.observations.keys()].slice(-MOST_EXAMPLES)]);
  const examples = [...ledger.observations].filter(([point]) => keep.has(point));
  const cuts = quantiles(examples.map(([point]) => priorAt(point)), PRIOR_BINS);
  const width = space.axes.length + 1;
  const sizes = [...space.axes.map((axis) => axis.values.length), PRIOR_BINS];
  const rowOf = (point: number): Int32Array => {
    const row = new Int32Array(width);
    row.set(space.digitsAt(point));
    const value = priorAt(point);
    let bin = 0;
    while (bin < cuts.length && value > cuts[bin]!) bin++;
    row[width - 1] = bin;
    return row;
  };
  const rows = new Map(examples.map(([point]) => [point, rowOf(point)]));

  const measured = examples.flatMap(([point, { cost, samples }]) => (cost === null ? [] : [{ point, target: Math.log(cost), weight: (2 * samples) / (samples + USUAL_SAMPLES) }]));
  // A failed point counts as a slow one: the model must not see promise where nothing runs.
  const slow = quantiles(measured.map(({ target }) => target), 4)[2]!;
  const failed = examples.flatMap(([point, { cost }]) => (cost === null ? [{ point, target: slow, weight: 1 }] : []));
  const costs = measured.length === 0 ? null : forestOf([...measured, ...failed], rows, width, sizes, random);
  const outcomes = examples.map(([point, { cost }]) => ({ point, target: cost === null ? 0 : 1, weight: 1 }));
  const successes = measured.length === examples.length ? null : forestOf(outcomes, rows, width, sizes, random);

  const into = { mean: 0, spread: 0 };
  const judgeRow = (row: Int32Array): Judgement => {
    const success = successes === null ? 1 : Math.min(1, Math.max(0.02, successes.predict(row, 0, into).mean));
    if (costs === null) return { mean: 0, spread: 1, success };
    const { mean, spread } = costs.predict(row, 0, into);
    return { mean, spread: Math.max(LEAST_SPREAD, spread), success };
  };
  const believed = ranking.slice(0, 8).flatMap(({ point, cost, samples }) => {
    const row = rows.get(point);
    return row === undefined ? [] : [(USUAL_SAMPLES * judgeRow(row).mean + samples * Math.log(cost)) / (USUAL_SAMPLES + samples)];
  });
  return { judge: (point) => judgeRow(rowOf(point)), believedBest: believed.length === 0 ? 0 : Math.min(...believed) };
}

function forestOf(
  examples: readonly { readonly point: number; readonly target: number; readonly weight: number }[],
  rows: ReadonlyMap<number, Int32Array>, width: number, sizes: readonly number[], random: () => number,
): Forest {
  const digits = new Int32Array(examples.length * width);
  examples.forEach(({ point }, i) => digits.set(rows.get(point)!, i * width));
  const targets = Float64Array.from(examples, ({ target }) => target);
  const weights = Float64Array.from(examples, ({ weight }) => weight);
  return fitForest({ digits, width, sizes, targets, weights }, { trees: TREES, leaf: LEAF, columns: COLUMNS, random });
}

/** The inner borders of `bins` parts with equally many values. */
function quantiles(values: readonly number[], bins: number): readonly number[] {
  const sorted = [...values].sort((a, b) => a - b);
  return Array.from({ length: bins - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / bins)] ?? 0);
}

/** What each tuning axis did to the time, from the candidates that were measured: not a model, but what was seen. */
import type { AxisSpec } from '../../generator/types.js';
import { quartiles } from '../statistics.js';
import type { AxisEffect } from './types.js';

export interface MeasuredPoint {
  readonly axes: Readonly<Record<string, number>>;
  /** Time / the default's. */
  readonly ratio: number;
}

/** Fewer than this, and a share of variance says nothing. */
const LEAST_POINTS = 8;

/** Axes with more than one value in their list, the one that explains most first. */
export function axisEffects(specs: readonly AxisSpec[], points: readonly MeasuredPoint[], winner: Readonly<Record<string, number>> | null): readonly AxisEffect[] {
  const effects = specs
    .filter((spec) => spec.values.length > 1)
    .map((spec) => {
      const groups = groupBy(points, spec.name);
      const values = [...groups]
        .sort(([a], [b]) => a - b)
        .map(([value, ratios]) => {
          const { low, median, high } = quartiles(ratios);
          return { value, count: ratios.length, best: Math.min(...ratios), lowQuartile: low, median, highQuartile: high, isWinner: winner?.[spec.name] === value };
        });
      return { axis: spec.name, doc: spec.doc, share: explainedShare([...groups.values()]), values };
    });
  return effects.sort((a, b) => (b.share ?? -1) - (a.share ?? -1));
}

function groupBy(points: readonly MeasuredPoint[], axis: string): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const { axes, ratio } of points) {
    const value = axes[axis];
    if (value === undefined) continue;
    const group = groups.get(value);
    if (group === undefined) groups.set(value, [ratio]);
    else group.push(ratio);
  }
  return groups;
}

/**
 * ω² of one factor on the logarithm of the ratio (Hays, Statistics for Psychologists, 1963): the share of variance that the groups
 * explain, corrected for what random groups would. Below 0 by chance counts as 0.
 */
export function explainedShare(groups: readonly (readonly number[])[]): number | null {
  const logs = groups.filter((group) => group.length > 0).map((group) => group.map(Math.log));
  const all = logs.flat();
  const withinFreedom = all.length - logs.length;
  if (all.length < LEAST_POINTS || withinFreedom < 1 || logs.length < 2) return logs.length === 1 && all.length >= LEAST_POINTS ? 0 : null;
  const centre = mean(all);
  const total = sumOfSquares(all, centre);
  if (total === 0) return 0;
  const within = logs.reduce((sum, group) => sum + sumOfSquares(group, mean(group)), 0);
  const noise = within / withinFreedom;
  return Math.max(0, (total - within - (logs.length - 1) * noise) / (total + noise));
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const sumOfSquares = (values: readonly number[], centre: number): number => values.reduce((sum, value) => sum + (value - centre) ** 2, 0);

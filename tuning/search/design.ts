/** Which variants to try before a model has anything to go by: those that the prior likes, and some spread over the space. */
import type { Ledger } from './ledger.js';
import { neighboursOf } from './space.js';

/** The prior is asked about at most this many members. */
const ASKED = 512;

/**
 * Neighbours of the default that were not asked for yet, best first by the prior. Whoever wrote the default has thought about it: what is better is
 * often one step away.
 */
export function nearTheDefault(ledger: Ledger, priorAt: (point: number) => number, n: number): readonly number[] {
  return neighboursOf(ledger.space, ledger.space.defaultPoint)
    .filter((point) => ledger.asked(point) === 0)
    .map((point) => ({ point, cost: priorAt(point) }))
    .sort((a, b) => a.cost - b.cost || a.point - b.point)
    .slice(0, n)
    .map(({ point }) => point);
}

/**
 * Up to `n` new points: in turn the best by the prior (different from what was chosen) and the one farthest from all that was tried or
 * chosen, by the share of axes that differ. `spread` is the share of the latter.
 */
export function startingDesign(ledger: Ledger, priorAt: (point: number) => number, n: number, spread: number): readonly number[] {
  const { space } = ledger;
  const members = ledger.walk.peek(ASKED);
  const digits = new Map(members.map((point) => [point, space.digitsAt(point)]));
  const byPrior = [...members].map((point) => ({ point, cost: priorAt(point) })).sort((a, b) => a.cost - b.cost).map(({ point }) => point);
  const placed = [...ledger.observations.keys()].slice(-256).map((point) => space.digitsAt(point));
  const least = new Map(members.map((point) => [point, Math.min(Number.POSITIVE_INFINITY, ...placed.map((other) => distance(digits.get(point)!, other, space.axes)))]));
  const chosen: number[] = [];
  const left = new Set(members);
  const place = (point: number): void => {
    left.delete(point);
    chosen.push(point);
    for (const other of left) least.set(other, Math.min(least.get(other)!, distance(digits.get(other)!, digits.get(point)!, space.axes)));
  };
  let spreadSoFar = 0;
  while (chosen.length < n && left.size > 0) {
    if (spreadSoFar < spread * (chosen.length + 1)) {
      spreadSoFar++;
      let farthest = -1;
      let most = -1;
      for (const point of left) {
        const d = least.get(point)!;
        if (d > most) [most, farthest] = [d, point];
      }
      place(farthest);
    } else {
      // Of the best by the prior, one that differs on two axes from what is there: a plateau of equals is not tried in a row.
      const fresh = byPrior.find((point) => left.has(point) && least.get(point)! * space.axes.length > 1.5) ?? byPrior.find((point) => left.has(point));
      place(fresh!);
    }
  }
  return chosen;
}

/** Axes that differ, as a share of all, with a little for how far. */
export function distance(a: Int32Array, b: Int32Array, axes: readonly { readonly values: readonly number[] }[]): number {
  let sum = 0;
  for (let i = 0; i < axes.length; i++) {
    const size = axes[i]!.values.length;
    const steps = Math.abs(a[i]! - b[i]!);
    if (steps > 0) sum += 0.75 + (0.25 * steps) / Math.max(1, size - 1);
  }
  return sum / Math.max(1, axes.length);
}

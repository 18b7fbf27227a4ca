/** The points that a model judges: a random sample of what is left, and what lies around the best. */
import { neighboursOf, moved } from './space.js';
import type { Ledger } from './ledger.js';

/** Members of the random part, of the elite, and tries at changing two axes of one of the elite or mixing two. */
const SAMPLE = 1024;
const ELITE = 6;
const MUTATIONS = 160;

/** New points, each once, in an order that depends on the seed alone. */
export function candidatePoints(ledger: Ledger, random: () => number): readonly number[] {
  const { space } = ledger;
  const found = new Set<number>(ledger.walk.peek(SAMPLE));
  const elite = ledger.ranked.slice(0, ELITE).map(({ point }) => point);
  const add = (point: number): void => {
    if (!found.has(point) && ledger.asked(point) === 0 && space.has(point)) found.add(point);
  };
  for (const point of elite) for (const near of neighboursOf(space, point)) add(near);
  for (let i = 0; i < MUTATIONS && elite.length > 0; i++) {
    const digits = Int32Array.from(space.digitsAt(elite[Math.floor(random() * elite.length)]!));
    if (i % 4 === 0) {
      const other = space.digitsAt(elite[Math.floor(random() * elite.length)]!);
      for (let axis = 0; axis < digits.length; axis++) if (random() < 0.5) digits[axis] = other[axis]!;
      add(space.pointAt(digits));
      continue;
    }
    const axis = Math.floor(random() * digits.length);
    const size = space.axes[axis]?.values.length ?? 1;
    const first = moved(space, digits, axis, Math.floor(random() * size));
    const second = Math.floor(random() * digits.length);
    add(moved(space, space.digitsAt(first), second, Math.floor(random() * (space.axes[second]?.values.length ?? 1))));
  }
  return [...found];
}

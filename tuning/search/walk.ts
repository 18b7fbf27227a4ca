/**
 * All members of a space in a uniformly random order, found as they are asked for: a partial Fisher–Yates shuffle of the grid, kept
 * sparse, that skips what is not a member. Equal seeds give problems of one form the same order, so that they share compiled kernels.
 */
import type { SearchSpace } from './space.js';

/** Members that are held ahead. A grid of at most `SMALL_GRID` points is held as a whole, so that what remains is known exactly. */
const AHEAD = 768;
const SMALL_GRID = 4096;

export interface Walk {
  /** The next `n` members that are not used up, in order, without taking them; at most what is held ahead. */
  peek(n: number): readonly number[];
  /** Members that are left: exact for a small space and for the end of a large one, else at least this many. */
  remaining(): number;
}

/** `used` says which members are used up; what is used must stay used, or be told to `restore`. */
export function createWalk(space: SearchSpace, random: () => number, used: (point: number) => boolean): Walk {
  const ahead = space.gridSize <= SMALL_GRID ? Number.POSITIVE_INFINITY : AHEAD;
  const moved = new Map<number, number>();
  let at = 0;
  let held: number[] = [];
  // Members passed over because they were used: some come back when proposals are put back.
  const passed = new Set<number>();

  function step(): number {
    const j = at + Math.floor(random() * (space.gridSize - at));
    const point = moved.get(j) ?? j;
    moved.set(j, moved.get(at) ?? at);
    moved.delete(at);
    at++;
    return point;
  }
  function fill(): void {
    for (const point of held) if (used(point)) passed.add(point);
    held = held.filter((point) => !used(point));
    while (held.length < ahead && at < space.gridSize) {
      const point = step();
      if (!space.has(point)) continue;
      if (used(point)) passed.add(point);
      else held.push(point);
    }
    if (held.length < ahead) {
      for (const point of passed) {
        if (used(point)) continue;
        passed.delete(point);
        held.push(point);
      }
    }
  }
  return {
    peek(n) {
      fill();
      return held.slice(0, n);
    },
    remaining() {
      fill();
      return held.length;
    },
  };
}

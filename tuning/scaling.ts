/** A problem made small enough for the JavaScript fp64 oracle, with the proportions that matter kept. */
import type { Dims, Family, Problem } from '../generator/types.js';

/** What the oracle may cost: about a tenth of a second in JavaScript. */
export const ORACLE_LIMITS = { elements: 600_000, flops: 8_000_000 } as const;

export interface SizeLimits {
  readonly elements: number;
  readonly flops: number;
}

/** Elements of all tensors, optional ones included. */
export function elementCount(family: Family, problem: Problem): number {
  return family.tensors.reduce((sum, tensor) => sum + tensor.shape(problem.dims, problem.params).reduce((a, b) => a * b, 1), 0);
}

export function fits(family: Family, problem: Problem, limits: SizeLimits): boolean {
  return elementCount(family, problem) <= limits.elements && family.cost(problem).flops <= limits.flops;
}

/** Counts of things: scaled. Everything else (head counts, head size, options) decides which code runs and stays as it is. */
const SCALED = ['rows', 'in', 'out', 'hidden', 'intermediate', 'width', 'k', 'vocab', 'capacity', 'position', 'layers', 'n', 'iterations', 'units', 'first'];

/**
 * The problem itself when it fits the limits, else with its sizes halved (the largest first) until it does. Keeps k / intermediate (a dense problem
 * stays dense), position + rows ≤ capacity, and at least one of everything that was not zero.
 */
export function scaledDown(family: Family, problem: Problem, limits: SizeLimits = ORACLE_LIMITS): Problem {
  let dims: Dims = problem.dims;
  for (let step = 0; step < 64 && !fits(family, { ...problem, dims }, limits); step++) {
    const largest = SCALED.filter((name) => name !== 'k' && name !== 'position' && name !== 'first')
      .map((name) => ({ name, size: dims[name] ?? 0 }))
      .reduce((a, b) => (b.size > a.size ? b : a));
    if (largest.size <= 1) break;
    dims = halved(dims, largest.name);
  }
  return { ...problem, dims };
}

function halved(dims: Dims, name: string): Dims {
  const next: Record<string, number> = { ...dims, [name]: Math.ceil((dims[name] ?? 1) / 2) };
  const { k, intermediate, position, capacity, rows } = dims;
  if (name === 'intermediate' && k !== undefined && intermediate !== undefined) {
    next['k'] = k === 0 ? 0 : Math.max(1, Math.round((k / intermediate) * (next['intermediate'] ?? 1)));
  }
  if (position !== undefined && capacity !== undefined) {
    const room = (next['capacity'] ?? capacity) - (next['rows'] ?? rows ?? 1);
    if (room < 0) return dims['capacity'] === undefined ? next : { ...next, capacity };
    next['position'] = Math.min(name === 'capacity' ? Math.floor(position / 2) : position, room);
  }
  return next;
}

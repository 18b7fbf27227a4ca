import { VENDOR_ISA } from '../device/types.js';
import type { FfStrategyDecision, WinnerEntry } from './schema.js';
import type { RelatedWinner } from './winners.js';

/** A kernel family at concrete parameters and sizes: what the runtime asks the library for. */
export interface KernelProblem {
  readonly family: string;
  /** Compile-time parameters, e.g. `{ dtype: 'bf16' }`; `{}` for families without. */
  readonly params: Readonly<Record<string, string>>;
  /** Run-time sizes, e.g. `{ rows: 1, in: 4096, out: 32000 }`. */
  readonly dims: Readonly<Record<string, number>>;
}

/**
 * - `exact`: a winner measured at these very sizes on this device;
 * - `nearest`: the winner of the nearest measured sizes of the same form on this device;
 * - `architecture`: the winner of the nearest sizes of the same form on another device of the same architecture;
 * - `default`: the shipped default variant: nothing was measured.
 */
export type DispatchKind = 'exact' | 'nearest' | 'architecture' | 'default';

export type Choice =
  | { readonly how: 'exact'; readonly entry: WinnerEntry; readonly detail: string }
  | { readonly how: 'nearest'; readonly entry: WinnerEntry; readonly detail: string }
  | { readonly how: 'architecture'; readonly entry: WinnerEntry; readonly detail: string }
  | { readonly how: 'default'; readonly detail: string };

/**
 * Picks the winner for a problem, or says that the default is to be used.
 *
 * @param entries usable winners of this device (binary checked)
 * @param isas instruction sets that may run, weakest first; the last is the device's own
 * @param related winners of other devices whose code runs on this one: used where this device has none of the form
 */
export function chooseWinner(problem: KernelProblem, entries: readonly WinnerEntry[], isas: readonly string[], related: readonly RelatedWinner[] = []): Choice {
  const own = nearest(problem, entries, isas);
  if (own !== null) {
    const measured = describeMeasured(own.entry);
    if (own.distance === 0) return { how: 'exact', entry: own.entry, detail: measured };
    return { how: 'nearest', entry: own.entry, detail: `${measured}; nearest to ${describeDims(problem.dims)}` };
  }
  const other = nearest(problem, related.map(({ entry }) => entry), isas);
  if (other === null) return { how: 'default', detail: `nothing measured for ${describeForm(problem)} on this device` };
  const device = related.find(({ entry }) => entry === other.entry)?.device ?? '';
  return { how: 'architecture', entry: other.entry, detail: `${describeMeasured(other.entry)} on ${device}, of the same architecture; nothing measured for ${describeForm(problem)} on this device` };
}

/** The winner of the same form with the nearest sizes; of several, the faster one. */
function nearest(problem: KernelProblem, entries: readonly WinnerEntry[], isas: readonly string[]): { readonly entry: WinnerEntry; readonly distance: number } | null {
  let best: { entry: WinnerEntry; distance: number } | null = null;
  for (const entry of entries) {
    if (entry.family !== problem.family || !isas.includes(entry.isa) || !sameRecord(entry.params, problem.params)) continue;
    const distance = shapeDistance(problem.dims, entry.dims);
    // A vendor's library may refuse a shape when the plan is recorded, so it runs only what it was measured with.
    if (entry.isa === VENDOR_ISA && distance > 0) continue;
    if (best === null || distance < best.distance || (distance === best.distance && entry.medianNs < best.entry.medianNs)) best = { entry, distance };
  }
  return best;
}

function describeMeasured(entry: WinnerEntry): string {
  return `${entry.kernelId}, ${Math.round(entry.medianNs)} ns at ${describeDims(entry.dims)}`;
}

/**
 * Distance of two shapes: Euclidean over the logarithms of their sizes, so that 1000 is as far from 2000 as 2000 from 4000. A size that one
 * of them does not name is 0 there (families use that for options that are usually off).
 */
export function shapeDistance(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): number {
  let sum = 0;
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) sum += Math.log(((a[name] ?? 0) + 1) / ((b[name] ?? 0) + 1)) ** 2;
  return Math.sqrt(sum);
}

/**
 * Whether to pack the kept neurons once and read the packed copy, for a generation of `steps` sparse steps: compares the measured
 * costs at the nearest k of the same layer shape, where the tuner found packed weights clearly faster at all. Null when nothing was measured.
 */
export function chooseStrategy(
  problem: { readonly hidden: number; readonly intermediate: number; readonly k: number; readonly dtype: string; readonly steps: number },
  decisions: readonly FfStrategyDecision[],
): { readonly choice: 'gather' | 'compact'; readonly detail: string } | null {
  let best: FfStrategyDecision | null = null;
  for (const decision of decisions) {
    if (decision.dtype !== problem.dtype || decision.dims['hidden'] !== problem.hidden || decision.dims['intermediate'] !== problem.intermediate) continue;
    const k = decision.dims['k'];
    if (k === undefined) continue;
    if (best === null || Math.abs(k - problem.k) < Math.abs(best.dims['k']! - problem.k)) best = decision;
  }
  if (best === null) return null;
  // Packed weights must be clearly faster, or no length of generation makes up for the memory: the tuner decided that.
  if (best.choice === 'gather') return { choice: 'gather', detail: `packed weights are not clearly faster (measured at ${describeDims(best.dims)})` };
  const gather = problem.steps * best.gatherNs;
  const compact = best.compactionNs + problem.steps * best.compactNs;
  return {
    choice: compact < gather ? 'compact' : 'gather',
    detail: `${problem.steps} steps per layer: gather ${Math.round(gather)} ns, compact ${Math.round(compact)} ns (measured at ${describeDims(best.dims)})`,
  };
}

/** The parameters in a stable spelling, e.g. `linear_gemm(dtype=bf16, layout=outin)`. */
export function describeForm(problem: Pick<KernelProblem, 'family' | 'params'>): string {
  const params = Object.keys(problem.params)
    .sort()
    .map((name) => `${name}=${problem.params[name]!}`);
  return `${problem.family}(${params.join(', ')})`;
}

function describeDims(dims: Readonly<Record<string, number>>): string {
  return Object.entries(dims)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

export function sameRecord(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

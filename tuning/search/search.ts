/**
 * What a search strategy is to the tuner and to the replay that compares strategies. A strategy is pure: the same space, seed and
 * observations give the same proposals; it knows no clock, no device and no file.
 */
import type { Form } from '../../generator/ids.js';
import type { Dims, Family, Variant } from '../../generator/types.js';

/** What is searched: the variants of a form that are valid for a problem, perhaps one shard of them. */
export interface SpaceDescription {
  readonly form: Form;
  readonly family: Family;
  readonly dims: Dims;
  /** Compute capability of a GPU. */
  readonly capability?: number;
  /** `index` from 0 of `of` equal parts, by a hash of the kernel id. The default variant is in every part. */
  readonly shard?: { readonly index: number; readonly of: number };
}

export interface Proposal {
  readonly variant: Variant;
  /** Sample pairs (candidate and default in turn) wanted in all, those taken earlier included. */
  readonly samples: number;
}

export interface Observation {
  /** Median of candidate / default over all sample pairs so far; null when the candidate failed. */
  readonly cost: number | null;
  /** Sample pairs that it rests on. */
  readonly samples: number;
}

export interface Search {
  readonly strategy: string;
  readonly defaultVariant: Variant;
  /** Valid variants. Counted when asked for: large spaces take a moment. */
  size(): number;
  /**
   * Up to `n` variants to try next, the default first of all; none when the search is at its end. A variant comes again only with
   * more samples than before.
   */
  propose(n: number): readonly Proposal[];
  /** Takes proposals back that there was no time for: they come first next time. */
  putBack(proposals: readonly Proposal[]): void;
  /** How many can still be proposed (at least). */
  remaining(): number;
  /** Also for variants that were not proposed, e.g. from a journal. A later observation replaces an earlier one. */
  observe(variant: Variant, observation: Observation): void;
  /**
   * Variants to try early: winners of neighbouring shapes, of other instruction sets, of other devices' journals. Those outside this
   * space are ignored.
   */
  suggest(variants: readonly Variant[]): void;
  /** Measured variants, fastest first; ties by kernel id. */
  ranking(): readonly { readonly variant: Variant; readonly cost: number; readonly samples: number }[];
  /** How much of the default's time the next candidate is expected to save, 0 to 1: where time is best spent. Null before there is anything to judge from. */
  expectedGain(): number | null;
}

/** The recorded answers of a fixture checkpoint; test/fixtures/README.md describes the fields. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Full vectors for the tiny checkpoints, the ten largest for the demo model. */
export type ExpectedLogits = readonly number[] | readonly { readonly id: number; readonly logit: number }[];

export interface ExpectedLayer {
  readonly experts: readonly number[];
  readonly margin: number;
}

export interface ExpectedRun {
  readonly greedy: readonly number[];
  readonly min_gap: number;
  readonly last_logits: ExpectedLogits;
}

export interface ExpectedCase {
  readonly prompt: readonly number[];
  readonly new_tokens: number;
  readonly dense: ExpectedRun & { readonly first_logits: ExpectedLogits };
  readonly griffin: readonly (ExpectedRun & { readonly density: number; readonly layers: readonly ExpectedLayer[] })[];
  readonly magnitude: readonly (ExpectedRun & { readonly density: number })[];
  readonly class_mode: readonly { readonly density: number; readonly layers: readonly ExpectedLayer[]; readonly last_logits: ExpectedLogits }[];
}

export function readExpected(dir: string): readonly ExpectedCase[] {
  return (JSON.parse(readFileSync(join(dir, 'expected.json'), 'utf8')) as { cases: ExpectedCase[] }).cases;
}

/** Largest absolute difference to the recorded logits. */
export function logitError(actual: readonly number[], expected: ExpectedLogits): number {
  return Math.max(...expected.map((value, i) => (typeof value === 'number' ? Math.abs(actual[i]! - value) : Math.abs(actual[value.id]! - value.logit))));
}

/** Below this relative gap at the cut, a swap is not an error. */
export const MIN_MARGIN = 1e-5;

import { expect } from 'vitest';

import type { GenerateOptions, GenerateResult, Model } from '../../runtime/index.js';
import { logitError, MIN_MARGIN, type ExpectedCase, type ExpectedLayer, type ExpectedLogits, type ExpectedRun } from './expected.js';

/**
 * The same tokens as recorded. They may part ways only where the two candidates' logits are closer than the tolerance, which `rerun` shows by
 * stopping at that step.
 */
async function expectRun(
  run: (newTokens: number) => Promise<GenerateResult>,
  expected: ExpectedRun,
  { tolerance, tokens }: Required<CaseOptions>,
  what: string,
): Promise<GenerateResult> {
  const length = Math.min(tokens, expected.greedy.length);
  const actual = await run(length);
  const parted = actual.tokenIds.findIndex((id, i) => id !== expected.greedy[i]);
  if (parted < 0) {
    expect(actual.tokenIds.length, what).toBe(length);
    if (length === expected.greedy.length) expect(logitError(actual.logits!.last, expected.last_logits), `${what}: last logits`).toBeLessThan(tolerance);
    return actual;
  }
  if (expected.min_gap > tolerance) expect(actual.tokenIds, what).toEqual(expected.greedy.slice(0, length));
  const { last } = (await run(parted + 1)).logits!;
  const gap = Math.abs(last[actual.tokenIds[parted]!]! - last[expected.greedy[parted]!]!);
  expect(gap, `${what}: logits of the tokens at step ${parted}`).toBeLessThan(tolerance);
  return actual;
}

function expectExperts(actual: GenerateResult, layers: readonly ExpectedLayer[], what: string): void {
  actual.experts!.forEach((experts, i) => {
    const layer = layers[i]!;
    if (layer.margin > MIN_MARGIN) expect(experts, `${what}: experts of layer ${i}`).toEqual(layer.experts);
  });
}

function expectLogits(actual: readonly number[], expected: ExpectedLogits, tolerance: number, what: string): void {
  expect(logitError(actual, expected), `${what}: logits`).toBeLessThan(tolerance);
}

export interface CaseOptions {
  /** Largest difference of a logit. */
  readonly tolerance: number;
  /** Stop after this many tokens, where the recorded run is longer: the last logits are then not compared. Default: the whole run. */
  readonly tokens?: number;
}

/** Every recorded run of a case: dense, GRIFFIN by gather and by compaction, class mode, magnitude. */
export async function checkCase(model: Model, index: number, expected: ExpectedCase, { tolerance, tokens = Infinity }: CaseOptions): Promise<void> {
  const generate = (options: GenerateOptions): Promise<GenerateResult> =>
    model.generateText(expected.prompt, { ignoreEos: true, dumpExperts: true, dumpLogits: true, ...options });
  const check = (what: string, options: GenerateOptions, answer: ExpectedRun): Promise<GenerateResult> =>
    expectRun((maxNewTokens) => generate({ ...options, maxNewTokens }), answer, { tolerance, tokens }, `case ${index}, ${what}`);

  const dense = await check('dense', { density: 1 }, expected.dense);
  expectLogits(dense.logits!.first, expected.dense.first_logits, tolerance, `case ${index}, dense, first`);
  for (const strategy of ['gather', 'compact'] as const) {
    for (const griffin of expected.griffin) {
      const what = `${strategy} ${griffin.density}`;
      const actual = await check(what, { density: griffin.density, strategy }, griffin);
      expectExperts(actual, griffin.layers, `case ${index}, ${what}`);
      expectLogits(actual.logits!.first, expected.dense.first_logits, tolerance, `case ${index}, ${what}, first`);
    }
    for (const masked of expected.class_mode) {
      const what = `case ${index}, class ${strategy} ${masked.density}`;
      const actual = await generate({ density: masked.density, strategy, mode: 'class' });
      expectExperts(actual, masked.layers, what);
      expectLogits(actual.logits!.last, masked.last_logits, tolerance, what);
    }
  }
  for (const magnitude of expected.magnitude) {
    await check(`magnitude ${magnitude.density}`, { density: magnitude.density, selection: 'magnitude' }, magnitude);
  }
}

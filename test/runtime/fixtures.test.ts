/**
 * Checkpoints with answers from an independent program (test/fixtures/README.md), through the whole runtime: every instruction set of this
 * machine, 1, 2 and 3 threads, kept neurons read in place and packed.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { cpuIdentity } from '../../runtime/device/cpu-info.js';
import { loadModel, type GenerateOptions, type GenerateResult, type Model } from '../../runtime/index.js';
import { packageRoot } from '../../runtime/paths.js';
import { logitError, MIN_MARGIN, readExpected, type ExpectedLayer, type ExpectedLogits, type ExpectedRun } from '../support/expected.js';

const FIXTURES = [
  { dir: 'test/fixtures/llama-tiny', tolerance: 2e-4 },
  { dir: 'test/fixtures/relu-llama-tiny', tolerance: 2e-4 },
  { dir: 'models/demo-llama-7m', tolerance: 1e-3 },
] as const;

/** Longer prompts take most of the time in the portable kernels: they run at one thread count of each instruction set. */
const LONG_PROMPT = 128;

/**
 * The same tokens as recorded. They may part ways only where the two candidates' logits are closer than the tolerance, which `rerun` shows by
 * stopping at that step.
 */
async function expectRun(run: (newTokens: number) => Promise<GenerateResult>, expected: ExpectedRun, tolerance: number, what: string): Promise<GenerateResult> {
  const actual = await run(expected.greedy.length);
  const parted = actual.tokenIds.findIndex((id, i) => id !== expected.greedy[i]);
  if (parted < 0) {
    expect(actual.tokenIds.length, what).toBe(expected.greedy.length);
    expect(logitError(actual.logits!.last, expected.last_logits), `${what}: last logits`).toBeLessThan(tolerance);
    return actual;
  }
  if (expected.min_gap > tolerance) expect(actual.tokenIds, what).toEqual(expected.greedy);
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

async function checkCase(model: Model, index: number, expected: ReturnType<typeof readExpected>[number], tolerance: number): Promise<void> {
  const generate = (options: GenerateOptions): Promise<GenerateResult> =>
    model.generateText(expected.prompt, { ignoreEos: true, dumpExperts: true, dumpLogits: true, ...options });
  const check = (what: string, options: GenerateOptions, answer: ExpectedRun): Promise<GenerateResult> =>
    expectRun((maxNewTokens) => generate({ ...options, maxNewTokens }), answer, tolerance, `case ${index}, ${what}`);

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

describe.each(FIXTURES)('$dir', ({ dir, tolerance }) => {
  const cases = readExpected(join(packageRoot(), dir));
  const machine = cpuIdentity().isas.flatMap((isa) => [1, 2, 3].map((threads) => ({ isa, threads })));

  it.each(machine)('$isa, $threads threads', async ({ isa, threads }) => {
    await using model = await loadModel(join(packageRoot(), dir), { device: `cpu:${isa}`, threads, library: join(packageRoot(), 'test', 'fixtures', 'no-library') });
    for (const [index, expected] of cases.entries()) {
      if (expected.prompt.length > LONG_PROMPT && threads !== 2) continue;
      await checkCase(model, index, expected, tolerance);
    }
  }, 300_000);
});

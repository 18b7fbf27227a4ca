import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { openCheckpoint } from '../../../runtime/checkpoint/checkpoint.js';
import { loadWeights } from '../../../runtime/checkpoint/weights.js';
import { resolveOptions, type GenerateOptions } from '../../../runtime/generate/options.js';
import { emptyReport, runTokens, type RunReport } from '../../../runtime/generate/run.js';
import { createEngine, type Engine } from '../../../runtime/model/engine.js';
import { packageRoot } from '../../../runtime/paths.js';
import { logitError, MIN_MARGIN, readExpected } from '../../support/expected.js';
import { openReferenceDevice, referenceKernels } from '../../support/reference-device.js';

/** Every kernel is its fp64 oracle here: what fails here is the wiring of the plans, not a kernel. */
async function openEngine(dir: string): Promise<Engine> {
  const device = openReferenceDevice();
  return createEngine(device, referenceKernels, await loadWeights(device, openCheckpoint(dir)));
}

async function run(engine: Engine, promptIds: readonly number[], options: GenerateOptions): Promise<{ tokens: number[]; report: RunReport }> {
  const report = emptyReport();
  const tokens: number[] = [];
  const request = { promptIds, options: resolveOptions({ ignoreEos: true, dumpExperts: true, dumpLogits: true, ...options }), eosTokenIds: [], advise: () => 'gather' as const };
  for await (const { tokenId } of runTokens(engine, request, report)) tokens.push(tokenId);
  return { tokens, report };
}

// One short case each: the oracles are slow.
describe.each(['llama-tiny', 'relu-llama-tiny'])('plans of %s on oracle kernels', (name) => {
  const dir = join(packageRoot(), 'test', 'fixtures', name);
  const expected = readExpected(dir)[0]!;
  const opened = openEngine(dir);

  it('give the full model', async () => {
    const { tokens, report } = await run(await opened, expected.prompt, { density: 1, maxNewTokens: expected.new_tokens });
    expect(tokens).toEqual(expected.dense.greedy);
    expect(logitError(report.firstLogits!, expected.dense.first_logits)).toBeLessThan(1e-4);
    expect(logitError(report.lastLogits!, expected.dense.last_logits)).toBeLessThan(1e-4);
  });

  it.each(['gather', 'compact'] as const)('give GRIFFIN by %s', async (strategy) => {
    for (const griffin of expected.griffin) {
      const { tokens, report } = await run(await opened, expected.prompt, { density: griffin.density, maxNewTokens: expected.new_tokens, strategy });
      griffin.layers.forEach((layer, i) => layer.margin > MIN_MARGIN && expect(report.experts![i]).toEqual(layer.experts));
      expect(tokens).toEqual(griffin.greedy);
      expect(logitError(report.lastLogits!, griffin.last_logits)).toBeLessThan(1e-4);
    }
  });

  it('give the magnitude baseline and class mode', async () => {
    const engine = await opened;
    for (const magnitude of expected.magnitude) {
      const { tokens } = await run(engine, expected.prompt, { density: magnitude.density, selection: 'magnitude', maxNewTokens: expected.new_tokens });
      expect(tokens).toEqual(magnitude.greedy);
    }
    for (const masked of expected.class_mode) {
      const { tokens, report } = await run(engine, expected.prompt, { density: masked.density, mode: 'class' });
      expect(tokens).toHaveLength(1);
      masked.layers.forEach((layer, i) => layer.margin > MIN_MARGIN && expect(report.experts![i]).toEqual(layer.experts));
      expect(logitError(report.lastLogits!, masked.last_logits)).toBeLessThan(1e-4);
    }
  });
});

/** A tiny model on the reference device: the runtime's logic without native code. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { openCheckpoint } from '../../runtime/checkpoint/checkpoint.js';
import { loadWeights } from '../../runtime/checkpoint/weights.js';
import type { Device } from '../../runtime/device/types.js';
import { resolveOptions, type GenerateOptions } from '../../runtime/generate/options.js';
import { emptyReport, runTokens, type RunReport, type RunRequest } from '../../runtime/generate/run.js';
import { createEngine, type Engine } from '../../runtime/model/engine.js';
import type { KernelSource } from '../../runtime/model/transformer.js';
import { openReferenceDevice, referenceKernels } from './reference-device.js';
import { writeCheckpoint, type WriteCheckpointOptions } from './write-checkpoint.js';

export async function openTinyEngine(
  options: WriteCheckpointOptions = {},
  device: Device = openReferenceDevice(),
  kernels: KernelSource = referenceKernels,
): Promise<{ engine: Engine; device: Device }> {
  const dir = mkdtempSync(join(tmpdir(), 'griffin-tiny-'));
  try {
    writeCheckpoint(dir, options);
    return { engine: createEngine(device, kernels, await loadWeights(device, openCheckpoint(dir))), device };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export function runRequest(promptIds: readonly number[], options: GenerateOptions = {}, rest: Partial<RunRequest> = {}): RunRequest {
  return { promptIds, options: resolveOptions(options), eosTokenIds: [], advise: () => 'gather', ...rest };
}

/** All tokens of a generation with its report; experts and logits are always dumped. */
export async function generateTokens(engine: Engine, promptIds: readonly number[], options: GenerateOptions = {}, rest: Partial<RunRequest> = {}) {
  const report: RunReport = emptyReport();
  const tokens: number[] = [];
  let finish: string | null = null;
  for await (const step of runTokens(engine, runRequest(promptIds, { dumpExperts: true, dumpLogits: true, ...options }, rest), report)) {
    tokens.push(step.tokenId);
    finish = step.finish;
  }
  return { tokens, finish, report };
}

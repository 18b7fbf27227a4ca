/**
 * Checkpoints with answers from an independent program (test/fixtures/README.md), through the whole runtime: every instruction set of this
 * machine, 1, 2 and 3 threads, kept neurons read in place and packed.
 */
import { join } from 'node:path';
import { describe, it } from 'vitest';

import { cpuIdentity } from '../../runtime/device/cpu-info.js';
import { loadModel } from '../../runtime/index.js';
import { packageRoot } from '../../runtime/paths.js';
import { checkCase } from '../support/check-case.js';
import { readExpected } from '../support/expected.js';

const FIXTURES = [
  { dir: 'test/fixtures/llama-tiny', tolerance: 2e-4 },
  { dir: 'test/fixtures/relu-llama-tiny', tolerance: 2e-4 },
  { dir: 'models/demo-llama-7m', tolerance: 1e-3 },
] as const;

/** Longer prompts take most of the time in the portable kernels: they run at one thread count of each instruction set. */
const LONG_PROMPT = 128;

describe.each(FIXTURES)('$dir', ({ dir, tolerance }) => {
  const cases = readExpected(join(packageRoot(), dir));
  const machine = cpuIdentity().isas.flatMap((isa) => [1, 2, 3].map((threads) => ({ isa, threads })));

  it.each(machine)('$isa, $threads threads', async ({ isa, threads }) => {
    await using model = await loadModel(join(packageRoot(), dir), { device: `cpu:${isa}`, threads, library: join(packageRoot(), 'test', 'fixtures', 'no-library') });
    for (const [index, expected] of cases.entries()) {
      if (expected.prompt.length > LONG_PROMPT && threads !== 2) continue;
      await checkCase(model, index, expected, { tolerance });
    }
  }, 300_000);
});

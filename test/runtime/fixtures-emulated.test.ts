/**
 * The same checkpoints and answers (test/fixtures/README.md) on the emulated GPU: CUDA kernels, driver calls and graphs, without a GPU. The tiny
 * ones under every check of the emulator; the demo model without them, the first tokens of each run (GRIFFIN_TEST_FULL=1: all of them).
 */
import { join } from 'node:path';
import { describe, it } from 'vitest';

import { loadModel } from '../../runtime/index.js';
import { packageRoot } from '../../runtime/paths.js';
import { checkCase } from '../support/check-case.js';
import { readExpected } from '../support/expected.js';

const full = process.env['GRIFFIN_TEST_FULL'] === '1';

const RUNS = [
  { dir: 'test/fixtures/llama-tiny', tolerance: 2e-4, devices: ['emulated', 'emulated:fast,eager', 'emulated:sm86,fast,reverse'] },
  { dir: 'test/fixtures/relu-llama-tiny', tolerance: 2e-4, devices: ['emulated:sm80,random=5,eager', 'emulated:sm120,fast'] },
  { dir: 'models/demo-llama-7m', tolerance: 1e-3, devices: ['emulated:fast', 'emulated:sm89,fast,eager'], tokens: full ? Infinity : 4 },
] as const;

describe.each(RUNS)('$dir', (run) => {
  const cases = readExpected(join(packageRoot(), run.dir));

  it.each(run.devices.map((device, deviceIndex) => ({ device, deviceIndex })))('$device', async ({ device, deviceIndex }) => {
    await using model = await loadModel(join(packageRoot(), run.dir), { device, library: join(packageRoot(), 'test', 'fixtures', 'no-library') });
    for (const [index, expected] of cases.entries()) {
      // The demo model takes a minute per device: each gets a short prompt, and one of them a long one.
      if ('tokens' in run && !full && index !== (deviceIndex === 0 ? 0 : 1) && !(deviceIndex === 0 && index === cases.length - 1)) continue;
      await checkCase(model, index, expected, { tolerance: run.tolerance, ...('tokens' in run ? { tokens: run.tokens } : {}) });
    }
  }, full ? 3_600_000 : 300_000);
});

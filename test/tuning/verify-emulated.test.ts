/**
 * `griffin verify --device emulated` on the default kernel of every form, under every check and all three schedules, through the driver, the
 * device layer and graphs. GRIFFIN_TEST_FULL=1 adds three random variants of each form; `griffin verify --all` is the whole space.
 */
import { join } from 'node:path';
import { expect, it } from 'vitest';

import { FAMILIES } from '../../generator/families/index.js';
import { packageRoot } from '../../runtime/paths.js';
import { verify } from '../../tuning/verify-run.js';

const full = process.env['GRIFFIN_TEST_FULL'] === '1';

it('every CUDA kernel equals its reference on the emulated device', async () => {
  const report = await verify({ device: 'emulated', variants: full ? 3 : 0, jobs: 2, directory: join(packageRoot(), 'build', 'test-kernels', 'verify') });
  expect(report.failures).toEqual([]);
  expect(report.runs).toHaveLength(3);
  expect(report.families.map(({ family }) => family)).toEqual(FAMILIES.map(({ name }) => name));
  for (const { family, forms, variants, skipped, cases, worst } of report.families) {
    expect(forms, family).toBeGreaterThan(0);
    expect(skipped, family).toBe(0);
    expect(cases, family).toBeGreaterThanOrEqual(3 * variants);
    expect(worst, family).toBeLessThanOrEqual(1);
  }
}, full ? 7_200_000 : 900_000);

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openCpuDevice } from '../../runtime/device/cpu.js';
import { packageRoot } from '../../runtime/paths.js';
import { asanMissing, buildAsanAddon, runUnderAsan } from '../runtime/native/asan.js';
import { BASE_COUNT } from './base-files.js';
import { recipeOf } from './generate.js';
import { type Recipe, cook } from './mutations.js';
import { runCase } from './run-case.js';

const CORPUS = JSON.parse(readFileSync(new URL('./corpus.json', import.meta.url), 'utf8')) as { name: string; outcome: string; recipe: Recipe }[];

const root = mkdtempSync(join(tmpdir(), 'griffin-fuzz-test-'));
const dir = join(root, 'case');
const device = openCpuDevice({ threads: 2 });
afterAll(async () => {
  await device.dispose();
  rmSync(root, { recursive: true, force: true });
});

describe('mutated checkpoints', () => {
  it('the bases themselves load', async () => {
    for (let base = 0; base < BASE_COUNT; base++) expect(await runCase({ base, mutations: [] }, device, dir)).toBe('loaded');
  });

  it('a recipe always gives the same files', () => {
    for (let seed = 0; seed < 30; seed++) expect(cook(recipeOf(seed))).toEqual(cook(recipeOf(seed)));
  });

  it.each(CORPUS)('$outcome: $name', async ({ recipe, outcome }) => {
    expect(await runCase(recipe, device, dir)).toBe(outcome);
  });

  it('load or are refused with a typed error', async () => {
    const counts = { loaded: 0, refused: 0 };
    for (let seed = 0; seed < 300; seed++) {
      const recipe = recipeOf(seed);
      try {
        counts[await runCase(recipe, device, dir)]++;
      } catch (error) {
        throw new Error(`seed ${seed}, ${JSON.stringify(recipe)}: ${String(error)}`, { cause: error });
      }
    }
    // Both must be well represented, or the fuzzer has stopped reaching anything.
    expect(counts.loaded).toBeGreaterThan(20);
    expect(counts.refused).toBeGreaterThan(150);
  });
});

const missing = asanMissing();
if (missing !== undefined) console.warn(`fuzzing under the address sanitizer skipped: ${missing}`);

describe.skipIf(missing !== undefined)('mutated checkpoints under the address sanitizer', () => {
  beforeAll(() => buildAsanAddon(), 300_000);

  it('touch no memory that is not theirs', async () => {
    const script = join(packageRoot(), 'test', 'fuzz', 'run-fuzz.ts');
    const { status, stdout, stderr } = await runUnderAsan(script, ['--corpus', '--from', '1000', '--count', '1500'], { timeoutMs: 170_000 });
    expect(status, `${stdout}\n${stderr.slice(-4000)}`).toBe(0);
    const counts = JSON.parse(stdout) as { loaded: number; refused: number };
    expect(counts.loaded + counts.refused).toBe(1500 + CORPUS.length);
  }, 180_000);
});

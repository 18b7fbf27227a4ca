import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../runtime/errors.js';
import { formatVerification } from '../../tuning/verify-report.js';
import { verify, type VerifyOptions, type VerifyReport } from '../../tuning/verify-run.js';
import { createToyBuilder } from './support/toy-builder.js';
import { MODES, toyFamily } from './support/toy-family.js';

const directory = mkdtempSync(join(tmpdir(), 'griffin-verify-test-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const toy = (change: Partial<VerifyOptions> = {}): Promise<VerifyReport> =>
  verify({
    device: 'fake',
    directory,
    parts: {
      families: [toyFamily],
      environmentUrl: new URL('./support/toy-environment.ts', import.meta.url).href,
      createBuilder: () => Promise.resolve({ builder: createToyBuilder(directory), note: null }),
      caseLimitMs: 1500,
    },
    ...change,
  });

const idOf = (mode: number): string => `toy_scale__any__portable__mode${mode}`;

describe('verify', () => {
  it('runs every case of right kernels', async () => {
    const report = await toy({ variants: 0 });
    expect(report.failures).toEqual([]);
    expect(report.families).toMatchObject([{ family: 'toy_scale', forms: 1, variants: 1, cases: 6, failures: 0 }]);
    expect(report.families[0]?.worst).toBeGreaterThan(0);
    expect(formatVerification(report)).toMatch(/toy_scale +1 +1 +6 +0 +0\.\d{3}/);
    expect(formatVerification(report)).toMatch(/Verified in/);
  });

  it('finds every kind of misbehaviour, blames the kernel, and goes on', async () => {
    const report = await toy({ variants: 'all' });
    const states = Object.fromEntries(report.failures.map(({ kernelId, state }) => [kernelId, state]));
    expect(states).toEqual({
      [idOf(MODES.wrongWhenRagged)]: 'wrong',
      [idOf(MODES.writesPastEnd)]: 'out-of-bounds',
      [idOf(MODES.leavesUnwritten)]: 'wrong',
      [idOf(MODES.segfaults)]: 'crashed',
      [idOf(MODES.hangs)]: 'timed-out',
      [idOf(MODES.doesNotCompile)]: 'compile-failed',
      [idOf(MODES.changesInput)]: 'wrong',
      [idOf(MODES.dependsOnThreads)]: 'wrong',
      [idOf(MODES.differsBetweenRuns)]: 'wrong',
      [idOf(MODES.wrongWithThirdSeed)]: 'wrong',
    });
    const crashed = report.failures.find(({ state }) => state === 'crashed');
    expect(crashed).toMatchObject({
      problem: 'toy_scale[](n=1,rows=1), seed 1',
      device: 'fake',
      command: `griffin verify --device fake --kernel ${idOf(MODES.segfaults)}`,
      message: expect.stringContaining('SIGSEGV') as string,
    });
    expect(report.families[0]?.variants).toBe(Object.keys(MODES).length - 1);
    const text = formatVerification(report);
    expect(text).toContain(`again: ${crashed?.command ?? 'none'}`);
    expect(text).toMatch(/FAILED: \d+ of \d+ cases/);
  }, 30_000);

  it('runs one kernel again, with the contents of that seed', async () => {
    const report = await toy({ kernel: idOf(MODES.wrongWhenRagged), seed: 3 });
    expect(new Set(report.failures.map(({ kernelId }) => kernelId))).toEqual(new Set([idOf(MODES.wrongWhenRagged)]));
    expect(new Set(report.failures.map(({ seed }) => seed))).toEqual(new Set([10, 11, 12]));
    expect(report.failures[0]?.command).toBe(`griffin verify --device fake --kernel ${idOf(MODES.wrongWhenRagged)} --seed 3`);
  });

  it('samples the same variants for the same seed', async () => {
    const ids = async (seed: number): Promise<string[]> => {
      const builder = createToyBuilder(directory);
      await toy({ variants: 3, seed, parts: { families: [toyFamily], environmentUrl: new URL('./support/toy-environment.ts', import.meta.url).href, createBuilder: () => Promise.resolve({ builder, note: null }), caseLimitMs: 1000 } });
      return [...builder.order];
    };
    const first = await ids(1);
    expect(first).toHaveLength(4);
    expect(first[0]).toBe(idOf(MODES.good));
    expect(await ids(1)).toEqual(first);
    expect(await ids(2)).not.toEqual(first);
  }, 30_000);

  it('says what was not shipped instead of calling it wrong', async () => {
    const builder = { ...createToyBuilder(directory), build: () => Promise.resolve(new Map()) };
    const report = await toy({ parts: { families: [toyFamily], environmentUrl: new URL('./support/toy-environment.ts', import.meta.url).href, createBuilder: () => Promise.resolve({ builder, note: 'no compiler' }) } });
    expect(report.families).toMatchObject([{ variants: 0, skipped: 1, failures: 0 }]);
    expect(report.notes).toEqual(['no compiler', '1 default kernels are not shipped for this device']);
  });

  it('refuses unknown families and kernels', async () => {
    await expect(toy({ families: ['nonsense'] })).rejects.toThrow(/unknown kernel family nonsense; there are: toy_scale/);
    await expect(toy({ kernel: 'toy_scale__any__portable__mode99' })).rejects.toThrow(UsageError);
  });
});

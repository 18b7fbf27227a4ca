import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BenchResult } from '../../../runtime/bench/result.js';
import { griffin, TINY } from '../griffin.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'griffin-bench-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('griffin bench', () => {
  it('measures a checkpoint, prints one object and writes the reports', async () => {
    const out = join(folder, 'reports');
    const args = ['bench', '--model', TINY, '--prompt-tokens', '8', '--new-tokens', '2', '--rounds', '2', '--densities', '1,0.5', '--ff', 'gather', '--out', out, '--json'];
    const { code, stdout, stderr } = await griffin(args);
    expect(code).toBe(0);
    const result = JSON.parse(stdout) as BenchResult;
    expect(result.decode.map(({ density, strategy }) => [density, strategy])).toEqual([[1, 'dense'], [0.5, 'gather']]);
    expect(result.model).toMatchObject({ name: 'llama-tiny', weights: 'checkpoint', dtype: 'f32' });
    expect(result.roofs.read.perSecond).toBeGreaterThan(1e8);
    expect((await readdir(out)).sort()).toEqual(['report.html', 'report.json', 'report.md']);
    expect(JSON.parse(await readFile(join(out, 'report.json'), 'utf8'))).toEqual(result);
    expect(stderr).toContain(join(out, 'report.html'));
  });

  it('measures random weights of a config.json, as text', async () => {
    const args = ['bench', '--synthetic', join(TINY, 'config.json'), '--layers', '2', '--prompt-tokens', '4', '--new-tokens', '2', '--rounds', '1', '--out', join(folder, 'synthetic')];
    const { code, stdout } = await griffin(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/llama-tiny \(2 layers\) \(random weights\)/);
    expect(stdout).toMatch(/density 0\.5, gather/);
    expect(stdout).toMatch(/density 0\.5, compact/);
  });

  it.each<[string, string[], RegExp]>([
    ['nothing to measure', ['bench'], /--model DIR or --synthetic NAME/],
    ['both', ['bench', '--model', TINY, '--synthetic', 'llama-2-7b'], /exclude each other/],
    ['an unknown shape', ['bench', '--synthetic', 'llama-9'], /tinyllama-1\.1b/],
    ['layers of a checkpoint', ['bench', '--model', TINY, '--layers', '1'], /--layers works with --synthetic/],
    ['a density twice', ['bench', '--synthetic', TINY, '--densities', '1,1'], /twice/],
    ['a density that is none', ['bench', '--synthetic', TINY, '--densities', '1,x'], /share from 0/],
    ['more than the positions', ['bench', '--synthetic', TINY, '--prompt-tokens', '300'], /256 positions/],
  ])('refuses %s with 2', async (_name, args, message) => {
    const { code, stdout, stderr } = await griffin(args);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('stops with 130 on Ctrl-C', async () => {
    const args = ['bench', '--synthetic', 'tinyllama-1.1b', '--layers', '1', '--rounds', '5000', '--out', join(folder, 'never')];
    // Whatever it is doing by then: filling weights, prefill or rounds. The rounds alone would take minutes.
    const { code, stderr } = await griffin(args, { interruptAfterMs: 3000 });
    expect(stderr).toMatch(/stopped|interrupted/);
    expect(code).toBe(130);
    await expect(readdir(join(folder, 'never'))).rejects.toThrow();
  });
});

import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { griffin, ROOT } from './griffin.js';

describe('griffin', () => {
  it('prints help on request with 0, and without a command with 2', async () => {
    const help = await griffin(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(/Usage: griffin/);
    const nothing = await griffin([]);
    expect(nothing).toMatchObject({ code: 2, stdout: '' });
    expect(nothing.stderr).toMatch(/Usage: griffin/);
  });

  it('shows defaults in the help of a command', async () => {
    const { stdout } = await griffin(['generate', '--help']);
    expect(stdout).toMatch(/--max-new-tokens <n>[^-]*\(default: 64\)/);
    expect(stdout.replace(/\s+/g, ' ')).toMatch(/--density <share>.*\(default: 0\.5\)/);
  });

  it('prints its version', async () => {
    expect(await griffin(['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string });
  });

  it('prints one JSON object for wrong usage too when --json is given', async () => {
    const { code, stdout, stderr } = await griffin(['generate', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'USAGE' } });
    expect(stderr).toMatch(/--model/);
  });

  it('says so and fails when standard output cannot be written', () => {
    const full = openSync('/dev/full', 'w');
    try {
      const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'cli/griffin.mjs'), 'kernels', 'list', '--isa', 'portable'], { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' });
      expect(status).toBe(1);
      expect(stderr).toMatch(/^griffin: standard output cannot be written: ENOSPC[^\n]*\n$/);
    } finally {
      closeSync(full);
    }
  });

  it('adds stacks with DEBUG=griffin only', async () => {
    const args = ['generate', '--model', 'a', '--prompt', 'x', '--prompt-ids', '1'];
    expect((await griffin(args)).stderr).not.toMatch(/\n\s+at /);
    expect((await griffin(args, { env: { DEBUG: 'griffin' } })).stderr).toMatch(/\n\s+at /);
  });
});

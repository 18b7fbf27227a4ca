import { describe, expect, it } from 'vitest';
import { griffin } from './griffin.js';

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

  it('adds stacks with DEBUG=griffin only', async () => {
    const args = ['generate', '--model', 'a', '--prompt', 'x', '--prompt-ids', '1'];
    expect((await griffin(args)).stderr).not.toMatch(/\n\s+at /);
    expect((await griffin(args, { env: { DEBUG: 'griffin' } })).stderr).toMatch(/\n\s+at /);
  });
});

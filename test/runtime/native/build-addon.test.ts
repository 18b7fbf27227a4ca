import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import { packageRoot } from '../../../runtime/paths.js';
import { temporaryFolder } from './fixture.js';

const folder = temporaryFolder();
afterAll(() => folder.remove());

/** Runs the build script where only `tools` are on the path, each a script that answers like `--version`. */
function build(tools: readonly string[], args: readonly string[] = []): { status: number | null; stderr: string; stdout: string } {
  const bin = join(folder.path, `bin-${tools.join('-')}`);
  spawnSync('mkdir', ['-p', bin]);
  for (const tool of tools) {
    writeFileSync(join(bin, tool), '#!/bin/sh\necho 1.0\n');
    chmodSync(join(bin, tool), 0o755);
  }
  const environment = { ...process.env, PATH: bin };
  delete (environment as Record<string, string | undefined>)['CXX'];
  return spawnSync(process.execPath, [join(packageRoot(), 'scripts', 'build-addon.mjs'), ...args], { env: environment, encoding: 'utf8' });
}

describe('a machine that lacks a tool gets its name and the command that installs it', () => {
  test.each([
    [[], 'no C++ compiler: c++ is not found'],
    [['c++'], 'cmake is not found'],
    [['c++', 'cmake'], 'neither make nor ninja is found'],
  ])('with %j', (tools, message) => {
    const result = build(tools);
    expect(result.status).toBe(1);
    expect(result.stderr).toBe(`build-addon: ${message}\n  try: apt-get install g++ cmake make (as root)\n`);
  });
});

test('an unknown option is refused', () => {
  const result = build([], ['--sanitise']);
  expect(result.status).toBe(1);
  expect(result.stderr).toContain('unknown option --sanitise');
});

test('an addon that is up to date is left alone, without a word', () => {
  const result = spawnSync(process.execPath, [join(packageRoot(), 'scripts', 'build-addon.mjs')], { encoding: 'utf8' });
  expect(result).toMatchObject({ status: 0, stdout: '' });
  const again = spawnSync(process.execPath, [join(packageRoot(), 'scripts', 'build-addon.mjs')], { encoding: 'utf8' });
  expect(again).toMatchObject({ status: 0, stdout: '', stderr: '' });
});

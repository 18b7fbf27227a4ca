import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from 'vitest';

import { packageRoot } from '../../../../runtime/paths.js';
import { temporaryDirectories } from '../../../support/temp-dir.js';
import { asanMissing, buildAsanAddon } from '../../native/asan.js';

/**
 * The emulated CUDA driver as a C++ program sees it: the cases are in the .cc files beside this one (`CASE(id, "title")`), each run in a process of
 * its own. Every case also checks that nothing is left over at its end.
 */

const root = packageRoot();
const here = join(root, 'test', 'runtime', 'emulator', 'driver');
const interfaces = join(root, 'runtime', 'native', 'cuda');
const compiler = process.env['CXX'] ?? 'c++';
const directory = temporaryDirectories('driver');

const sources = readdirSync(here).filter((name) => name.endsWith('.cc') && name !== 'abi-check.cc').sort();

interface Group {
  readonly file: string;
  readonly titles: readonly string[];
}
const groups: readonly Group[] = sources
  .map((file) => ({ file, titles: [...readFileSync(join(here, file), 'utf8').matchAll(/^CASE\(\w+, "([^"]+)"\)/gm)].map((match) => match[1] ?? '') }))
  .filter((group) => group.titles.length > 0);

/** Compiles kernels.cu as the build of emulated modules does. */
function compileModules(into: string): string[] {
  const flags = ['-std=c++17', '-O2', '-DGK_EMULATED', '-ffp-contract=off', '-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror', '-Wno-unknown-pragmas'];
  const includes = ['-I', join(root, 'runtime', 'emulator', 'include'), '-I', join(root, 'templates', 'cuda')];
  const checks = '-fsanitize=thread,alignment';
  return [['checked', checks], ['fast'], ['old', checks, '-DGK_EMULATED_CAPABILITY=80']].map(([name = '', ...extra]) => {
    const object = join(into, `${name}.o`);
    const module = join(into, `${name}.so`);
    execFileSync(compiler, [...flags, ...extra, ...includes, '-c', '-x', 'c++', join(here, 'kernels.cu'), '-o', object], { stdio: 'pipe' });
    // Linked without the sanitizer's run-time library: the emulation brings what checked code calls.
    execFileSync(compiler, ['-shared', object, '-o', module], { stdio: 'pipe' });
    return module;
  });
}

function compileProgram(into: string, extra: readonly string[]): string {
  const program = join(into, 'driver-tests');
  execFileSync(compiler, ['-std=c++17', '-O1', '-g', '-Wall', '-Wextra', '-Werror', ...extra, '-I', interfaces, '-o', program, ...sources.map((file) => join(here, file)), '-ldl', '-lpthread'], { stdio: 'pipe' });
  return program;
}

function define(build: string, prepare: () => void, extra: readonly string[], environment: Readonly<Record<string, string>>): void {
  const library = join(root, 'build', build, 'Release', 'libgriffin_emulated_cuda.so');
  let command: readonly string[] = [];
  beforeAll(() => {
    prepare();
    if (!existsSync(library)) throw new Error(`${library} is missing; run: npm run build:addon`);
    const into = directory();
    command = [compileProgram(into, extra), library, ...compileModules(into)];
  }, 600_000);
  for (const group of groups) {
    describe(group.file, () => {
      it.each(group.titles)('%s', (title) => {
        const [program = '', ...rest] = command;
        const result = spawnSync(program, [...rest, title], { encoding: 'utf8', timeout: 50_000, env: { ...process.env, ...environment } });
        expect(result.stderr).toBe('');
        expect(result.signal).toBeNull();
        expect(result.status).toBe(0);
      });
    });
  }
}

describe('emulated driver', () => {
  define('addon', () => undefined, [], {});

  it('exports the functions of the table and nothing else', () => {
    const library = join(root, 'build', 'addon', 'Release', 'libgriffin_emulated_cuda.so');
    const symbols = execFileSync('nm', ['-D', '--defined-only', library], { encoding: 'utf8' });
    const exported = [...symbols.matchAll(/ T (\w+)$/gm)].map((match) => match[1] ?? '').sort();
    const header = readFileSync(join(interfaces, 'driver_api.h'), 'utf8');
    const declared = [...header.matchAll(/^ {2}X\((?:[\w ]+\*?, )?((?:cu|gkEmulated)\w+), \(/gm)].map((match) => match[1] ?? '').sort();
    expect(declared.length).toBeGreaterThan(50);
    expect(exported).toEqual(declared);
  });
});

// Building and running everything a second time takes minutes: part of the long run only.
const noAsan = process.env['GRIFFIN_TEST_FULL'] === '1' ? asanMissing() : 'takes minutes; set GRIFFIN_TEST_FULL=1';
describe.skipIf(noAsan !== undefined)(`emulated driver with the address and undefined-behaviour sanitizers${noAsan === undefined ? '' : ` (skipped: ${noAsan})`}`, () => {
  // Thread stacks of the engine are its own; allocations that fail come back as null.
  define('addon-asan', buildAsanAddon, ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'], {
    ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=0',
  });
});

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../runtime/paths.js';

const ROOT = packageRoot();
// Outside the checkout, whose node_modules would lend what the bundle forgot.
const elsewhere = mkdtempSync(join(tmpdir(), 'griffin-bundle-'));
const STAGE = join(elsewhere, 'out', 'griffin-kernels-linux-x64');
afterAll(() => rmSync(elsewhere, { recursive: true, force: true }));
const folder = (name: string): string => new URL(`../../scripts/bundle/${name}`, import.meta.url).href;

interface Needed {
  readonly symbol: string;
  readonly name: string;
  readonly version: readonly number[];
}
const { parseSymbols, tooNew, neededSymbols } = (await import(folder('libraries.mjs'))) as {
  parseSymbols(text: string): Needed[];
  tooNew(symbols: readonly Needed[]): string[];
  neededSymbols(file: string): Needed[];
};
const { importedPackages } = (await import(folder('modules.mjs'))) as { importedPackages(text: string): Set<string> };

describe('symbols that the promised system lacks', () => {
  it('are named with their version, and older ones are not', () => {
    const text = [
      '0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.34) dlopen',
      '0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.2.5) memcpy',
      '0000000000000000      DF *UND*\t0000000000000000  GLIBC_2.31 exact',
      '0000000000000000      DF *UND*\t0000000000000000 (GLIBCXX_3.4.29) _ZSt28__throw_bad_array_new_lengthv',
      '0000000000039ec0  w   DF .text\t00000000000000c8  Base        ours',
    ].join('\n');
    expect(parseSymbols(text)).toHaveLength(4);
    expect(tooNew(parseSymbols(text))).toEqual(['dlopen@GLIBC_2.34', '_ZSt28__throw_bad_array_new_lengthv@GLIBCXX_3.4.29']);
  });
});

describe('imported packages', () => {
  it('are found in every form of import, without paths inside them, Node modules and files', () => {
    const text = [
      "import { z } from 'zod';",
      "import Handlebars from 'handlebars/dist/x.js';",
      "const m = await import('tinybench');",
      "export * from '@huggingface/jinja';",
      "import { join } from 'node:path';",
      "import { a } from './a.js';",
    ].join('\n');
    expect([...importedPackages(text)].sort()).toEqual(['@huggingface/jinja', 'handlebars', 'tinybench', 'zod']);
  });
});

// The bundle is what a machine without Node gets, so that is how it is run: nothing of this environment, another folder, through a link.
describe.runIf(process.platform === 'linux' && process.arch === 'x64')('the bundle', () => {
  const link = join(elsewhere, 'gk');
  const bundled = (args: readonly string[], environment: Readonly<Record<string, string>> = {}, program = link): { code: number | null; stdout: string; stderr: string } => {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: elsewhere, encoding: 'utf8', env: { PATH: '/bin:/usr/bin', HOME: elsewhere, ...environment } });
    return { code: status, stdout, stderr };
  };

  beforeAll(() => {
    execFileSync(process.execPath, [join(ROOT, 'scripts', 'bundle.mjs'), '--no-archive', '--out', join(elsewhere, 'out')], { stdio: 'pipe' });
    symlinkSync(join(STAGE, 'griffin'), link);
  }, 300_000);

  it('brings neither TypeScript nor build tools along', () => {
    const packages = readdirSync(join(STAGE, 'node_modules'));
    expect(packages).toContain('zod');
    for (const name of ['typescript', 'ts-morph', 'cmake-js', 'vitest', 'eslint']) expect(packages).not.toContain(name);
    expect(existsSync(join(STAGE, 'scripts', 'bundle'))).toBe(false);
  });

  it('has an addon that glibc 2.31 can load, with the C++ library inside', () => {
    const symbols = neededSymbols(join(STAGE, 'build', 'addon', 'Release', 'griffin.node'));
    expect(symbols.length).toBeGreaterThan(20);
    expect(tooNew(symbols)).toEqual([]);
    expect(symbols.filter(({ name }) => name === 'GLIBCXX')).toEqual([]);
  });

  it('examines the machine', () => {
    const { code, stdout, stderr } = bundled(['doctor', '--json']);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as { ready: boolean; checks: { name: string; status: string; found: string }[] };
    expect(report.ready).toBe(true);
    expect(report.checks.find(({ name }) => name === 'native addon')?.status).toBe('ok');
    expect(report.checks.find(({ name }) => name === 'default kernels')?.status).toBe('ok');
  });

  it('verifies kernels, without a compiler the shipped ones', () => {
    const { code, stdout } = bundled(['verify', '--device', 'cpu', '--families', 'rms_norm,ff_compact', '--variants', '0']);
    expect(stdout).toMatch(/^ff_compact +3 +3 +\d+ +0 /m);
    expect(code).toBe(0);
    const bare = bundled(['verify', '--families', 'rms_norm,ff_compact'], { PATH: elsewhere }, join(STAGE, 'griffin'));
    expect(bare.stdout).toMatch(/^ff_compact +3 +3 +\d+ +0 /m);
    expect(bare.stdout).toContain('Note: only the shipped default kernels were verified');
    expect(bare.code).toBe(0);
  });

  it('says what a command that only a checkout can run lacks', () => {
    const { code, stderr } = bundled(['kernels', 'generate']);
    expect(stderr).toMatch(/^griffin: this command needs the npm package ts-morph, which is not here/);
    expect(code).toBe(1);
  });

  it('generates text', () => {
    const { code, stdout, stderr } = bundled(['generate', '--model', join(STAGE, 'models', 'demo-llama-7m'), '--prompt', 'Gen 1', '--max-new-tokens', '8', '--json']);
    // Nothing is tuned for this machine: one note says so, and what to do.
    expect(stderr).toMatch(/^kernels: \d+ not tuned .*\n {2}try: .*griffin tune .*\n$/);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { tokenIds: number[] }).tokenIds).toHaveLength(8);
  });
});

import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CompilerError } from '../../runtime/errors.js';
import { findCompiler, runProcess, trimDiagnostics } from '../../tuning/compiler.js';

const directory = (): string => mkdtempSync(join(tmpdir(), 'griffin-compiler-'));

describe('findCompiler', () => {
  it('finds one and reads its version', async () => {
    const compiler = await findCompiler();
    expect(compiler.version).toMatch(/\d+\.\d+/);
  });

  it('prefers $CXX, and says what to install when there is none', async () => {
    const dir = directory();
    const fake = join(dir, 'my-c++');
    writeFileSync(fake, '#!/bin/sh\necho "my compiler 9.9"\n');
    chmodSync(fake, 0o755);
    expect(await findCompiler({ CXX: fake, PATH: '/nonexistent' })).toEqual({ path: fake, version: 'my compiler 9.9' });
    mkdirSync(join(dir, 'g++')); // a directory of that name is no compiler
    const none = findCompiler({ PATH: dir });
    await expect(none).rejects.toBeInstanceOf(CompilerError);
    await expect(none).rejects.toThrow(/no C\+\+ compiler found; tried c\+\+: not found; g\+\+: not found; clang\+\+: not found\n {2}try: apt-get install g\+\+/);
    await expect(findCompiler({ CXX: 'no-such-compiler', PATH: dir })).rejects.toThrow(/\$CXX, "no-such-compiler"/);
  });
});

describe('runProcess', () => {
  it('passes arguments and input without a shell', async () => {
    const result = await runProcess('/bin/cat', ['-'], { input: '$(echo no) `no` ; no' });
    expect(result).toEqual({ code: 0, stdout: '$(echo no) `no` ; no', stderr: '' });
    await expect(runProcess('/no/such/program', [], {})).rejects.toBeInstanceOf(CompilerError);
  });
});

describe('trimDiagnostics', () => {
  it('starts at the first error and limits the length', () => {
    expect(trimDiagnostics('note: a\n\nx.cc:1: error: b\n')).toBe('x.cc:1: error: b');
    expect(trimDiagnostics('something else')).toBe('something else');
    expect(trimDiagnostics(`error: ${'x'.repeat(100)}`, 20)).toMatch(/^error: x{13}\n… \(87 more characters\)$/);
  });
});

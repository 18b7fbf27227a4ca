import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { libraryDirectory, makeDirectory, packageRoot } from '../../runtime/paths.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'griffin-paths-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true, force: true });
});

describe('makeDirectory', () => {
  it('makes all folders of a path, and is content with one that exists', () => {
    const path = join(root, 'a', 'b', 'c');
    makeDirectory(path);
    makeDirectory(path);
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it('says why it cannot: a file in the way, on the path or at its end', () => {
    writeFileSync(join(root, 'file'), '');
    expect(() => makeDirectory(join(root, 'file'))).toThrow(/EEXIST/);
    expect(() => makeDirectory(join(root, 'file', 'below'))).toThrow(/EEXIST|ENOTDIR/);
  });

  it.runIf(process.platform === 'linux')('fails instead of trying for ever where no folder can be made', () => {
    expect(() => makeDirectory('/proc/griffin-kernels-test/below')).toThrow(/ENOENT|EACCES|EPERM/);
  });
});

describe('paths', () => {
  it('finds the package, whatever the working folder is', () => {
    expect(statSync(join(packageRoot(), 'package.json')).isFile()).toBe(true);
  });

  it('takes the library from the option, then $GRIFFIN_KERNELS_HOME, then the cache folder', () => {
    vi.stubEnv('GRIFFIN_KERNELS_HOME', join(root, 'home'));
    vi.stubEnv('XDG_CACHE_HOME', join(root, 'cache'));
    expect(libraryDirectory(join(root, 'given'))).toBe(join(root, 'given'));
    expect(libraryDirectory()).toBe(join(root, 'home'));
    vi.stubEnv('GRIFFIN_KERNELS_HOME', '');
    expect(libraryDirectory('')).toBe(join(root, 'cache', 'griffin-kernels'));
  });
});

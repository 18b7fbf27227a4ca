import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { packageRoot } from '../../../../runtime/paths.js';

/** Our declarations of the driver's binary interface against the toolkit's cuda.h, where there is one. */

const root = packageRoot();
const interfaces = join(root, 'runtime', 'native', 'cuda');
const toolkit = [process.env['CUDA_HOME'], '/usr/local/cuda', '/usr'].filter((path) => path !== undefined).map((path) => join(path, 'include'));
const include = toolkit.find((path) => existsSync(join(path, 'cuda.h')));

// cuda.h has macros of the CU_MEMHOSTALLOC_* names: the program compares those itself.
const numbers = [...readFileSync(join(interfaces, 'driver_types.h'), 'utf8').matchAll(/^ {2}(CU(?:DA)?_[A-Z0-9_]+) = /gm)]
  .map((match) => match[1] ?? '')
  .filter((name) => !name.startsWith('CU_MEMHOSTALLOC_'));

function compile(headers: string): { status: number | null; stderr: string } {
  const list = numbers.map((name) => `X(${name})`).join(' ');
  const file = join(root, 'test', 'runtime', 'emulator', 'driver', 'abi-check.cc');
  return spawnSync(process.env['CXX'] ?? 'c++', ['-std=c++17', '-Wno-invalid-offsetof', '-fsyntax-only', '-I', headers, '-isystem', include ?? '', `-DCHECKED_NUMBERS(X)=${list}`, file], { encoding: 'utf8' });
}

describe.skipIf(include === undefined)(`driver_api.h and cuda.h${include === undefined ? ' (skipped: no cuda.h; install a CUDA toolkit)' : ''}`, () => {
  it('agree in every number, structure and parameter', () => {
    expect(numbers.length).toBeGreaterThan(100);
    const { status, stderr } = compile(interfaces);
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  it('are found to differ when they do', () => {
    const changed = mkdtempSync(join(tmpdir(), 'griffin-abi-'));
    try {
      const rewrite = (name: string, from: string, to: string): void => {
        const text = readFileSync(join(interfaces, name), 'utf8');
        expect(text).toContain(from);
        writeFileSync(join(changed, name), text.replace(from, to));
      };
      rewrite('driver_types.h', 'CUDA_ERROR_TIMEOUT = 909', 'CUDA_ERROR_TIMEOUT = 907');
      rewrite('driver_api.h', 'X(cuMemAlloc_v2, (CUdeviceptr * address, size_t bytes))', 'X(cuMemAlloc_v2, (CUdeviceptr * address, int bytes))');
      const { stderr } = compile(changed);
      expect(stderr).toContain('static assertion failed: cuMemAlloc_v2');
      expect(stderr).toContain('static assertion failed: CUDA_ERROR_TIMEOUT');
      expect(stderr.match(/static assertion failed/g)).toHaveLength(2);
    } finally {
      rmSync(changed, { recursive: true, force: true });
    }
  });
});

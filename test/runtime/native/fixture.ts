import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { packageRoot } from '../../../runtime/paths.js';

/** Names of the kernels in test-kernels.cc. */
export const TEST_KERNELS = ['saxpy', 'count', 'append', 'busy', 'grow', 'spill', 'negative', 'empty'] as const;

/** A temporary folder that `remove` deletes. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'griffin-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Compiles test-kernels.cc into `folder`, with further compiler `flags`; answers the shared object's path. */
export function buildTestKernels(folder: string, flags: readonly string[] = []): string {
  const root = packageRoot();
  const output = join(folder, 'test-kernels.so');
  const source = join(root, 'test', 'runtime', 'native', 'test-kernels.cc');
  const include = join(root, 'templates', 'cpu');
  execFileSync(process.env['CXX'] ?? 'c++', ['-std=c++17', '-O2', '-shared', '-fPIC', ...flags, '-I', include, '-o', output, source], { stdio: 'pipe' });
  return output;
}

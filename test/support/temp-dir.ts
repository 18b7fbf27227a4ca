import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll } from 'vitest';

/** A function that makes fresh empty directories, all removed after the tests of the file. */
export function temporaryDirectories(prefix: string): () => string {
  const root = mkdtempSync(join(tmpdir(), `griffin-${prefix}-`));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  let count = 0;
  return () => mkdtempSync(join(root, `${count++}-`));
}

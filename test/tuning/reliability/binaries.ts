import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

/** A winner's binary is there, whole, and what its entry says. */
export function expectWholeBinary(library: string, binary: { readonly file: string; readonly sha256: string } | undefined): void {
  if (binary === undefined) expect.fail('a winner without a binary');
  const bytes = readFileSync(join(library, 'kernels', binary.file));
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(binary.sha256);
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { FAMILIES } from '../../generator/families/index.js';
import { compareGenerated, firstDifference, generatedFiles, type GeneratedChanges } from '../../generator/generate.js';
import { generatedDirectory, readManifest } from '../../runtime/library/manifest.js';

/**
 * The committed files of `generated/` are the goldens: a change of a template or of a family must show in them, kernel by kernel, so
 * that a reviewer sees exactly which kernels a refactoring moved.
 */
describe('generated/', () => {
  const directory = generatedDirectory();
  let files: ReadonlyMap<string, string>;
  let changes: GeneratedChanges;
  beforeAll(() => {
    files = generatedFiles();
    changes = compareGenerated(directory, files);
  });

  it('equals what the families and templates give', () => {
    const report = [
      ...changes.changed.map((path) => `${path} differs (committed, then generated):\n${firstDifference(readFileSync(join(directory, path), 'utf8'), files.get(path) ?? '')}`),
      ...changes.added.map((path) => `${path} is missing`),
      ...changes.stale.map((path) => `${path} is not generated any more`),
    ];
    expect(report.length, `${report.slice(0, 5).join('\n\n')}\n${report.length > 5 ? `… and ${report.length - 5} more\n` : ''}\nIf this is meant, run: npm run generate`).toBe(0);
  });

  it('has a form for every family', () => {
    const manifest = readManifest();
    expect(Object.keys(manifest.families)).toEqual(FAMILIES.map((family) => family.name));
    const families = new Set(Object.values(manifest.forms).map((form) => form.family));
    expect(families.size).toBe(FAMILIES.length);
  });
});

import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { packageRoot } from '../../../runtime/paths.js';
import { asanMissing, buildAsanAddon, runUnderAsan } from './asan.js';
import { buildTestKernels, temporaryFolder } from './fixture.js';

const missing = asanMissing();
if (missing !== undefined) console.warn(`address sanitizer tests skipped: ${missing}`);

describe.skipIf(missing !== undefined)('the addon under the address sanitizer', () => {
  const folder = temporaryFolder();
  const script = join(packageRoot(), 'test', 'runtime', 'native', 'exercise.ts');
  let library = '';
  beforeAll(() => {
    library = buildTestKernels(folder.path, ['-fsanitize=address']);
    buildAsanAddon();
  }, 300_000);
  afterAll(() => folder.remove());

  test('buffers, load operations and plans touch only what is theirs', async () => {
    const result = await runUnderAsan(script, [library, folder.path]);
    expect(result.stderr).toBe('');
    expect(result.stdout).toBe('exercised\n');
    expect(result.status).toBe(0);
  });

  test('a kernel that writes past its buffer is caught, so the test above can fail', async () => {
    const result = await runUnderAsan(script, [library, folder.path, 'crash']);
    expect(result.stderr).toContain('heap-buffer-overflow');
    expect(result.status).toBe(99);
  });
});

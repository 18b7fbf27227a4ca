import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { addonPath, nativeAddon, typedError } from '../../../runtime/device/addon.js';
import { DeviceError, FileError, LibraryError } from '../../../runtime/errors.js';
import { packageRoot } from '../../../runtime/paths.js';
import { runChild } from '../native/child.js';
import { temporaryFolder } from '../native/fixture.js';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const script = join(folder.path, 'load.ts');
writeFileSync(
  script,
  `import { cpuIdentity } from ${JSON.stringify(join(packageRoot(), 'runtime', 'device', 'cpu-info.js'))};
try { console.log(cpuIdentity().kind); } catch (error) { console.log(error.name + ': ' + error.message); }`,
);

test('the addon is loaded once', () => {
  expect(nativeAddon()).toBe(nativeAddon());
});

test('GRIFFIN_ADDON names another build', async () => {
  const result = await runChild(script, [], { environment: { GRIFFIN_ADDON: addonPath() } });
  expect(result.stdout).toBe('cpu\n');
});

test('a missing addon gives an AddonError with the command that builds it', async () => {
  const result = await runChild(script, [], { environment: { GRIFFIN_ADDON: join(folder.path, 'absent.node') } });
  expect(result.stdout).toMatch(/^AddonError: the native addon is not built: .*absent\.node is missing\n {2}try: npm run build:addon/);
});

test('a file that is no addon gives an AddonError with the reason', async () => {
  const broken = join(folder.path, 'broken.node');
  writeFileSync(broken, 'not an addon, whatever its name says'.repeat(100));
  const result = await runChild(script, [], { environment: { GRIFFIN_ADDON: broken } });
  expect(result.stdout).toMatch(/^AddonError: .*broken\.node cannot be loaded: .*invalid ELF header/);
});

test('an addon that is cut short gives an AddonError instead of a bus error', async () => {
  const short = join(folder.path, 'short.node');
  const whole = readFileSync(addonPath());
  writeFileSync(short, whole.subarray(0, 20_000));
  const result = await runChild(script, [], { environment: { GRIFFIN_ADDON: short } });
  expect(result.stdout).toMatch(new RegExp(`^AddonError: .*short\\.node is cut short: ${whole.length - 20_000} bytes are missing\\n {2}try: rm -r build/addon`));
});

test('native errors become typed errors, others pass unchanged', () => {
  const native = (kind: string): unknown => typedError(Object.assign(new Error('why'), { kind }));
  expect(native('DEVICE')).toBeInstanceOf(DeviceError);
  expect(native('FILE')).toBeInstanceOf(FileError);
  expect(native('LIBRARY')).toBeInstanceOf(LibraryError);
  expect(native('RANGE')).toBeInstanceOf(RangeError);
  const other = new TypeError('other');
  expect(typedError(other)).toBe(other);
  expect(typedError('text')).toBe('text');
});

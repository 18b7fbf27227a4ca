import { chmodSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { CpuMappedFile } from '../../../runtime/device/cpu-mapped-file.js';
import { DeviceError, FileError } from '../../../runtime/errors.js';
import { temporaryFolder } from '../native/fixture.js';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const path = (name: string): string => join(folder.path, name);

test('reads ranges of the file', () => {
  writeFileSync(path('ten'), 'abcdefghij');
  using file = new CpuMappedFile(path('ten'));
  expect(file.byteLength).toBe(10);
  expect(Buffer.from(file.read(0, 10)).toString()).toBe('abcdefghij');
  expect(Buffer.from(file.read(7, 3)).toString()).toBe('hij');
  expect(file.read(10, 0).length).toBe(0);
});

test.each([[0, 11], [10, 1], [11, 0], [-1, 1], [0, -1], [0.5, 1], [2 ** 53 - 1, 2 ** 53 - 1]])('refuses to read %d + %d of 10 bytes', (offset, length) => {
  writeFileSync(path('ten'), 'abcdefghij');
  using file = new CpuMappedFile(path('ten'));
  expect(() => file.read(offset, length)).toThrow(RangeError);
});

test('missing, empty and other than regular files give a FileError with the path', () => {
  writeFileSync(path('empty'), '');
  mkdirSync(path('folder'));
  expect(() => new CpuMappedFile(path('absent'))).toThrow(FileError);
  expect(() => new CpuMappedFile(path('absent'))).toThrow(`${path('absent')}: cannot be opened: No such file or directory`);
  expect(() => new CpuMappedFile(path('empty'))).toThrow(`${path('empty')}: is empty`);
  expect(() => new CpuMappedFile(path('folder'))).toThrow(`${path('folder')}: is a directory, expected a file`);
  expect(() => new CpuMappedFile('/dev/null')).toThrow('/dev/null: is not a regular file');
});

test.skipIf(process.getuid?.() === 0)('a file without read permission gives a FileError', () => {
  writeFileSync(path('locked'), 'x');
  chmodSync(path('locked'), 0);
  expect(() => new CpuMappedFile(path('locked'))).toThrow('Permission denied');
});

test('a file that is cut short after it was mapped gives a FileError instead of a bus error', () => {
  writeFileSync(path('shrinking'), Buffer.alloc(100_000, 1));
  using file = new CpuMappedFile(path('shrinking'));
  truncateSync(path('shrinking'), 10);
  expect(() => file.read(90_000, 1000)).toThrow(FileError);
  expect(() => file.read(90_000, 1000)).toThrow('was 100000 bytes when it was opened and is 10 bytes now');
});

test('a disposed mapping refuses use and may be disposed again', () => {
  writeFileSync(path('ten'), 'abcdefghij');
  const file = new CpuMappedFile(path('ten'));
  file.dispose();
  file.dispose();
  expect(() => file.read(0, 1)).toThrow(DeviceError);
});

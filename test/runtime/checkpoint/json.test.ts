import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { findDuplicateKey, openRegularFile, parseJson, parseJsonObject, readTextFile } from '../../../runtime/checkpoint/json.js';
import { CheckpointError, FileError } from '../../../runtime/errors.js';
import { temporaryDirectories } from '../../support/temp-dir.js';

const freshDir = temporaryDirectories('json');

describe('parseJson', () => {
  it.each([
    ['{"a":1,"a":2}', 'a'],
    ['{"x":{"b":1,"c":[{"d":0}],"b":2}}', 'b'],
    ['{"a":1,"\\u0061":2}', 'a'],
    ['[{"k":"v","k":"v"}]', 'k'],
    ['{"a\\"}{":1,"z":"a","a\\"}{":1}', 'a"}{'],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
  ])('finds the duplicate in %s', (text, key) => {
    expect(findDuplicateKey(text)).toBe(key);
    expect(() => parseJson(text, 'here')).toThrow(CheckpointError);
  });

  it.each(['{"a":"b","b":"a"}', '[{"a":1},{"a":1}]', '{"a":{"a":{"a":[]}}}', '["a","a"]', '{"a":["a","a",{"b":"a"}],"b":"b"}', '"a"', '7', '{"a":"\\\\","b":"\\""}'])(
    'accepts %s',
    (text) => expect(parseJson(text, 'here')).toEqual(JSON.parse(text)),
  );

  it('finds no duplicate in anything that JSON.stringify writes', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => findDuplicateKey(JSON.stringify(value)) === null), { seed: 1 });
  });

  it('finds a repeated key wherever it is put', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), fc.nat(), (object, pick) => {
        const keys = Object.keys(object);
        const key = keys[pick % keys.length] as string;
        const text = `${JSON.stringify(object).slice(0, -1)},${JSON.stringify(key)}:0}`;
        return findDuplicateKey(text) === key;
      }),
      { seed: 2 },
    );
  });

  it('survives nesting that would exhaust a recursive parser', () => {
    const depth = 200_000;
    const text = `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect(() => parseJsonObject(text, 'here')).not.toThrow(RangeError);
  });

  it('says where the text is not JSON, and what is not an object', () => {
    expect(() => parseJson('{"a":', 'the/file')).toThrow(/the\/file: invalid JSON/);
    expect(() => parseJsonObject('[1]', 'the/file')).toThrow(/the\/file: \[1\] at the top level; expected an object/);
  });
});

describe('openRegularFile', () => {
  it('refuses what is not a regular file, without blocking', () => {
    const dir = freshDir();
    expect(() => openRegularFile(join(dir, 'none'))).toThrow(/does not exist/);
    mkdirSync(join(dir, 'sub'));
    expect(() => openRegularFile(join(dir, 'sub'))).toThrow(/is a directory/);
    execFileSync('mkfifo', [join(dir, 'pipe')]);
    expect(() => openRegularFile(join(dir, 'pipe'))).toThrow(/not a regular file/);
    expect(() => openRegularFile('/dev/zero')).toThrow(FileError);
  });

  it('reads ranges, and says where a file ends early', () => {
    const path = join(freshDir(), 'file');
    writeFileSync(path, 'abcdef');
    using file = openRegularFile(path);
    expect(file.byteLength).toBe(6);
    expect(Buffer.from(file.read(2, 3)).toString()).toBe('cde');
    expect(() => file.read(4, 3)).toThrow(/ends at byte 6; expected at least 7/);
  });
});

describe('readTextFile', () => {
  it('refuses files that are too long, and bytes that are not UTF-8', () => {
    const path = join(freshDir(), 'file');
    writeFileSync(path, Uint8Array.of(0x7b, 0xff, 0x7d));
    expect(() => readTextFile(path, 2)).toThrow(/3 bytes; expected at most 2/);
    expect(() => readTextFile(path, 3)).toThrow(/not UTF-8/);
  });
});

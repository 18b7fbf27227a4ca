import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { MAX_HEADER_BYTES, readSafetensors } from '../../../runtime/checkpoint/safetensors.js';
import { CheckpointError, FileError } from '../../../runtime/errors.js';
import { temporaryDirectories } from '../../support/temp-dir.js';
import { encodeSafetensors, safetensorsFile } from '../../support/write-checkpoint.js';

const freshDir = temporaryDirectories('safetensors');

function fileOf(bytes: Uint8Array): string {
  const path = join(freshDir(), 'model.safetensors');
  writeFileSync(path, bytes);
  return path;
}

/** A file with this header (text, or an object) and 16 data bytes. */
function withHeader(header: unknown, dataBytes = 16): string {
  return fileOf(safetensorsFile(typeof header === 'string' ? header : JSON.stringify(header), new Uint8Array(dataBytes)));
}

const good = { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] };

describe('readSafetensors', () => {
  it('reads names, types, shapes and places', () => {
    const values = Float32Array.of(1, 2, 3, 4, 5, 6);
    const path = fileOf(
      encodeSafetensors(
        new Map([
          ['a', { type: 'f32', shape: [2, 3], values }],
          ['b', { type: 'bf16', shape: [6], values }],
          ['c', { type: 'f16', shape: [], values: values.slice(0, 1) }],
        ]),
      ),
    );
    const { entries, byteLength } = readSafetensors(path);
    const [a, b, c] = ['a', 'b', 'c'].map((name) => entries.get(name));
    expect(a).toMatchObject({ dtype: 'F32', weightDtype: 'f32', shape: [2, 3], byteLength: 24 });
    expect(b).toMatchObject({ dtype: 'BF16', weightDtype: 'bf16', shape: [6], byteLength: 12, byteOffset: (a?.byteOffset ?? 0) + 24 });
    expect(c).toMatchObject({ weightDtype: 'f16', shape: [], byteLength: 2 });
    expect((c?.byteOffset ?? 0) + 2).toBe(byteLength);
  });

  it('accepts empty tensors, padding around the JSON, an odd header length, and types that are no weights', () => {
    const header = ` {"e":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},"i":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}} \n`;
    const { entries } = readSafetensors(withHeader(header.length % 2 === 0 ? `${header} ` : header));
    expect(entries.get('e')?.byteLength).toBe(0);
    expect(entries.get('i')).toMatchObject({ dtype: 'I64', weightDtype: null });
  });

  it.each([
    ['empty file', new Uint8Array(0), /0 bytes; expected at least the 8 bytes/],
    ['length only', new Uint8Array(7), /7 bytes/],
    ['length past the file', Uint8Array.of(50, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d), /claims 50 bytes, the file has 2/],
    ['length of 2^63', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x80, 0x7b, 0x7d), /claims 9223372036854775808 bytes; expected at most/],
    ['header of no bytes', new Uint8Array(8), /invalid JSON/],
    ['header that is not UTF-8', Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0x22, 0xff, 0x22), /not UTF-8/],
  ])('refuses an %s', (_name, bytes, message) => {
    const path = fileOf(bytes);
    expect(() => readSafetensors(path)).toThrow(message);
    expect(() => readSafetensors(path)).toThrow(CheckpointError);
  });

  it('refuses an absurd header length before reading it', () => {
    const path = fileOf(safetensorsFile('{}', new Uint8Array(0)));
    truncateSync(path, MAX_HEADER_BYTES + 100); // sparse: takes no room on the disk
    const length = new Uint8Array(8);
    new DataView(length.buffer).setBigUint64(0, BigInt(MAX_HEADER_BYTES + 1), true);
    writeFileSync(path, length, { flag: 'r+' });
    expect(() => readSafetensors(path)).toThrow(/expected at most/);
  });

  it.each([
    ['not JSON', '{"a":', /invalid JSON/],
    ['an array', '[]', /expected an object/],
    ['duplicate names', `{"a":${JSON.stringify(good)},"a":${JSON.stringify(good)}}`, /"a" appears twice/],
    ['duplicate fields', '{"a":{"dtype":"F32","dtype":"F16","shape":[4],"data_offsets":[0,16]}}', /"dtype" appears twice/],
    ['metadata that is no object', { __metadata__: 'pt', a: good }, /__metadata__ is "pt"/],
    ['metadata that is no string', { __metadata__: { n: 1 }, a: good }, /__metadata__ entry "n" is 1; expected a string/],
    ['an entry that is no object', { a: [0, 16] }, /tensor "a": \[0,16\]; expected an object/],
    ['no dtype', { a: { shape: [4], data_offsets: [0, 16] } }, /tensor "a": dtype is nothing; expected one of F32, F16, BF16/],
    ['an unknown dtype', { a: { ...good, dtype: 'F4' } }, /unknown dtype "F4"; supported: F32, F16, BF16/],
    ['a dtype of another type', { a: { ...good, dtype: 5 } }, /dtype is 5/],
    ['no shape', { a: { dtype: 'F32', data_offsets: [0, 16] } }, /shape is nothing/],
    ['a negative size', { a: { ...good, shape: [-2, -2] } }, /shape is \[-2,-2\]/],
    ['a fractional size', { a: { ...good, shape: [0.5, 8] } }, /shape is \[0.5,8\]/],
    ['a size of another type', { a: { ...good, shape: ['2', 2] } }, /shape is \["2",2\]/],
    ['a size beyond exact integers', '{"a":{"dtype":"F32","shape":[9007199254740993,0],"data_offsets":[0,16]}}', /expected up to 8 integers/],
    ['too many dimensions', { a: { ...good, shape: [1, 1, 1, 1, 1, 1, 1, 2, 2] } }, /shape is an array of 9 elements/],
    ['sizes whose product overflows', { a: { ...good, shape: [2 ** 52, 2 ** 52, 2 ** 52] } }, /hold 16 bytes, shape .* needs 365375409332725729550921208179070754913983135744/],
    ['sizes whose product wraps to the right one', { a: { ...good, shape: [2 ** 32, 2 ** 32, 4] } }, /needs 295147905179352825856/],
    ['one offset', { a: { ...good, data_offsets: [0] } }, /data_offsets is \[0\]/],
    ['a negative offset', { a: { ...good, data_offsets: [-16, 0] } }, /data_offsets is \[-16,0\]/],
    ['a fractional offset', { a: { ...good, data_offsets: [0, 15.5] } }, /data_offsets is \[0,15.5\]/],
    ['an infinite offset', '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,1e999]}}', /data_offsets is/],
    ['offsets that run backwards', { a: { ...good, data_offsets: [16, 0] } }, /\[16, 0\] run backwards/],
    ['an offset past the end', { a: { ...good, shape: [5], data_offsets: [0, 20] } }, /end past the 16 data bytes/],
    ['shape × dtype ≠ bytes', { a: { ...good, shape: [2, 3] } }, /hold 16 bytes, shape \[2, 3\] of F32 needs 24/],
    ['an overlap', { a: good, b: { dtype: 'F16', shape: [4], data_offsets: [8, 16] } }, /"b" begins at data byte 8, inside tensor "a"/],
    ['a hole in front', { a: { dtype: 'F32', shape: [3], data_offsets: [4, 16] } }, /4 bytes between the header and tensor "a"/],
    ['a hole between', { a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] }, b: { dtype: 'F32', shape: [2], data_offsets: [8, 16] } }, /4 bytes between tensor "a" and tensor "b"/],
    ['bytes that no tensor owns', { a: { dtype: 'F32', shape: [3], data_offsets: [0, 12] } }, /4 bytes after tensor "a"/],
    ['no tensors but data', {}, /16 bytes after the header/],
  ])('refuses %s', (_name, header, message) => {
    const path = withHeader(header);
    expect(() => readSafetensors(path)).toThrow(message);
    expect(() => readSafetensors(path)).toThrow(CheckpointError);
    expect(() => readSafetensors(path)).toThrow(path);
  });

  it('names like members of every object are names like others', () => {
    const header = '{"__proto__":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"constructor":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}';
    expect([...readSafetensors(withHeader(header)).entries.keys()]).toEqual(['__proto__', 'constructor']);
  });

  it('does not choke on a shape that is nested deeply', () => {
    const depth = 100_000;
    const path = withHeader(`{"a":{"dtype":"F32","shape":${'['.repeat(depth)}${']'.repeat(depth)},"data_offsets":[0,16]}}`);
    expect(() => readSafetensors(path)).toThrow(CheckpointError);
  });

  it('reports a missing file as a FileError', () => {
    expect(() => readSafetensors(join(freshDir(), 'model.safetensors'))).toThrow(FileError);
  });
});

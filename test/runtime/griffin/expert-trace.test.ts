import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FileError, UsageError } from '../../../runtime/errors.js';
import { appendExpertTrace, expertTraceKey, readExpertTrace, readExpertTraceShape, requireSameShape } from '../../../runtime/griffin/expert-trace.js';

const directory = mkdtempSync(join(tmpdir(), 'griffin-experts-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;
const file = (text?: string): string => {
  const path = join(directory, `${files++}.jsonl`);
  if (text !== undefined) writeFileSync(path, text);
  return path;
};

const shape = { model: 'm', layers: 2, intermediate: 8 };
const header = '{"schema":1,"kind":"expert-trace","model":"m","layers":2,"intermediate":8}';
const generation = { k: 3, layers: [[0, 2, 7], [1, 2, 3]] };

describe('expert trace', () => {
  it('is created with its first line, and grows', () => {
    const path = file();
    expect(readExpertTraceShape(path)).toBeNull();
    appendExpertTrace(path, shape, generation);
    appendExpertTrace(path, { ...shape, model: 'a fine-tuned one' }, { k: 1, layers: [[4], [5]] });
    expect(readFileSync(path, 'utf8').split('\n')[0]).toBe(header);
    expect(readExpertTrace(path)).toEqual({ ...shape, path, generations: [generation, { k: 1, layers: [[4], [5]] }] });
  });

  it('goes into an empty file, and goes on after a line that was cut off', () => {
    const empty = file('');
    appendExpertTrace(empty, shape, generation);
    expect(readExpertTrace(empty).generations).toEqual([generation]);
    appendFileSync(empty, '{"k":3,"lay');
    appendExpertTrace(empty, shape, generation);
    expect(() => readExpertTrace(empty)).toThrow(/line 3: not JSON .*cut off/);
    expect(readFileSync(empty, 'utf8').split('\n').slice(0, 4).filter((line) => line === JSON.stringify(generation))).toHaveLength(2);
  });

  it('can be joined with another of its shape', () => {
    const line = JSON.stringify(generation);
    const joined = file(`${header}\n${line}\n${header.replace('"m"', '"n"')}\n${line}\n`);
    expect(readExpertTrace(joined)).toMatchObject({ model: 'm', generations: [generation, generation] });
    const mixed = file(`${header}\n${line}\n${header.replace(':8', ':16')}\n${line}\n`);
    expect(() => readExpertTrace(mixed)).toThrow(/line 3: another trace of 2 layers of 16 neurons was joined to one of 2 layers of 8/);
  });

  it('is of one shape of model', () => {
    const path = file(`${header}\n`);
    expect(() => requireSameShape(path, { model: 'other', layers: 3, intermediate: 8 })).toThrow(/2 layers of 8 neurons \(m\), other has 3 layers of 8/);
    expect(() => appendExpertTrace(path, { ...shape, intermediate: 16 }, generation)).toThrow(UsageError);
    expect(readFileSync(path, 'utf8')).toBe(`${header}\n`);
    expect(() => requireSameShape(file(), shape)).not.toThrow();
  });

  it('does not take a generation that does not fit its shape', () => {
    const path = file();
    expect(() => appendExpertTrace(path, shape, { k: 3, layers: [[0, 2, 7]] })).toThrow(/the lists of 2 layers, found 1/);
    expect(readExpertTraceShape(path)).toBeNull();
  });

  it('has a key by its contents', () => {
    const [a, b, c] = [file(`${header}\n`), file(`${header}\n`), file(`${header}\n\n`)];
    expect(expertTraceKey(a)).toMatch(/^[0-9a-f]{12}$/);
    expect(expertTraceKey(a)).toBe(expertTraceKey(b));
    expect(expertTraceKey(a)).not.toBe(expertTraceKey(c));
  });

  it.each([
    ['', /line 1: not JSON \(nothing\)/],
    ['hello', /line 1: not JSON \("hello"\)/],
    ['{"schema":2,"kind":"expert-trace"}', /line 1: expert traces of schema 1 are read, found 2/],
    ['{"family":"linear_gemv"}', /line 1: expected the first line of an expert trace/],
    ['{"schema":1,"kind":"expert-trace","model":"m","layers":0,"intermediate":8}', /line 1: expected a model name and positive whole numbers/],
    [header, /holds no generations/],
    [`${header}\n[1]`, /line 2: expected a JSON object/],
    [`${header}\n{"k":9,"layers":[]}`, /line 2: k is 9, expected a whole number from 1 to 8/],
    [`${header}\n\n{"k":1,"layers":[[1],[]]}`, /line 3: layer 1 has 0 numbers, expected 1/],
    [`${header}\n{"k":2,"layers":[[1,2],[3,3]]}`, /line 2: layer 1 has 3 after 3, expected ascending whole numbers from 0 to 7/],
    [`${header}\n{"k":1,"layers":[[1],[8]]}`, /line 2: layer 1 has 8 after -1/],
    [`${header}\n{"k":1,"layers":[[1],"x"]}`, /line 2: layer 1 has no list/],
  ])('tells the line of what is wrong: %j', (text, message) => {
    const path = file(text);
    expect(() => readExpertTrace(path)).toThrow(FileError);
    expect(() => readExpertTrace(path)).toThrow(message);
  });

  it('says which file it could not read or write', () => {
    expect(() => readExpertTrace(join(directory, 'none'))).toThrow(/cannot read the expert trace .*none/);
    expect(() => expertTraceKey(join(directory, 'none'))).toThrow(FileError);
    expect(() => appendExpertTrace(join(directory, 'no', 'folder'), shape, generation)).toThrow(/cannot write the expert trace/);
    expect(() => appendExpertTrace(directory, shape, generation)).toThrow(FileError);
  });
});

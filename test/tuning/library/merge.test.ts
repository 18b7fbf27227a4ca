import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LibraryError, UsageError } from '../../../runtime/errors.js';
import type { FfStrategyDecision, WinnerEntry } from '../../../runtime/library/schema.js';
import { openJournal } from '../../../tuning/journal/journal.js';
import { MERGED_JOURNAL, mergeLibraries, type MergeReport } from '../../../tuning/library/merge.js';
import { openLibraryWriter } from '../../../tuning/library/writer.js';
import { problemKey } from '../../../tuning/types.js';
import { toyFamily, toyProblem } from '../support/toy-family.js';
import { compiled, HASH, newWinner, readStrictly, sha256, temporaryDirectory, testDevice } from './support/library.js';

let temporary: ReturnType<typeof temporaryDirectory>;
const at = (name: string): string => join(temporary.path, name);
beforeEach(() => {
  temporary = temporaryDirectory();
});
afterEach(() => temporary[Symbol.dispose]());

const id = (mode: number): string => `toy_scale__any__portable__mode${mode}`;
const DEFAULT = id(0);
/** Templates of today: the toy family's default source, and family `f` of the entries that no journal knows. */
const formHash = (family: string): string | undefined => (family === 'toy_scale' ? sha256(`source of ${DEFAULT}`) : family === 'f' ? HASH : undefined);
const merge = (sources: readonly string[], target = 'merged'): Promise<MergeReport> => mergeLibraries(sources.map(at), at(target), { families: [toyFamily], formHash });
const entries = (name = 'merged', key = 'cpu-test'): readonly WinnerEntry[] => readStrictly(at(name)).devices[key]?.entries ?? [];
const toy = (fields: Partial<WinnerEntry> = {}): Partial<WinnerEntry> => ({
  family: 'toy_scale', params: {}, dims: { rows: 2, n: 64 }, formHash: sha256(`source of ${DEFAULT}`), ...fields,
});

/** A library whose winners are these kernels, one problem each. */
async function library(name: string, winners: readonly (readonly [kernelId: string, fields?: Partial<WinnerEntry>])[], decisions: readonly FfStrategyDecision[] = [], key = 'cpu-test'): Promise<string> {
  const writer = openLibraryWriter(at(name));
  await writer.update({ device: testDevice(key), winners: winners.map(([kernelId, fields]) => newWinner(at(name), kernelId, { deviceKey: key, ...fields })), decisions });
  return name;
}

let day = 0;
/** A run that held a final: times in nanoseconds by mode, the default at 1000; and a held-out final of the fastest. */
function finals(name: string, times: Readonly<Record<number, number>>, options: { deviceKey?: string; journal?: string; defaultSource?: string } = {}): void {
  day += 1;
  const now = (): Date => new Date(Date.UTC(2026, 0, day));
  const deviceKey = options.deviceKey ?? 'cpu-test';
  const header = { deviceKey, deviceName: 'Test CPU', driver: '', compiler: 'c', regime: 'r', seed: 0, strategy: 'random', effort: 'normal', toolVersion: '0' };
  const journal = openJournal(join(at(name), options.journal ?? 'journal.jsonl'), { header, now });
  const kernel = (mode: number, ns: number) => ({
    key: { problem: problemKey(toyProblem), kernelId: id(mode), sourceHash: mode === 0 && options.defaultSource !== undefined ? options.defaultSource : sha256(`source of ${id(mode)}`), deviceKey, compiler: 'c', regime: 'r' },
    samplesNs: Array.from({ length: 11 }, (_, i) => ns + (i % 3)),
  });
  const all = Object.entries({ 0: 1000, ...times }).map(([mode, ns]) => kernel(Number(mode), ns));
  const [best] = [...all].sort((a, b) => (a.samplesNs[0] ?? 0) - (b.samplesNs[0] ?? 0));
  const common = { defaultId: DEFAULT, controlNs: [], retaken: 0, dirty: false };
  journal.final({ ...common, stage: 'final', kernels: all });
  if (best !== undefined && best.key.kernelId !== DEFAULT) journal.final({ ...common, stage: 'held-out', kernels: [kernel(0, 1000), best] });
  journal.end('done', false);
  journal.close();
}

/** Everything in a directory, as text by path. */
function contents(name: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(at(name), { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .map((file) => [join(file.parentPath, file.name).slice(at(name).length), readFileSync(join(file.parentPath, file.name), 'utf8')]),
  );
}

function permutations<T>(values: readonly T[]): T[][] {
  return values.length <= 1 ? [[...values]] : values.flatMap((value, i) => permutations(values.toSpliced(i, 1)).map((rest) => [value, ...rest]));
}

const ratio = (median: number) => ({ ratio: { median, low: median - 0.01, high: median + 0.01 } });

describe('mergeLibraries', () => {
  it('gives the same bytes for any order of the sources', async () => {
    const decision: FfStrategyDecision = { kind: 'ff_strategy', dims: { hidden: 8, intermediate: 16, k: 8 }, dtype: 'bf16', choice: 'gather', gatherNs: 5, compactNs: 6, compactionNs: 3 };
    await library('a', [['k_a', ratio(0.8)], ['only_a', { dims: { n: 7 } }], [id(1), toy({ ...ratio(0.9) })]], [decision]);
    await library('b', [['k_b', ratio(0.7)], [id(2), toy({ ...ratio(0.5) })]], [{ ...decision, choice: 'compact', compactNs: 4 }]);
    await library('c', [['k_c', { ...ratio(0.6), dirty: true }], ['other', {}]], [], 'cpu-other');
    finals('a', { 1: 900 });
    finals('b', { 2: 500 });
    const results: Record<string, string>[] = [];
    for (const [i, order] of permutations(['a', 'b', 'c']).entries()) {
      await merge(order, `merged${i}`);
      results.push(contents(`merged${i}`));
    }
    for (const result of results) expect(result).toEqual(results[0]);
    expect(entries('merged0').map(({ kernelId }) => kernelId).sort()).toEqual(['k_b', 'only_a', id(2)]);
    expect(readStrictly(at('merged0')).devices['cpu-test']?.decisions.map(({ choice }) => choice)).toEqual(['compact']);
    expect(entries('merged0', 'cpu-other')).toHaveLength(1);
    expect(Object.keys(results[0] ?? {})).toContain(`/${MERGED_JOURNAL}`);
  });

  it('changes nothing when it is done again, or with itself', async () => {
    await library('a', [[id(1), toy()]]);
    finals('a', { 1: 900 });
    await merge(['a']);
    const first = contents('merged');
    await merge(['a', 'merged', 'a']);
    expect(contents('merged')).toEqual(first);
    await merge(['merged']);
    expect(contents('merged')).toEqual(first);
  });

  it('decides anew from the finals of all journals: the better of two shards wins though its entry claims less', async () => {
    await library('a', [[id(1), toy({ ...ratio(0.1), run: 'boaster' })]]);
    await library('b', [[id(2), toy({ ...ratio(0.7), roofShare: 0.5, medianNs: 600 })]]);
    finals('a', { 1: 900 });
    finals('b', { 2: 600 });
    const report = await merge(['a', 'b']);
    expect(report.devices).toEqual({ 'cpu-test': { winners: 1, decided: 1 } });
    const [entry] = entries();
    expect(entry).toMatchObject({ kernelId: id(2), medianNs: 601, defaultNs: 1001, sourceHash: sha256(`source of ${id(2)}`), dirty: false });
    expect(entry?.ratio?.median).toBeCloseTo(0.6, 2);
    expect(entry?.roofShare).toBeCloseTo((0.5 * 600) / 601, 6);
    expect(readFileSync(join(at('merged'), 'kernels', entry?.binary?.file ?? ''), 'utf8')).toBe(`binary of ${id(2)}`);
  });

  it('finds the binary of a finalist that won nowhere, by its source', async () => {
    await library('a', [[id(1), toy()]]);
    finals('a', { 1: 900, 2: 800 });
    openLibraryWriter(at('a')).install(compiled(at('a'), id(2)));
    await merge(['a']);
    expect(entries()).toMatchObject([{ kernelId: id(2), sourceHash: sha256(`source of ${id(2)}`) }]);
    expect(readFileSync(join(at('merged'), 'kernels', entries()[0]?.binary?.file ?? ''), 'utf8')).toBe(`binary of ${id(2)}`);
  });

  it('keeps the entry, and says so, where no source has the binary of the winner', async () => {
    await library('a', [[id(1), toy()]]);
    finals('a', { 1: 900, 2: 800 });
    const report = await merge(['a']);
    expect(report.undecided).toEqual([expect.stringContaining(`no source has the binary of ${id(2)}`)]);
    expect(entries().map(({ kernelId }) => kernelId)).toEqual([id(1)]);
  });

  it('takes back a winner that all the measurements together do not bear out', async () => {
    await library('a', [[id(1), toy()], [DEFAULT, toy({ dims: { rows: 2, n: 65 } })]]);
    finals('a', { 1: 900 });
    finals('a', { 1: 1300 });
    finals('a', { 1: 1300 });
    await merge(['a']);
    expect(entries().filter(({ dims }) => dims['n'] === 64).map(({ kernelId }) => kernelId)).not.toContain(id(1));
  });

  it('leaves finals of older templates out', async () => {
    await library('a', [[id(1), toy()]]);
    finals('a', { 1: 900 });
    finals('a', { 2: 100 }, { defaultSource: HASH });
    await merge(['a']);
    expect(entries().map(({ kernelId }) => kernelId)).toEqual([id(1)]);
  });

  it('takes a plain journal as a source, and counts its damaged lines', async () => {
    await library('a', [[id(1), toy()], [id(2), toy({ dims: { rows: 9, n: 9 } })]]);
    finals('a', { 1: 900 });
    finals('b', { 2: 700 });
    writeFileSync(at('b.jsonl'), `${readFileSync(join(at('b'), 'journal.jsonl'), 'utf8')}{"schema":2,"ki`);
    const report = await merge(['a', 'b.jsonl']);
    expect(report.lines).toMatchObject({ bad: 1, old: 0, duplicate: 0 });
    expect(report.sources.map(({ journals, entries: count }) => [journals, count])).toEqual([[1, 2], [1, 0]]);
    // The journal alone has no binary of mode 2; the other library's winner of another problem has.
    expect(entries().find(({ dims }) => dims['n'] === 64)?.kernelId).toBe(id(2));
  });

  it('leaves out foreign, stale and damaged entries one by one, with the reason', async () => {
    await library('a', [
      ['foreign', { dims: { n: 1 }, deviceKey: 'cpu-other' }],
      ['stale', { dims: { n: 2 }, formHash: sha256('old') }],
      ['unknown', { dims: { n: 3 }, family: 'gone' }],
      ['missing', { dims: { n: 4 } }],
      ['damaged', { dims: { n: 5 } }],
      ['whole', { dims: { n: 6 } }],
    ]);
    const binary = (kernelId: string): string => join(at('a'), 'kernels', entries('a').find((entry) => entry.kernelId === kernelId)?.binary?.file ?? '');
    writeFileSync(binary('damaged'), 'other bytes');
    const file = readStrictly(at('a')) as { devices: Record<string, { entries: { binary?: { file: string } }[] }> };
    file.devices['cpu-test']!.entries[3]!.binary!.file = 'nowhere.so';
    file.devices['cpu-test']!.entries.push({} as never);
    writeFileSync(join(at('a'), 'winners.json'), JSON.stringify(file));
    const report = await merge(['a']);
    expect(entries().map(({ kernelId }) => kernelId)).toEqual(['whole']);
    expect(report.sources[0]?.leftOut.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/^at family/),
      'foreign: it was measured on cpu-other',
      expect.stringMatching(/^stale: its template has changed/),
      expect.stringMatching(/^stale: this version has no such form/),
      'its binary nowhere.so is missing',
      expect.stringMatching(/is damaged: SHA-256/),
      expect.stringMatching(/name does not say what is in it/),
    ]);
  });

  it('never replaces a journal that a tuner may be appending to', async () => {
    await library('a', [[id(1), toy()]]);
    await library('b', [[id(2), toy()]]);
    finals('a', { 1: 900 });
    finals('b', { 2: 800 });
    const own = readFileSync(join(at('b'), 'journal.jsonl'), 'utf8');
    await merge(['a'], 'b');
    expect(readFileSync(join(at('b'), 'journal.jsonl'), 'utf8')).toBe(own);
    expect(readdirSync(at('b')).filter((name) => name.endsWith('.jsonl')).sort()).toEqual(['journal.jsonl', MERGED_JOURNAL]);
    expect(entries('b').map(({ kernelId }) => kernelId)).toEqual([id(2)]);
  });

  it('refuses what is no library, and a winners.json that it cannot read, without making a target', async () => {
    await expect(merge(['nowhere'])).rejects.toThrow(UsageError);
    writeFileSync(join(temporary.path, 'winners.json'), '[]');
    await expect(merge(['.'])).rejects.toThrow(LibraryError);
    expect(existsSync(at('merged'))).toBe(false);
  });
});

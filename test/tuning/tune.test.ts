import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { winnersSchema } from '../../runtime/library/schema.js';
import { vendorHash } from '../../runtime/library/winners.js';
import type { ModelConfig } from '../../runtime/checkpoint/types.js';
import { TuneError } from '../../runtime/errors.js';
import type { LineOf } from '../../tuning/journal/lines.js';
import { parseJournal, type SealedLine } from '../../tuning/journal/parse.js';
import { tune, type TuneOptions, type TuneParts } from '../../tuning/tune.js';
import type { TuneReport } from '../../tuning/report/run-report.js';
import type { TuningProblem } from '../../tuning/types.js';
import { createToyBuilder } from './support/toy-builder.js';
import { MODES, toyFamily, toyProblem, type Mode } from './support/toy-family.js';

const config = {} as ModelConfig; // the toy problems do not come from a model
const problem: TuningProblem = { problem: toyProblem, label: 'toy', callsPerToken: 1, callsPerChunk: 0 };
const id = (mode: number): string => `toy_scale__any__portable__mode${mode}`;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'griffin-tune-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** Time passes by a millisecond per look at the clock: budgets are logic, not waiting. */
function tickingClock(): { now(): number } {
  let now = 0;
  return { now: () => now++ };
}

function options(parts: Partial<TuneParts> = {}): TuneOptions {
  return {
    config,
    budgetMs: 60_000,
    library: directory,
    parts: {
      families: [toyFamily],
      environmentUrl: new URL('./support/toy-environment.ts', import.meta.url).href,
      createBuilder: (library) => Promise.resolve(createToyBuilder(join(library, 'candidates'))),
      problems: () => [problem],
      clock: tickingClock(),
      today: () => new Date('2026-01-02T03:04:05Z'),
      candidateLimitMs: 2000,
      ...parts,
    },
  };
}

/** The toy family with only some of its modes, so that a test runs what it is about. */
function withModes(...modes: readonly Mode[]): Partial<TuneParts> {
  return { families: [{ ...toyFamily, cpu: { ...toyFamily.cpu, axes: [{ name: 'mode', values: modes, doc: 'how it behaves' }] } }] };
}

function failureStates(report: TuneReport): Record<string, string> {
  return Object.fromEntries(report.failures.map(({ kernelId, state }) => [Number(/mode(\d+)/.exec(kernelId)?.[1]), state]));
}

function lines<Kind extends 'started' | 'outcome' | 'abandoned' | 'final'>(kind: Kind): readonly LineOf<Kind>[] {
  return parseJournal(readFileSync(join(directory, 'journal.jsonl'), 'utf8')).lines.filter((line): line is SealedLine<LineOf<Kind>> => line.kind === kind);
}

describe('tune', () => {
  it("tries a vendor's kernel as one more candidate, and writes it as a winner without a binary", async () => {
    const environmentUrl = new URL('./support/toy-vendor-environment.ts', import.meta.url).href;
    const vendor = 'toy_scale__any__cublaslt__base';
    const report = await tune(options({ ...withModes(MODES.good, MODES.writesPastEnd), environmentUrl }));
    expect(report.problems[0]).toMatchObject({ winner: vendor, tried: 3, failed: 1 });
    const { entries } = winnersSchema.parse(JSON.parse(readFileSync(join(directory, 'winners.json'), 'utf8'))).devices['fake-1']!;
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ kernelId: vendor, isa: 'cublaslt', sourceHash: vendorHash('1.2.3'), medianNs: 800, defaultNs: 1000 });
    expect(entries[0]).not.toHaveProperty('binary');
    // What is in the journal is not measured again; and where the library is gone, a kernel of ours takes the place of its entry.
    await tune(options({ ...withModes(MODES.good, MODES.writesPastEnd), environmentUrl }));
    expect(lines('outcome').filter(({ kernelId }) => kernelId === vendor)).toHaveLength(1);
    await tune(options(withModes(MODES.good, MODES.writesPastEnd)));
    const after = winnersSchema.parse(JSON.parse(readFileSync(join(directory, 'winners.json'), 'utf8'))).devices['fake-1']!.entries;
    expect(after.map(({ kernelId }) => kernelId)).toEqual([id(MODES.good)]);
  });

  it('puts every bad candidate into its own state and lets none of them win', async () => {
    const report = await tune(options());
    expect(failureStates(report)).toEqual({
      [MODES.wrongWhenRagged]: 'wrong',
      [MODES.writesPastEnd]: 'out-of-bounds',
      [MODES.leavesUnwritten]: 'wrong',
      [MODES.segfaults]: 'crashed',
      [MODES.hangs]: 'timed-out',
      [MODES.doesNotCompile]: 'compile-failed',
      [MODES.changesInput]: 'wrong',
      [MODES.dependsOnThreads]: 'wrong',
      [MODES.crashesWhenTimed]: 'crashed',
      [MODES.differsBetweenRuns]: 'wrong',
      [MODES.wrongWithThirdSeed]: 'wrong',
    });
    const [toy] = report.problems;
    expect(toy?.winner).toBe(id(MODES.faster));
    expect(toy?.speedUp).toBeCloseTo(1.25, 5);
    expect(report.outcomes['too-slow']).toBe(1);
    expect(toy?.tried).toBe(toy?.spaceSize);
    const messages = Object.fromEntries(report.failures.map(({ kernelId, message }) => [kernelId, message]));
    expect(messages[id(MODES.wrongWhenRagged)]).toContain('n=1,rows=1');
    expect(messages[id(MODES.writesPastEnd)]).toContain('past its end');
    expect(messages[id(MODES.leavesUnwritten)]).toContain('never written');
    expect(messages[id(MODES.segfaults)]).toContain('SIGSEGV');
    expect(messages[id(MODES.changesInput)]).toContain('input x was changed');
    expect(messages[id(MODES.dependsOnThreads)]).toContain('2 threads and 1');
    // Equal machine code is run once.
    expect(lines('started').map((line) => line.kernelId)).not.toContain(id(MODES.goodAgain));
    const twin = lines('outcome').find((line) => line.kernelId === id(MODES.goodAgain));
    expect(twin).toMatchObject({ state: 'ok', sameCodeAs: id(MODES.good) });
    // A wrong candidate is never timed.
    expect(new Set(lines('final').map((line) => line.kernelId))).toEqual(new Set([id(MODES.good), id(MODES.faster)]));
  });

  it('writes a library that the runtime schema accepts, with the binary it names', async () => {
    await tune(options(withModes(MODES.good, MODES.faster)));
    const winners = winnersSchema.parse(JSON.parse(readFileSync(join(directory, 'winners.json'), 'utf8')));
    const [entry] = winners.devices['fake-1']?.entries ?? [];
    expect(entry).toMatchObject({ family: 'toy_scale', kernelId: id(MODES.faster), isa: 'portable', dims: { rows: 2, n: 64 }, regime: 'plan-cold-t2', medianNs: 800, defaultNs: 1000 });
    expect(readFileSync(join(directory, 'kernels', entry?.binary?.file ?? ''), 'utf8')).toBe(`binary of ${id(MODES.faster)}`);
    expect(existsSync(join(directory, 'kernels', (entry?.binary?.file ?? '').replace('.so', '.cc')))).toBe(true);
    expect(readFileSync(join(directory, 'report.md'), 'utf8')).toContain('| toy |');
    expect((JSON.parse(readFileSync(join(directory, 'report.json'), 'utf8')) as TuneReport).problems).toHaveLength(1);
  });

  it('skips on a rerun what the journal knows, but asks the compiler again', async () => {
    const few = withModes(MODES.good, MODES.faster, MODES.wrongWhenRagged, MODES.doesNotCompile);
    const first = await tune(options(few));
    const outcomes = lines('outcome').length;
    const second = await tune(options(few));
    expect(second.problems[0]?.winner).toBe(first.problems[0]?.winner);
    expect(second.problems[0]?.reused).toBe((second.problems[0]?.tried ?? 0) - 1);
    expect(lines('outcome').slice(outcomes).map((line) => line.kernelId)).toEqual([id(MODES.doesNotCompile)]);
    const other = await tune(options({ ...few, createBuilder: (library) => Promise.resolve(createToyBuilder(join(library, 'candidates'), 'toy 2.0')) }));
    expect(other.problems[0]?.reused).toBe(0);
  });

  it('takes nothing for hung because the problem is large: the default sets the time', async () => {
    const environmentUrl = new URL('./support/toy-slow-environment.ts', import.meta.url).href;
    const report = await tune(options({ ...withModes(MODES.good, MODES.faster), environmentUrl, candidateLimitMs: 1, clock: performance }));
    expect(report.problems[0]).toMatchObject({ winner: id(MODES.faster), tried: 2, failed: 0 });
  });

  it('keeps the winner on record when a later run has no time for it', async () => {
    const few = withModes(MODES.good, MODES.faster);
    await tune(options(few));
    const short = await tune({ ...options(few), budgetMs: 1 });
    expect(short.problems[0]).toMatchObject({ tried: 1, winner: id(MODES.faster) });
    const { entries } = winnersSchema.parse(JSON.parse(readFileSync(join(directory, 'winners.json'), 'utf8'))).devices['fake-1']!;
    expect(entries.map(({ kernelId }) => kernelId)).toEqual([id(MODES.faster)]);
  });

  it('fails with a clear error when not even the default works', async () => {
    const broken = { ...toyFamily, cpu: { ...toyFamily.cpu, defaults: () => ({ mode: MODES.segfaults }) } };
    await expect(tune(options({ families: [broken] }))).rejects.toThrow(/no problem could be tuned.*the default variant is crashed/s);
    expect(existsSync(join(directory, 'journal.jsonl'))).toBe(true);
  });

  it('turns a family whose default is not valid into a typed error', async () => {
    const broken = { ...toyFamily, cpu: { ...toyFamily.cpu, constraints: [{ name: 'never', reason: 'Nothing is good enough.', holds: () => false }] } };
    await expect(tune(options({ families: [broken] }))).rejects.toThrow(TuneError);
    await expect(tune(options({ families: [broken] }))).rejects.toThrow(/Nothing is good enough/);
  });

  it('keeps what was measured and writes the winners so far when it is stopped', async () => {
    const few = withModes(MODES.good, MODES.faster, MODES.hangs);
    const controller = new AbortController();
    const report = await tune({
      ...options(few),
      signal: controller.signal,
      onProgress: ({ phase, detail }) => {
        if (phase === 'measure' && detail.includes(id(MODES.hangs))) setTimeout(() => controller.abort(), 50);
      },
    });
    expect(report.interrupted).toBe(true);
    const outcomes = lines('outcome');
    expect(outcomes.length).toBe(report.problems[0]?.tried);
    expect(outcomes.length).toBeGreaterThan(0);
    expect(outcomes.map((line) => line.kernelId)).not.toContain(id(MODES.hangs));
    // Stopped in good order: the candidate that ran is not quarantined.
    expect(lines('abandoned').map((line) => line.kernelId)).toEqual([id(MODES.hangs)]);
    expect(existsSync(join(directory, 'winners.json'))).toBe(true);
    const resumed = await tune(options(withModes(MODES.good, MODES.faster)));
    expect(resumed.problems[0]?.winner).toBe(id(MODES.faster));
  });

  it('measures the default of every problem however small the budget is', async () => {
    const problems = [16, 32, 48].map((n) => ({ ...problem, problem: { ...toyProblem, dims: { rows: 2, n } }, label: `toy ${n}` }));
    const report = await tune({ ...options({ problems: () => problems }), budgetMs: 1 });
    expect(report.problems.map(({ winner }) => winner)).toEqual([id(MODES.good), id(MODES.good), id(MODES.good)]);
    expect(report.problems.map(({ tried }) => tried)).toEqual([1, 1, 1]);
  });

  it('does not run on one problem what another problem of the form has condemned', async () => {
    const problems = [16, 32].map((n) => ({ ...problem, problem: { ...toyProblem, dims: { rows: 2, n } }, label: `toy ${n}` }));
    await tune(options({ ...withModes(MODES.good, MODES.segfaults), problems: () => problems }));
    const started = lines('started').filter((line) => line.kernelId === id(MODES.segfaults));
    expect(started).toHaveLength(1);
  });
});

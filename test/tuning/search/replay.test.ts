import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { kernelId, requireFamily } from '../../../generator/ids.js';
import { defaultVariant, enumerate } from '../../../generator/space.js';
import { JOURNAL_SCHEMA, type LineOf } from '../../../tuning/journal/lines.js';
import { sealLine } from '../../../tuning/journal/parse.js';
import { compareStrategies, expectedBest, formatComparison, medianDraws, simulate } from '../../../tuning/search/compare.js';
import { createReplayDevice, loadReplays, replaysOf } from '../../../tuning/search/replay.js';
import { seededRandom, shuffled } from '../../../tuning/statistics.js';
import { formOf, gridFamily, ruggedCost } from './support.js';

const family = gridFamily([6, 5, 4], { default: [1, 1, 1] });
const form = formOf(family);
const all = [...enumerate(form, { family })];
const standard = kernelId(defaultVariant(form, { family }), family);
const cost = ruggedCost(family);

type Outcome = LineOf<'outcome'>;
const line = (id: string, more: Partial<Outcome>, of = family.name): Outcome => ({
  schema: JOURNAL_SCHEMA, run: 'run-1', kind: 'outcome', at: '2026-01-01T00:00:00.000Z', problem: `${of}[](n=64,rows=2)`, kernelId: id, sourceHash: 'hash',
  deviceKey: 'device', compiler: 'compiler', regime: 'cold', state: 'ok', message: '', compileMs: 300, evaluateMs: 70, ...more,
});
const measured = (id: string, ratios: readonly number[], more: Partial<Outcome> = {}): Outcome =>
  line(id, { samplesNs: ratios.map((ratio) => 1000 * ratio), referenceNs: ratios.map(() => 1000), ...more });
const failed = (id: string): Outcome => line(id, { state: 'wrong', message: 'test' });
/** Every variant twice, 3 % up and down; one fails. */
const lines = all.flatMap((variant, i) => {
  const id = kernelId(variant, family);
  if (i === 7) return [failed(id)];
  const c = cost(variant);
  return [measured(id, [0.97 * c, c, 1.03 * c]), measured(id, [0.99 * c, c, 1.01 * c], { run: 'run-2', evaluateMs: 30 })];
});
const truth = Math.min(...all.filter((_, i) => i !== 7).map(cost));

describe('replay', () => {
  const [replay] = replaysOf(lines, [family]);

  it('takes the variants of the journal for the space, and the median of all pairs for the truth', () => {
    expect(replay!.space.size()).toBe(all.length);
    expect(replay!.candidates.size).toBe(all.length);
    expect(replay!.best).toBeCloseTo(truth, 9);
    expect([...replay!.candidates.values()].filter((candidate) => candidate.truth === null)).toHaveLength(1);
    expect(kernelId(replay!.space.variantAt(replay!.space.defaultPoint), family)).toBe(standard);
  });

  it('is the same for any order of the lines', () => {
    const [other] = replaysOf([...lines].reverse(), [family]);
    expect(other!.best).toBe(replay!.best);
    const point = replay!.space.pointOf(all[3]!)!;
    expect(createReplayDevice(other!, 5).evaluate(point, 2)).toEqual(createReplayDevice(replay!, 5).evaluate(point, 2));
  });

  it('narrows the axes to what occurs, so that neighbours are neighbours among what was measured', () => {
    const even = lines.filter(({ kernelId: id }) => /xa[024]_/.test(id) || id === standard);
    const [some] = replaysOf([...even, ...lines.slice(0, 1)], [family]);
    expect(some!.space.axes[0]!.values).toEqual([0, 1, 2, 4]);
    expect(some!.space.size()).toBe(new Set(even.map(({ kernelId: id }) => id)).size);
  });

  it('gives more pairs of one candidate when more are asked for, and each evaluation its time', () => {
    const point = replay!.space.pointOf(all[3]!)!;
    const device = createReplayDevice(replay!, 1);
    const first = device.evaluate(point, 3);
    expect(first.samples).toBe(3);
    expect([0.37, 0.33].some((seconds) => Math.abs(seconds - first.seconds) < 1e-9)).toBe(true);
    const more = device.evaluate(point, 21);
    expect(more.samples).toBe(6); // all that are stored
    expect(first.seconds + more.seconds).toBeCloseTo(0.4, 9); // compiled once
    expect(more.cost).toBeCloseTo(cost(all[3]!), 9);
    expect(device.evaluate(point, 3)).toEqual({ ...more, seconds: 0 });
  });

  it('finds the truth at once without noise, and other samples with another seed', () => {
    const point = replay!.space.pointOf(all[3]!)!;
    expect(createReplayDevice(replay!, 1, 'none').evaluate(point, 1).cost).toBe(replay!.candidates.get(point)!.truth);
    const costs = new Set(Array.from({ length: 20 }, (_, seed) => createReplayDevice(replay!, seed).evaluate(point, 1).cost));
    expect(costs.size).toBeGreaterThan(2);
  });

  it('lets a failed candidate fail, for the time that it took', () => {
    expect(createReplayDevice(replay!, 1).evaluate(replay!.space.pointOf(all[7]!)!, 7)).toEqual({ cost: null, samples: 0, seconds: 0.37 });
  });

  it('leaves out a problem with few variants or without its default', () => {
    expect(replaysOf(lines.slice(0, 20), [family])).toEqual([]);
    expect(replaysOf(lines.filter(({ kernelId: id }) => id !== standard), [family])).toEqual([]);
  });
});

describe('simulation', () => {
  const [replay] = replaysOf(lines, [family]);

  it('follows the truth of what ranks first: exact for a walk through everything without noise', () => {
    const points = simulate(replay!, 'exhaustive', 1, 'none');
    const expected: number[] = [];
    let best = cost(defaultVariant(form, { family }));
    expected.push(best);
    all.forEach((variant, i) => {
      if (kernelId(variant, family) === standard) return;
      if (i !== 7) best = Math.min(best, cost(variant));
      expected.push(best);
    });
    expect(points.map((point) => point.cost.toFixed(9))).toEqual(expected.map((value) => value.toFixed(9)));
    expect(points.map(({ evaluations }) => evaluations)).toEqual(expected.map((_, i) => i + 1));
  });

  it('computes what random search is expected to find', () => {
    expect(expectedBest([1, 2, 3], 1)).toBeCloseTo(2, 12);
    expect(expectedBest([1, 2, 3], 2)).toBeCloseTo((1 + 1 + 2) / 3, 12);
    expect(expectedBest([1, 2, 3], 3)).toBeCloseTo(1, 12);
    expect(expectedBest([1, 2, 3, 4], 2)).toBeCloseTo((3 * 1 + 2 * 2 + 1 * 3) / 6, 12);
  });
});

describe('comparison', () => {
  const directory = mkdtempSync(join(tmpdir(), 'griffin-replay-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  /** A real family is needed where kernel ids come from a file: a journal with times from its axes. */
  const down = requireFamily('ff_down_gather');
  const downForm = { family: down.name, params: { dtype: 'bf16' }, isa: 'avx512bf16' } as const;
  const variants = [...enumerate(downForm, { family: down })].filter(({ axes }) => axes['rows'] === 4 && axes['tile'] === 0 && axes['span'] === 128 && axes['slices']! <= 16);
  const downCost = ruggedCost(down, downForm);
  const text = variants.map((variant) => sealLine(measured(kernelId(variant, down), [0.99, 1, 1.01].map((noise) => noise * downCost(variant)), {
    problem: 'ff_down_gather[dtype=bf16](bias=0,dense=0,hidden=2048,intermediate=5632,k=2816,residual=1,rows=1)',
  }))).join('\n');
  const path = join(directory, 'journal.jsonl');
  writeFileSync(path, `${text}\n{"torn":`);

  it('compares strategies on a journal and says what it found', async () => {
    const seen: string[] = [];
    const report = await compareStrategies({ journals: [path], strategies: ['forest'], seeds: 3, onProgress: (progress) => seen.push(progress) });
    const [space] = report.spaces;
    expect(space!.variants).toBe(variants.length);
    expect(space!.results.map(({ strategy }) => strategy)).toEqual(['random', 'forest']);
    expect(space!.near3).toBeGreaterThanOrEqual(space!.near1);
    for (const { withNoise, withoutNoise } of space!.results) {
      expect(withoutNoise.within1.evaluations).toBeGreaterThanOrEqual(withoutNoise.within3.evaluations);
      expect(withNoise.curve).toHaveLength(6);
    }
    expect(space!.results[0]!.withoutNoise.within3.runs).toBe(1);
    expect(space!.results[0]!.withoutNoise.speedUp).toBe(1);
    expect(space!.blind.within3).toBe(medianDraws(variants.length, space!.near3));
    expect(seen.some((progress) => progress.includes('forest, seed 3 of 3'))).toBe(true);
    const markdown = formatComparison(report);
    expect(markdown).toContain(`${variants.length} variants`);
    expect(markdown).toMatch(/\| forest \| \d+ \|/);
  });

  it('knows how long uniform draws take to hit', () => {
    expect(medianDraws(100, 100)).toBe(1);
    expect(medianDraws(2, 1)).toBe(1);
    expect(medianDraws(101, 1)).toBe(51);
    // Against counting: three of twenty.
    const random = seededRandom(5);
    const first = Array.from({ length: 4001 }, () => shuffled(Array.from({ length: 20 }, (_, i) => i), random).findIndex((draw) => draw < 3) + 1).sort((a, b) => a - b);
    expect(Math.abs(medianDraws(20, 3) - first[2000]!)).toBeLessThanOrEqual(1);
  });

  it('names a journal that it cannot replay, and what to do', async () => {
    await expect(compareStrategies({ journals: [join(directory, 'none.jsonl')] })).rejects.toThrow(/no such file/);
    const few = join(directory, 'few.jsonl');
    writeFileSync(few, text.split('\n').slice(0, 10).join('\n'));
    await expect(compareStrategies({ journals: [few] })).rejects.toThrow(/no problem in it has 50 measured variants/);
    expect(loadReplays(path)).toHaveLength(1);
  });
});

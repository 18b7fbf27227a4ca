import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEvidence, foldJournal } from '../../../tuning/journal/evidence.js';
import { mergeJournals } from '../../../tuning/journal/files.js';
import type { JournalLine } from '../../../tuning/journal/lines.js';
import { parseJournal, sealLine } from '../../../tuning/journal/parse.js';
import { abandoned, at, endLine, failed, finalLines, key, measured, reading, runLine, started } from './support.js';

const stateOf = (lines: readonly JournalLine[], kernelId = 'a', alive = false): string | undefined => foldJournal(lines, () => alive).candidate(key(kernelId))?.outcome.state;
const samplesOf = (lines: readonly JournalLine[], kernelId = 'a'): readonly number[] | undefined => {
  const outcome = foldJournal(lines).candidate(key(kernelId))?.outcome;
  return outcome !== undefined && 'samplesNs' in outcome ? outcome.samplesNs : undefined;
};

describe('foldJournal', () => {
  it('pools samples by time', () => {
    expect(samplesOf([measured('r', 2, 'a', [3]), measured('q', 1, 'a', [1, 2])])).toEqual([1, 2, 3]);
  });

  it('lets a failure take the place of older measurements, and newer measurements that of a failure', () => {
    expect(stateOf([measured('r', 1, 'a', [1]), failed('r', 2, 'a')])).toBe('timed-out');
    expect(samplesOf([measured('r', 1, 'a', [1]), failed('r', 2, 'a'), measured('r', 3, 'a', [3])])).toEqual([3]);
  });

  it('never takes back that a kernel was wrong', () => {
    expect(stateOf([measured('r', 1, 'a', [1]), failed('r', 2, 'a', 'wrong'), measured('r', 3, 'a', [1]), failed('r', 4, 'a')])).toBe('wrong');
  });

  it('prefers calm and own measurements', () => {
    const dirty = measured('r', 1, 'a', [1], { dirty: true });
    const taken = measured('r', 2, 'a', [2], { sameCodeAs: 'b' });
    const calm = measured('r', 3, 'a', [3], { evaluateMs: 5, retaken: 1 });
    expect(samplesOf([dirty])).toEqual([1]);
    expect(samplesOf([dirty, taken])).toEqual([1]);
    expect(samplesOf([dirty, taken, calm])).toEqual([3]);
    expect(samplesOf([taken, measured('q', 4, 'a', [2], { sameCodeAs: 'b' })])).toEqual([2]);
    const facts = foldJournal([calm, measured('q', 4, 'a', [4], { evaluateMs: 7, retaken: 2, machineCode: 'm' })]).candidate(key('a'))?.facts;
    expect(facts).toMatchObject({ evaluateMs: 12, retaken: 3, machineCode: 'm' });
  });

  it('quarantines what a dead run was running, with the run in the message', () => {
    const known = foldJournal([runLine('r', 0, 77), started('r', 1, 'a')]).candidate(key('a'));
    expect(known).toMatchObject({ quarantined: true, outcome: { state: 'crashed', message: expect.stringMatching(/^quarantined: run r on there, process 77, ended at .* running$/) as string } });
    expect(stateOf([started('r', 1, 'a')])).toBe('crashed');
  });

  it('does not quarantine what has an outcome, was abandoned, or is still running', () => {
    expect(stateOf([started('r', 1, 'a'), measured('r', 2, 'a', [1])])).toBe('ok');
    expect(stateOf([started('r', 1, 'a'), abandoned('r', 2, 'a')])).toBeUndefined();
    expect(stateOf([runLine('r', 0), started('r', 1, 'a')], 'a', true)).toBeUndefined();
    expect(stateOf([runLine('r', 0), started('r', 1, 'a'), measured('r', 2, 'a', [1]), started('r', 3, 'a')])).toBe('crashed');
  });

  it('does not take the outcome of another run for an answer, but a newer measurement lifts the quarantine', () => {
    expect(stateOf([measured('q', 0, 'a', [1]), started('r', 1, 'a')])).toBe('crashed');
    expect(stateOf([started('r', 1, 'a'), measured('q', 2, 'a', [1])])).toBe('ok');
    expect(stateOf([started('r', 1, 'a'), started('q', 2, 'a'), measured('q', 3, 'a', [1])])).toBe('ok');
  });

  it('does not quarantine where only the outcome line was lost: the run went on', () => {
    const lost = [runLine('r', 0), started('r', 1, 'a')];
    expect(stateOf([...lost, started('r', 2, 'b')])).toBeUndefined();
    expect(stateOf([...lost, started('r', 2, 'b')], 'b')).toBe('crashed');
    expect(stateOf([...lost, ...finalLines('r', 2, {})])).toBeUndefined();
    expect(stateOf([...lost, endLine('r', 2)])).toBeUndefined();
    expect(stateOf([...lost, started('q', 2, 'b')])).toBe('crashed');
    // Compilers report while a candidate runs.
    expect(stateOf([...lost, failed('r', 2, 'b')])).toBe('crashed');
  });

  it('finds kernels of the same machine code: a defect of one counts for all, an own measurement before one taken over', () => {
    const { problem, deviceKey, compiler, regime } = key('a');
    const stateByCode = (lines: readonly JournalLine[]): string | undefined => foldJournal(lines).byCode({ problem, deviceKey, compiler, regime }, 'm')?.outcome.message;
    const taken = measured('r', 1, 'a', [2], { machineCode: 'm', sameCodeAs: 'b', message: 'taken over' });
    const own = measured('r', 1, 'b', [2], { machineCode: 'm', message: 'own' });
    expect(stateByCode([])).toBeUndefined();
    expect(stateByCode([taken, own])).toBe('own');
    expect(stateByCode([taken, own, { ...failed('r', 2, 'c', 'wrong'), machineCode: 'm' } as JournalLine])).toBe('wrong at 2');
  });

  it('selects finals', () => {
    const evidence = foldJournal([...finalLines('r', 2, { a: 90 }), ...finalLines('r', 1, { a: 90 }, { change: { problem: 'q()' } })]);
    expect(evidence.finals().map((line) => line.at)).toEqual([at(1), at(1), at(2), at(2)]);
    expect(evidence.finals({ problem: 'p()', kernelId: 'a' })).toHaveLength(1);
    expect(evidence.candidates({ problem: 'p()' })).toEqual([]);
  });
});

/** Two runs and their doings with three candidates. The clock is coarse, so that lines collide. */
const someLines: fc.Arbitrary<JournalLine[]> = fc.array(
  fc.tuple(fc.constantFrom('r', 'q'), fc.integer({ min: 0, max: 12 }), fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 3 })).map(([run, s, kernelId, kind, value]) => {
    if (kind === 0) return runLine(run, s, value);
    if (kind === 1) return endLine(run, s);
    if (kind <= 4) return started(run, s, kernelId);
    if (kind === 5) return abandoned(run, s, kernelId);
    if (kind === 6) return failed(run, s, kernelId, value === 1 ? 'wrong' : 'timed-out');
    if (kind === 7) return finalLines(run, s, { a: 90 + value })[value % 2]!;
    return measured(run, s, kernelId, [value, value + 1], { ...(value === 1 ? { dirty: true } : {}), ...(value === 2 ? { machineCode: 'm', evaluateMs: 3 } : {}) });
  }),
  { maxLength: 40 },
);
/** The same lines, in another order, some of them several times, in several files. */
const shuffles = fc.array(fc.array(fc.nat(), { maxLength: 60 }), { minLength: 1, maxLength: 3 });
const deal = (lines: readonly JournalLine[], orders: readonly (readonly number[])[]): JournalLine[][] => {
  const files = orders.map((order) => order.map((i) => lines[i % lines.length]).filter((line) => line !== undefined));
  return [...files, [...lines].reverse()];
};

describe('joined journals', () => {
  it('mean the same in any order, with any repetition, and added one by one', () => {
    fc.assert(
      fc.property(someLines, shuffles, fc.boolean(), (lines, orders, alive) => {
        const dealt = deal(lines, orders).flat();
        const whole = reading(foldJournal(lines, () => alive));
        expect(reading(foldJournal(dealt, () => alive))).toEqual(whole);
        const store = createEvidence(() => alive);
        for (const line of dealt) {
          store.add(line);
          store.candidate(key('a'));
          store.finals();
        }
        expect(reading(store)).toEqual(whole);
      }),
      { seed: 4, numRuns: 200 },
    );
  });

  it('merge to the same bytes, which mean what the lines meant', () => {
    fc.assert(
      fc.property(someLines, shuffles, (lines, orders) => {
        const texts = deal(lines, orders).map((file) => file.map(sealLine).join('\n\n'));
        const merged = mergeJournals(texts);
        expect(mergeJournals([lines.map(sealLine).join('\n')])).toBe(merged);
        expect(mergeJournals([...texts.reverse(), merged, 'rubbish\n'])).toBe(merged);
        expect(reading(foldJournal(parseJournal(merged).lines))).toEqual(reading(foldJournal(parseJournal(lines.map(sealLine).join('\n')).lines)));
      }),
      { seed: 5, numRuns: 100 },
    );
  });
});

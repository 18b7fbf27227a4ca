import { describe, expect, it } from 'vitest';
import { decideFromEvidence, type EvidenceDecision, type FinalSelection } from '../../tuning/decide-evidence.js';
import { foldJournal } from '../../tuning/journal/evidence.js';
import type { JournalLine } from '../../tuning/journal/lines.js';
import { failed, finalLines, key, started } from './journal/support.js';

const selection: FinalSelection = { problem: 'p()', deviceKey: 'd', regime: 'r' };
const decided = (lines: readonly JournalLine[], more: Partial<FinalSelection> = {}): EvidenceDecision => {
  const forwards = decideFromEvidence(foldJournal(lines), { ...selection, ...more }, 'd');
  expect(decideFromEvidence(foldJournal([...lines].reverse()), { ...selection, ...more }, 'd')).toEqual(forwards);
  if (forwards === null) throw new Error('nothing was decided');
  return forwards;
};

describe('decideFromEvidence', () => {
  it('decides from one final, and says that its winner waits for a held-out one', () => {
    const { decision, ...rest } = decided(finalLines('r', 1, { a: 90, b: 80 }));
    expect(decision.winnerId).toBe('b');
    expect(rest).toMatchObject({ winnerKey: key('b'), heldOut: null, refuted: [], awaitingHeldOut: 'b', dirty: false, runs: ['r'], run: 'r' });
  });

  it('compares kernels of different finals by their ratios to the default', () => {
    // The second machine state is twice as slow: nanoseconds would decide otherwise.
    const slow = finalLines('q', 2, { b: 80 }).map((line) => ({ ...line, samplesNs: line.samplesNs.map((ns) => 2 * ns), referenceNs: line.referenceNs.map((ns) => 2 * ns) }));
    const { decision, run } = decided([...finalLines('r', 1, { a: 90 }), ...slow]);
    expect(decision).toMatchObject({ winnerId: 'b' });
    expect(decision.standings.map(({ kernelId, pairs }) => [kernelId, pairs])).toEqual([['b', 9], ['a', 9], ['d', 18]]);
    expect(decision.ratio.median).toBeCloseTo(0.8, 2);
    expect(run).toBe('q');
  });

  it('joins the ratios of a kernel over its finals', () => {
    const { decision, runs } = decided([...finalLines('r', 1, { a: 88 }), ...finalLines('q', 2, { a: 92 })]);
    expect(decision.standings.find(({ kernelId }) => kernelId === 'a')?.pairs).toBe(18);
    expect(decision.ratio.median).toBeCloseTo(0.9, 2);
    expect(runs).toEqual(['q', 'r']);
  });

  it('lets only confirmed challengers win once something was held out', () => {
    const finals = finalLines('r', 1, { a: 80, b: 90 });
    const confirmedB = finalLines('r', 2, { b: 91 }, { stage: 'held-out' });
    const before = decided([...finals, ...confirmedB]);
    expect(before).toMatchObject({ decision: { winnerId: 'b' }, awaitingHeldOut: 'a' });
    expect(before.heldOut?.median).toBeCloseTo(0.91, 2);
    expect(before.decision.reason).toMatch(/; a waits for its held-out final$/);
    const after = decided([...finals, ...confirmedB, ...finalLines('r', 3, { a: 85 }, { stage: 'held-out' })]);
    expect(after).toMatchObject({ decision: { winnerId: 'a' }, awaitingHeldOut: null });
    expect(after.decision.ratio.median).toBeCloseTo(0.8, 2);
  });

  it('strikes out who is not confirmed, and the default stays if nobody is left', () => {
    const finals = finalLines('r', 1, { a: 80, b: 90 });
    const refutedA = finalLines('r', 2, { a: 101 }, { stage: 'held-out' });
    const next = decided([...finals, ...refutedA]);
    expect(next).toMatchObject({ decision: { winnerId: 'd' }, refuted: [{ kernelId: 'a' }], awaitingHeldOut: 'b' });
    const none = decided([...finals, ...refutedA, ...finalLines('r', 3, { b: 100 }, { stage: 'held-out' })]);
    expect(none).toMatchObject({ decision: { winnerId: 'd', ratio: { median: 1 } }, heldOut: null, awaitingHeldOut: null, winnerKey: key('d') });
    expect(none.decision.reason).toMatch(/not confirmed on held-out inputs: a, b$/);
    expect(none.refuted.map(({ kernelId }) => kernelId)).toEqual(['b', 'a']);
  });

  it('leaves out who failed since, but not who was only running elsewhere or failed to compile again', () => {
    const finals = finalLines('r', 1, { a: 80, b: 90 });
    expect(decided([...finals, failed('r', 2, 'a', 'wrong')]).decision.winnerId).toBe('b');
    expect(decided([...finals, started('r', 2, 'a')]).decision.winnerId).toBe('b');
    expect(decided([...finals, { ...failed('r', 2, 'a'), state: 'compile-failed' } as JournalLine]).decision.winnerId).toBe('a');
    expect(decided([...finals, failed('r', 2, 'd', 'crashed')]).decision.winnerId).toBe('a');
  });

  it('prefers calm finals, and says when there is none', () => {
    const disturbed = finalLines('r', 1, { a: 70, b: 80 }, { dirty: true });
    expect(decided(disturbed)).toMatchObject({ decision: { winnerId: 'a' }, dirty: true });
    expect(decided([...disturbed, ...finalLines('r', 2, { b: 90 })])).toMatchObject({ decision: { winnerId: 'b', ratio: { median: expect.closeTo(0.9, 2) as number } }, dirty: false });
  });

  it('does not join what was measured of other sources', () => {
    const old = finalLines('r', 1, { a: 50, b: 50 }, { change: { sourceHash: 'old' } });
    const current = finalLines('r', 2, { a: 90 });
    expect(decided([...old, ...current]).decision).toMatchObject({ winnerId: 'a', ratio: { median: expect.closeTo(0.9, 2) as number } });
    expect(decided([...old, ...current], { isCurrent: ({ sourceHash }) => sourceHash === 'old' }).decision.ratio.median).toBeCloseTo(0.5, 2);
    // The default is as it was, one challenger is not.
    const renewed = finalLines('q', 3, { a: 95 }).map((line) => (line.kernelId === 'a' ? { ...line, sourceHash: 'new' } : line));
    expect(decided([...current, ...renewed])).toMatchObject({ decision: { ratio: { median: expect.closeTo(0.95, 2) as number } }, winnerKey: { sourceHash: 'new' } });
    // A confirmation of the old source is none of the new one.
    const heldOut = finalLines('r', 2, { a: 90 }, { stage: 'held-out' });
    expect(decided([...current, ...renewed, ...heldOut]).awaitingHeldOut).toBe('a');
  });

  it('needs the default in the final, as the reference', () => {
    const lines = finalLines('r', 1, { a: 90 });
    expect(decideFromEvidence(foldJournal(lines), selection, 'other')).toBeNull();
    expect(decideFromEvidence(foldJournal(lines), selection, 'a')).toBeNull();
    expect(decideFromEvidence(foldJournal(lines.filter(({ kernelId }) => kernelId !== 'd')), selection, 'd')).toBeNull();
    for (const other of [{ problem: 'q()' }, { deviceKey: 'e' }, { regime: 's' }, { compiler: 'e' }]) {
      expect(decideFromEvidence(foldJournal(lines), { ...selection, ...other }, 'd'), JSON.stringify(other)).toBeNull();
    }
  });
});

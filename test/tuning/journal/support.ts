/** Lines for journal tests, and readings of evidence that can be compared. */
import type { Evidence } from '../../../tuning/journal/evidence.js';
import type { JournalLine, LineOf, RunHeader } from '../../../tuning/journal/lines.js';
import type { CandidateOutcome, ResultKey } from '../../../tuning/types.js';

export const header: RunHeader = {
  deviceKey: 'd', deviceName: 'a device', driver: '1', compiler: 'c', regime: 'r', seed: 1, strategy: 'random', effort: 'normal', toolVersion: '0.0.0',
};

export const key = (kernelId: string, change: Partial<ResultKey> = {}): ResultKey => ({
  problem: 'p()', kernelId, sourceHash: 'h', deviceKey: 'd', compiler: 'c', regime: 'r', ...change,
});

export const ok: CandidateOutcome = { state: 'ok', message: 'fine', samplesNs: [3, 1, 2], referenceNs: [4, 4, 4] };

/** Second `s` of an hour. */
export const at = (s: number): string => new Date(Date.UTC(2026, 0, 1) + s * 1000).toISOString();

const head = (run: string, s: number) => ({ schema: 2 as const, run, at: at(s) });

export const runLine = (run: string, s: number, pid = 1): LineOf<'run'> => ({ ...head(run, s), kind: 'run', host: 'there', boot: 'b', pid, ...header });
export const endLine = (run: string, s: number): LineOf<'end'> => ({ ...head(run, s), kind: 'end', reason: 'done', dirty: false });
export const started = (run: string, s: number, kernelId: string): JournalLine => ({ ...head(run, s), kind: 'started', ...key(kernelId) });
export const abandoned = (run: string, s: number, kernelId: string): JournalLine => ({ ...head(run, s), kind: 'abandoned', ...key(kernelId) });
export const failed = (run: string, s: number, kernelId: string, state: 'wrong' | 'timed-out' | 'crashed' = 'timed-out'): JournalLine => ({
  ...head(run, s), kind: 'outcome', ...key(kernelId), state, message: `${state} at ${s}`,
});
export const measured = (run: string, s: number, kernelId: string, samplesNs: number[], change: Partial<LineOf<'outcome'>> = {}): LineOf<'outcome'> => ({
  ...head(run, s), kind: 'outcome', ...key(kernelId), state: 'ok', message: 'fine', samplesNs, referenceNs: samplesNs.map(() => 10), ...change,
});

export interface FinalOptions {
  readonly stage?: 'final' | 'held-out';
  readonly dirty?: boolean;
  readonly change?: Partial<ResultKey>;
}
/** The lines of one final: the default takes 100 ns, and others as said, all with a steady wobble of 0.2 %. */
export function finalLines(run: string, s: number, times: Readonly<Record<string, number>>, { stage = 'final', dirty = false, change = {} }: FinalOptions = {}): LineOf<'final'>[] {
  const samples = (ns: number, shift: number): number[] => Array.from({ length: 9 }, (_, i) => ns * (1 + 0.001 * Math.sin(i * 3 + shift)));
  const referenceNs = samples(100, 0);
  return Object.entries({ d: 100, ...times }).map(([kernelId, ns], i) => ({
    ...head(run, s), kind: 'final', ...key(kernelId, change), final: `${run}-${s}`, stage, samplesNs: kernelId === 'd' ? referenceNs : samples(ns, i), referenceNs,
    controlNs: [], retaken: 0, dirty,
  }));
}

/** All that a fold says. */
export function reading(evidence: Evidence): unknown {
  const sorted = <T>(map: ReadonlyMap<string, T>): [string, T][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return { candidates: evidence.candidates(), quarantined: evidence.quarantined(), finals: evidence.finals(), runs: sorted(evidence.runs), ends: sorted(evidence.ends) };
}

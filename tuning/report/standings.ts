/** The finalists of a problem in their order, by the same rule by which the tuner decides. */
import { decideFromEvidence } from '../decide-evidence.js';
import { pairedRatios } from '../decide.js';
import type { Evidence } from '../journal/evidence.js';
import { median, ratioInterval } from '../statistics.js';
import type { Section, Unit } from './collect.js';
import type { Standing } from './types.js';

export interface Finals {
  readonly standings: readonly Standing[];
  readonly winnerId: string | null;
  /** Null where no final was run. */
  readonly reason: string | null;
}

const NONE: Finals = { standings: [], winnerId: null, reason: null };

export function standingsOf(unit: Unit, { deviceKey, regime }: Section, evidence: Evidence, defaultId: string | null): Finals {
  const decided = defaultId === null ? null : decideFromEvidence(evidence, { problem: unit.key, deviceKey, regime }, defaultId);
  if (decided === null) return NONE;
  const { decision, refuted } = decided;
  const finals = unit.lines.filter((line) => line.kind === 'final');
  const pooled = (kernelId: string, stage: 'final' | 'held-out') => {
    const lines = finals.filter((line) => line.kernelId === kernelId && line.stage === stage);
    return { samplesNs: lines.flatMap((line) => line.samplesNs), ratios: lines.flatMap(({ samplesNs, referenceNs }) => pairedRatios(samplesNs, referenceNs)) };
  };
  const heldOut = (kernelId: string) => {
    const { ratios } = pooled(kernelId, 'held-out');
    return kernelId === defaultId || ratios.length === 0 ? null : ratioInterval(ratios);
  };
  const tied = new Set(decision.tied.map(({ kernelId }) => kernelId));
  const standing = ({ kernelId, medianNs, ratio, pairs }: { kernelId: string; medianNs: number; ratio: Standing['ratio']; pairs: number }): Standing => ({
    kernelId,
    isDefault: kernelId === defaultId,
    medianNs,
    ratio,
    samples: pairs,
    tied: tied.has(kernelId),
    refuted: refuted.some((other) => other.kernelId === kernelId),
    heldOut: heldOut(kernelId),
  });
  // Those that held-out contents refuted stand no more in the decision, but a reader wants to see them.
  const out = refuted.flatMap(({ kernelId }) => {
    const { samplesNs, ratios } = pooled(kernelId, 'final');
    return ratios.length === 0 ? [] : [{ kernelId, medianNs: median(samplesNs), ratio: ratioInterval(ratios), pairs: ratios.length }];
  });
  const standings = [...decision.standings, ...out].map(standing).sort((a, b) => a.ratio.median - b.ratio.median || (a.kernelId < b.kernelId ? -1 : 1));
  return { standings, winnerId: decision.winnerId, reason: decision.reason };
}

/** The finalists of a problem in their order, by the same rule by which the tuner decides. */
import { decideFromEvidence } from '../journal/decide-problem.js';
import type { Evidence } from '../journal/evidence.js';
import { bootstrapMedian } from '../statistics.js';
import { isVendorId } from '../vendor.js';
import type { Section, Unit } from './collect.js';
import type { Ratio, Standing } from './types.js';

export interface Finals {
  readonly standings: readonly Standing[];
  readonly winnerId: string | null;
  readonly tied: readonly string[];
  /** Null where no final was run. */
  readonly reason: string | null;
}

const NONE: Finals = { standings: [], winnerId: null, tied: [], reason: null };
const HELD_OUT_SEED = 1;

export function standingsOf(unit: Unit, { deviceKey, regime }: Section, evidence: Evidence, defaultId: string | null): Finals {
  if (defaultId === null) return NONE;
  const finals = unit.lines.filter((line) => line.kind === 'final');
  const compiler = finals.at(-1)?.compiler;
  if (compiler === undefined) return NONE;
  const belongs = (kernelId: string): boolean => isVendorId(kernelId) || kernelId.split('__')[2] === unit.isa;
  const decided = decideFromEvidence(evidence, { problem: unit.key, deviceKey, compiler, regime, belongs }, defaultId);
  if (decided === null) return NONE;
  const { decision } = decided;
  const tied = decision.tied.map(({ kernelId }) => kernelId);
  const samplesOf = (kernelId: string, stage: 'final' | 'held-out') => finals.filter((line) => line.kernelId === kernelId && line.stage === stage && line.compiler === compiler);
  const standings = decision.standings.map(({ kernelId, medianNs, ratio }): Standing => {
    const heldOut = samplesOf(kernelId, 'held-out').flatMap((line) => line.samplesNs.map((ns, i) => ns / (line.referenceNs[i] ?? Number.NaN)));
    return {
      kernelId,
      isDefault: kernelId === defaultId,
      medianNs,
      ratio,
      samples: samplesOf(kernelId, 'final').reduce((sum, line) => sum + line.samplesNs.length, 0),
      tied: tied.includes(kernelId),
      heldOut: heldOut.length === 0 || kernelId === defaultId ? null : (bootstrapMedian(heldOut, HELD_OUT_SEED) satisfies Ratio),
    };
  });
  return { standings, winnerId: decision.winnerId, tied, reason: decision.reason };
}

/** Decides a problem from all the finals that journals hold, of one run or of many, on one machine's clock or on several machines of one device key. */
import { decide, pairedRatios, type Decision, type Finalist } from './decide.js';
import type { Evidence } from './journal/evidence.js';
import type { LineOf } from './journal/lines.js';
import { ratioInterval, type Interval } from './statistics.js';
import { isMeasured, type ResultKey } from './types.js';

export interface FinalSelection {
  readonly problem: string;
  readonly deviceKey: string;
  readonly regime: string;
  readonly compiler?: string;
  /** Whether a key is of today's sources (and compiler); finals of other kernels are left out. Default: see `decideFromEvidence`. */
  readonly isCurrent?: (key: ResultKey) => boolean;
}

export interface EvidenceDecision {
  readonly decision: Decision;
  /** Of the winner, as measured: its source hash and compiler. */
  readonly winnerKey: ResultKey;
  /** The winner's ratio on held-out inputs; null for the default, and where nothing was held out. */
  readonly heldOut: Interval | null;
  /** Those that beat the default in the finals but not on held-out inputs. */
  readonly refuted: readonly { readonly kernelId: string; readonly ratio: Interval }[];
  /** Would win if a held-out final confirmed it. While this is not null, a tuner has a held-out final of it to run. */
  readonly awaitingHeldOut: string | null;
  /** The winner's samples were taken on a disturbed machine: do not ship. */
  readonly dirty: boolean;
  /** Runs whose finals speak for the winner, sorted, and the newest of them with its time. */
  readonly runs: readonly string[];
  readonly run: string;
  readonly at: string;
}

/**
 * The one rule by which a problem is decided, for a tuner at work and for journals that were merged. The result depends on the set of `final`
 * lines only: not on their order, nor on how runs and shards divided them. Null where no final of this default variant is on record.
 *
 * How finals are pooled:
 *
 * 1. Lines of one final (same run, final id and stage) form a group. A group counts if the default variant is in it as its own reference, in the version that
 *    is being decided; groups of another form's default (another instruction set) and groups whose default line was lost do not.
 * 2. Version: lines for which `isCurrent` says no are dropped. Without `isCurrent`, the default's version (source hash, compiler) is that of its newest
 *    line, and each other kernel's that of its newest line in the groups that count.
 * 3. Disturbed (`dirty`) groups are left out where the stage has a calm one. Then only who was in a calm group is a finalist.
 * 4. Every sample is divided by the default's sample of its round. These ratios are the common currency: those of a kernel are joined over its groups of
 *    stage `final`, and `decide` compares all kernels by them, whether or not they met in one group. The default's own is 1.
 * 5. A kernel that failed since (wrong, out of bounds, crashed, timed out, …: `evidence.candidate`) is not a finalist.
 * 6. Held-out groups are pooled likewise, apart from the others. A challenger whose held-out interval does not lie below 1 is refuted. Where
 *    the problem has a held-out line of any challenger, only confirmed ones can win; who would win but for that is `awaitingHeldOut`. Where it
 *    has none, the finals decide, and the winner (unless it is the default) is `awaitingHeldOut` itself.
 */
export function decideFromEvidence(evidence: Pick<Evidence, 'finals' | 'candidate'>, selection: FinalSelection, defaultId: string): EvidenceDecision | null {
  const { isCurrent, ...keys } = selection;
  const groups = groupsOf(evidence.finals(keys).filter((line) => isCurrent?.(line) ?? true), defaultId);
  const finals = pool(calmOnes(groups.filter(({ stage }) => stage === 'final')));
  const standard = finals.get(defaultId);
  if (standard === undefined) return null;
  for (const [id, { key }] of finals) if (id !== defaultId && hasFailed(evidence, key)) finals.delete(id);
  const heldOut = new Map<string, Interval>();
  for (const [id, { key, samplesNs, referenceNs }] of pool(calmOnes(groups.filter(({ stage }) => stage === 'held-out')))) {
    const same = finals.get(id)?.key;
    if (id !== defaultId && same !== undefined && versionOf(same) === versionOf(key)) heldOut.set(id, ratioInterval(pairedRatios(samplesNs, referenceNs)));
  }
  const refuted = [...heldOut].filter(([, ratio]) => !(ratio.high < 1)).map(([kernelId, ratio]) => ({ kernelId, ratio }));
  for (const { kernelId } of refuted) finals.delete(kernelId);

  const byFinals = decide([...finals.values()], defaultId);
  const awaits = byFinals.winnerId !== defaultId && !heldOut.has(byFinals.winnerId);
  const confirmedOnly = awaits && heldOut.size > 0;
  const decision = confirmedOnly ? decide([...finals.values()].filter(({ kernelId }) => kernelId === defaultId || heldOut.has(kernelId)), defaultId) : byFinals;
  const winner = finals.get(decision.winnerId) ?? standard;
  return {
    decision: { ...decision, reason: `${decision.reason}${confirmedOnly ? `; ${byFinals.winnerId} waits for its held-out final` : ''}${refutedText(refuted)}` },
    winnerKey: winner.key,
    heldOut: heldOut.get(decision.winnerId) ?? null,
    refuted: refuted.sort((a, b) => a.ratio.median - b.ratio.median || (a.kernelId < b.kernelId ? -1 : 1)),
    awaitingHeldOut: awaits ? byFinals.winnerId : null,
    dirty: winner.dirty,
    runs: [...new Set(winner.lines.map(({ run }) => run))].sort(),
    run: winner.lines.at(-1)?.run ?? '',
    at: winner.lines.at(-1)?.at ?? '',
  };
}

type FinalLine = LineOf<'final'>;

interface Group {
  readonly stage: FinalLine['stage'];
  readonly dirty: boolean;
  readonly lines: readonly FinalLine[];
}

interface Pooled extends Finalist {
  readonly key: ResultKey;
  readonly dirty: boolean;
  /** By time. */
  readonly lines: readonly FinalLine[];
}

/** Steps 1 and 2. `lines` come by time. */
function groupsOf(lines: readonly FinalLine[], defaultId: string): readonly Group[] {
  const isStandard = (line: FinalLine): boolean => line.kernelId === defaultId && line.samplesNs.every((sample, i) => sample === line.referenceNs[i]);
  const version = lines.filter(isStandard).map(versionOf).at(-1);
  const byFinal = new Map<string, FinalLine[]>();
  for (const line of lines) {
    const name = [line.run, line.final, line.stage].join('\u0000');
    const group = byFinal.get(name);
    if (group === undefined) byFinal.set(name, [line]);
    else group.push(line);
  }
  const counted = [...byFinal.values()].filter((group) => group.some((line) => isStandard(line) && versionOf(line) === version));
  const inCounted = new Set(counted.flat());
  const newest = new Map<string, string>();
  for (const line of lines) if (inCounted.has(line)) newest.set(line.kernelId, versionOf(line));
  return counted.map((group) => ({
    stage: group[0]!.stage,
    dirty: group.some(({ dirty }) => dirty),
    lines: group.filter((line) => newest.get(line.kernelId) === versionOf(line)),
  }));
}

function versionOf({ sourceHash, compiler }: Pick<ResultKey, 'sourceHash' | 'compiler'>): string {
  return `${sourceHash}\u0000${compiler}`;
}

/** Step 3. */
function calmOnes(groups: readonly Group[]): readonly Group[] {
  const calm = groups.filter(({ dirty }) => !dirty);
  return calm.length > 0 ? calm : groups;
}

/** Step 4, up to the division, which `decide` does. */
function pool(groups: readonly Group[]): Map<string, Pooled> {
  const lines = new Map<string, FinalLine[]>();
  for (const group of groups) {
    for (const line of group.lines) {
      const before = lines.get(line.kernelId);
      if (before === undefined) lines.set(line.kernelId, [line]);
      else before.push(line);
    }
  }
  const dirty = groups.some((group) => group.dirty);
  return new Map([...lines].map(([kernelId, own]) => [kernelId, pooled(kernelId, own, dirty)]));
}

function pooled(kernelId: string, unsorted: readonly FinalLine[], dirty: boolean): Pooled {
  const lines = [...unsorted].sort((a, b) => compareTexts(a.at, b.at) || compareTexts(a.run, b.run) || compareTexts(a.final, b.final));
  const { problem, sourceHash, deviceKey, compiler, regime } = lines[0]!;
  const resources = lines.findLast((line) => line.resources !== undefined)?.resources;
  return {
    kernelId,
    key: { problem, kernelId, sourceHash, deviceKey, compiler, regime },
    samplesNs: lines.flatMap((line) => line.samplesNs),
    referenceNs: lines.flatMap((line) => line.referenceNs),
    ...(resources === undefined ? {} : { resources: Object.fromEntries(Object.entries(resources).filter(([, value]) => value !== undefined)) }),
    dirty,
    lines,
  };
}

/** Step 5. A compiler that failed later takes nothing back: it may have wanted for memory. */
function hasFailed(evidence: Pick<Evidence, 'candidate'>, key: ResultKey): boolean {
  const known = evidence.candidate(key);
  return known !== null && !isMeasured(known.outcome) && known.outcome.state !== 'compile-failed';
}

function refutedText(refuted: readonly { readonly kernelId: string }[]): string {
  return refuted.length === 0 ? '' : `; not confirmed on held-out inputs: ${refuted.map(({ kernelId }) => kernelId).sort().join(', ')}`;
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

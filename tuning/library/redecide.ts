/**
 * Winners from the journals of many runs. Where journals have finals, a problem is decided from all of their samples together, by the rule by which
 * a tuner decides, so that the shards of a fleet give what one process gives. An entry's other facts (form, binary) are taken from the sources.
 */
import { FAMILIES } from '../../generator/families/index.js';
import type { Family } from '../../generator/types.js';
import { VENDOR_ISA } from '../../runtime/device/types.js';
import type { WinnerEntry } from '../../runtime/library/schema.js';
import { decideFromEvidence, type EvidenceDecision } from '../decide-evidence.js';
import type { Evidence } from '../journal/evidence.js';
import { dispatchDims } from '../problems.js';
import { parseProblemKey } from '../report/problem-key.js';
import { compareEntries, problemOf, rivals } from './contents.js';
import type { InstalledBinary } from './files.js';

export interface RedecideOptions {
  /** Families by which the journal's problems are read. Default: the registry. */
  readonly families?: readonly Family[];
  /** As `OverlayContext.formHash`: finals of templates that changed since are left out. */
  readonly formHash: FormHash;
  /** The binary of a kernel whose source has this SHA-256, if a source has it. */
  readonly findBinary: (sourceHash: string) => InstalledBinary | undefined;
}

export type FormHash = (family: string, params: Readonly<Record<string, string>>, isa: string) => string | undefined;

/** A problem that the journals decide. */
export interface Redecided {
  /**
   * Entries that the evidence answers for: the same problem, instruction set (or a vendor's) and regime. None where a winner other than
   * the default cannot be written: what the sources have is then the best there is.
   */
  readonly covers: (entry: WinnerEntry) => boolean;
  /** Null where the winner cannot be written: `reason` says why. */
  readonly entry: WinnerEntry | null;
  readonly reason: string;
}

/**
 * What the evidence decides on one device. `entries` are those of all sources: valid, of this device. The result does not depend on their order.
 */
export function redecide(deviceKey: string, evidence: Evidence, entries: readonly WinnerEntry[], options: RedecideOptions): readonly Redecided[] {
  return finalsOf(deviceKey, evidence).flatMap(({ problem, regime, defaultId }) => {
    const subject = subjectOf(problem, defaultId, options.families ?? FAMILIES);
    if (subject === null) return [];
    const current = options.formHash(subject.family, subject.params, subject.isa);
    const isCurrent = (key: { readonly kernelId: string; readonly sourceHash: string }): boolean => key.kernelId !== defaultId || key.sourceHash === current;
    const decided = current === undefined ? null : decideFromEvidence(evidence, { problem, deviceKey, regime, isCurrent }, defaultId);
    if (decided === null) return [];
    const isSubject = (entry: WinnerEntry): boolean => problemOf(entry) === problemOf(subject) && entry.regime === regime;
    const written = entryOf(decided, entries.filter(isSubject), subject.isa, options);
    const binds = written.entry !== null || decided.decision.winnerId === defaultId;
    return [{ covers: (entry: WinnerEntry): boolean => binds && isSubject(entry) && [subject.isa, VENDOR_ISA].includes(entry.isa), ...written }];
  });
}

/**
 * The entries of a section out of those of all sources: what journals decide, else the best entry of each problem. Entries that exclude each
 * other (see `rivals`) are settled by `compareEntries`. The result does not depend on any order, and is sorted.
 */
export function settleEntries(entries: readonly WinnerEntry[], decided: readonly Redecided[]): WinnerEntry[] {
  const open = [...entries.filter((entry) => !decided.some(({ covers }) => covers(entry))), ...decided.flatMap(({ entry }) => entry ?? [])];
  const kept: WinnerEntry[] = [];
  for (const entry of open.sort(compareEntries)) if (!kept.some((better) => rivals(better, entry))) kept.push(entry);
  return kept.sort((a, b) => (`${problemOf(a)} ${a.isa}` < `${problemOf(b)} ${b.isa}` ? -1 : 1));
}

interface FinalsKey {
  readonly problem: string;
  readonly regime: string;
  /** The kernel that was its own reference. */
  readonly defaultId: string;
}

function finalsOf(deviceKey: string, evidence: Evidence): readonly FinalsKey[] {
  const found = new Map<string, FinalsKey>();
  for (const { problem, regime, kernelId, samplesNs, referenceNs } of evidence.finals({ deviceKey })) {
    if (samplesNs.every((sample, i) => sample === referenceNs[i])) found.set(`${problem} ${regime} ${kernelId}`, { problem, regime, defaultId: kernelId });
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, key]) => key);
}

/** Null for a problem or kernel that this version does not know. */
function subjectOf(problem: string, kernelId: string, families: readonly Family[]): Pick<WinnerEntry, 'family' | 'params' | 'dims' | 'isa'> | null {
  const parsed = parseProblemKey(problem);
  const family = families.find(({ name }) => name === parsed?.family);
  const isa = kernelId.split('__')[2];
  if (parsed === null || family === undefined || isa === undefined) return null;
  return { family: family.name, params: { ...parsed.params }, dims: { ...dispatchDims(family, parsed) }, isa };
}

/** @param entries of the problem and regime, of any instruction set */
function entryOf(decided: EvidenceDecision, entries: readonly WinnerEntry[], formIsa: string, { findBinary }: RedecideOptions): Pick<Redecided, 'entry' | 'reason'> {
  const { decision, winnerKey, dirty, run, at } = decided;
  const isa = winnerKey.kernelId.split('__')[2] ?? formIsa;
  const isWinner = (entry: WinnerEntry): boolean => entry.kernelId === winnerKey.kernelId && entry.sourceHash === winnerKey.sourceHash;
  const sorted = [...entries].sort(compareEntries);
  const like = sorted.find(isWinner) ?? sorted.find((entry) => entry.isa === isa);
  if (like === undefined) return { entry: null, reason: `no source has an entry for ${winnerKey.problem} on ${isa}: only its measurements are merged` };
  const binary = isWinner(like) ? like.binary : findBinary(winnerKey.sourceHash);
  if (isa !== VENDOR_ISA && binary === undefined) return { entry: null, reason: `no source has the binary of ${winnerKey.kernelId}, which wins ${winnerKey.problem}` };
  const { ratio: _ratio, roofShare, binary: _binary, ...rest } = like;
  const entry: WinnerEntry = {
    ...rest,
    kernelId: winnerKey.kernelId,
    sourceHash: winnerKey.sourceHash,
    compiler: winnerKey.compiler,
    ...(binary === undefined ? {} : { binary }),
    medianNs: decision.medianNs,
    defaultNs: decision.defaultNs,
    // A share of the roof falls as the time grows.
    ...(roofShare === undefined ? {} : { roofShare: (roofShare * like.medianNs) / decision.medianNs }),
    ratio: { median: decision.ratio.median, low: decision.ratio.low, high: decision.ratio.high },
    measuredAt: at,
    run,
    dirty,
  };
  return { entry, reason: decision.reason };
}

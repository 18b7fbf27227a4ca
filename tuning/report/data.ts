/** The story of a library: what was tried, what won and why, and how far it can be trusted. */
import { parseKernelId } from '../../generator/ids.js';
import { count, defaultVariant, rawSize } from '../../generator/space.js';
import { isIsa, targetOf } from '../../generator/targets.js';
import type { Isa } from '../../generator/types.js';
import { LibraryError } from '../../runtime/errors.js';
import { foldJournal, type CandidateEvidence, type Evidence, type RunLiveness } from '../journal/evidence.js';
import { isRunAlive } from '../journal/liveness.js';
import type { LineOf } from '../journal/lines.js';
import { median } from '../statistics.js';
import { isMeasured } from '../types.js';
import { candidateId, isVendorId } from '../vendor.js';
import { adviceFor, headlineOf } from './advice.js';
import { axisEffects } from './axis-effects.js';
import { collectLibrary, type Collected, type Section, type Unit } from './collect.js';
import { summarizeConditions } from './conditions.js';
import { labelsOf } from './labels.js';
import { addMessages, addOutcomes, convergenceOf, countOutcomes, groupMessages } from './outcomes.js';
import { summarizeRuns } from './runs.js';
import { standingsOf } from './standings.js';
import type { CandidateDetail, ProblemDetail, ReportData, SectionReport, WinnerDetail } from './types.js';

export type * from './types.js';

export interface ReportOptions {
  /** Only this device key. */
  readonly device?: string;
  /** For the report's date. */
  readonly now?: () => Date;
  /** Whether the process of a run is still at work. Default: looks. */
  readonly isAlive?: RunLiveness;
}

/** Spaces with more points before constraints are not counted: a report should take seconds. */
const MOST_COUNTED = 500_000;

/**
 * Reads a library and its journals. Throws LibraryError where there is nothing to report, or nothing of the wanted device; FileError and
 * LibraryError for files that cannot be read at all.
 */
export function buildReport(directory: string, options: ReportOptions = {}): ReportData {
  const collected = collectLibrary(directory);
  const wanted = collected.sections.filter(({ deviceKey, units }) => units.size > 0 && (options.device === undefined || deviceKey === options.device));
  if (wanted.length === 0) throw nothingToReport(directory, collected, options.device);
  const evidence = foldJournal(collected.lines, options.isAlive ?? isRunAlive);
  const runs = summarizeRuns(collected.lines, evidence).filter(({ deviceKey }) => options.device === undefined || deviceKey === options.device);
  const sections = wanted.map((section) => reportSection(section, evidence)).sort((a, b) => b.problems.length - a.problems.length || (a.id < b.id ? -1 : 1));
  const data = { library: directory, writtenAt: (options.now?.() ?? new Date()).toISOString(), sections, runs, journals: collected.files, badEntries: collected.badEntries };
  return { ...data, sections: sections.map((section) => ({ ...section, advice: adviceFor(section, data) })) };
}

function nothingToReport(directory: string, { sections }: Collected, device: string | undefined): LibraryError {
  const known = [...new Set(sections.filter(({ units }) => units.size > 0).map(({ deviceKey }) => deviceKey))];
  if (device !== undefined && known.length > 0) {
    return new LibraryError(`${directory} has nothing of the device ${device}; it has: ${known.join(', ')}`, { remedy: `griffin report --library ${directory} --device ${known[0] ?? ''}` });
  }
  return new LibraryError(`${directory} holds no measurements: there is neither a winner in winners.json nor a measured candidate in a journal`, {
    remedy: `griffin tune --synthetic llama-2-7b --budget 10m --library ${directory}`,
  });
}

function reportSection(section: Section, evidence: Evidence): Omit<SectionReport, 'advice'> & { readonly advice: [] } {
  const { deviceKey, regime, identity } = section;
  const labels = labelsOf([...section.units.values()].map(({ key, problem, isa }) => ({ ...problem, problem: key, isa })));
  const problems = [...section.units.values()].map((unit, i) => reportProblem(unit, section, evidence, i, labels[i] ?? unit.key)).sort((a, b) => spentOn(b) - spentOn(a) || (a.id < b.id ? -1 : 1));
  const lines = [...section.units.values()].flatMap((unit) => unit.lines);
  const distinct = (values: readonly (string | undefined)[]): string[] => [...new Set(values.flatMap((value) => (value === undefined || value === '' ? [] : [value])))].sort();
  const entries = [...section.units.values()].flatMap(({ entry }) => entry ?? []);
  const body = {
    id: slug(`${deviceKey}-${regime}`),
    deviceKey,
    deviceName: identity?.name ?? section.runs.at(-1)?.deviceName ?? deviceKey,
    identity,
    regime,
    drivers: distinct([...section.runs.map(({ driver }) => driver), ...entries.map(({ driver }) => driver)]),
    compilers: distinct([...section.runs.map(({ compiler }) => compiler), ...lines.map(({ compiler }) => compiler), ...entries.map(({ compiler }) => compiler)]),
    problems,
    decisions: section.decisions,
    outcomes: addOutcomes(problems.map(({ outcomes }) => outcomes)),
    messages: addMessages(problems.flatMap(({ messages }) => messages)),
    conditions: summarizeConditions(lines.filter((line): line is LineOf<'outcome' | 'final'> => line.kind === 'outcome' || line.kind === 'final')),
  };
  return { ...body, headline: headlineOf(problems), advice: [] };
}

const spentOn = ({ compileSeconds, evaluateSeconds }: ProblemDetail): number => compileSeconds + evaluateSeconds;

function reportProblem(unit: Unit, section: Section, evidence: Evidence, index: number, label: string): ProblemDetail {
  const { problem, family, entry, isa } = unit;
  const capability = section.identity?.gpu?.capability;
  const known = knowledgeOf(unit, capability);
  const candidates = candidatesOf(unit, section, evidence, known.defaultId);
  const finals = standingsOf(unit, section, evidence, known.defaultId);
  const measured = candidates.flatMap(({ axes, ratio }) => (axes === null || ratio === null ? [] : [{ axes, ratio }]));
  const winnerAxes = entry === null ? null : axesOf(entry.kernelId);
  const messages = groupMessages(candidates.map((candidate) => ({ candidate, problem: label })));
  const winner = entry === null ? null : winnerDetail(unit, finals.standings.filter(({ tied }) => tied).map(({ kernelId }) => kernelId), known.defaultId);
  return {
    id: `p${index + 1}-${slug(section.deviceKey)}-${slug(section.regime)}`,
    label,
    problem: unit.key,
    family: problem.family,
    params: problem.params,
    dims: problem.dims,
    isa,
    summary: family?.summary ?? null,
    defaultId: known.defaultId,
    winner,
    reason: reasonOf(winner, finals.reason, finals.winnerId),
    standings: finals.standings,
    candidates,
    spaceSize: known.size,
    axes: known.axes.length === 0 ? [] : axisEffects(known.axes, measured, winnerAxes),
    convergence: convergenceOf(candidates),
    outcomes: countOutcomes(candidates),
    messages,
    compileSeconds: candidates.reduce((sum, { compileMs }) => sum + (compileMs ?? 0), 0) / 1000,
    evaluateSeconds: candidates.reduce((sum, { evaluateMs }) => sum + (evaluateMs ?? 0), 0) / 1000,
    cost: family === undefined ? null : family.cost(problem),
  };
}

function knowledgeOf({ problem, family, isa }: Unit, capability: number | undefined) {
  const none = { defaultId: null, size: null, axes: [] } as const;
  if (family === undefined || !isIsa(isa)) return none;
  try {
    const form = { family: family.name, params: problem.params, isa: isa as Isa };
    const space = { dims: problem.dims, family, ...(capability === undefined ? {} : { capability }) };
    const size = rawSize(family, isa as Isa) > MOST_COUNTED ? null : count(form, space);
    return { defaultId: candidateId(defaultVariant(form, space), family), size, axes: targetOf(family, isa as Isa).axes };
  } catch {
    return none; // a form that this version does not have any more
  }
}

function axesOf(kernelId: string): Readonly<Record<string, number>> | null {
  try {
    return isVendorId(kernelId) ? null : parseKernelId(kernelId).axes;
  } catch {
    return null;
  }
}

/** In the order in which they were first tried. A kernel whose source changed counts with its newest source. */
function candidatesOf(unit: Unit, { deviceKey, regime }: Section, evidence: Evidence, defaultId: string | null): readonly CandidateDetail[] {
  const first = new Map<string, { at: string; run: string }>();
  for (const line of unit.lines) if (line.kind === 'started' || line.kind === 'outcome') first.set(line.kernelId, first.get(line.kernelId) ?? { at: line.at, run: line.run });
  const newest = new Map<string, CandidateEvidence>();
  for (const found of evidence.candidates({ problem: unit.key, deviceKey, regime })) {
    const before = newest.get(found.key.kernelId);
    if (first.has(found.key.kernelId) && (before === undefined || found.at > before.at)) newest.set(found.key.kernelId, found);
  }
  return [...newest.values()]
    .map(({ key: { kernelId }, outcome, facts, at }): CandidateDetail => {
      const samples = isMeasured(outcome) ? outcome : null;
      return {
        kernelId,
        isDefault: kernelId === defaultId,
        axes: axesOf(kernelId),
        state: outcome.state,
        message: outcome.message,
        ratio: samples === null ? null : median(samples.samplesNs.map((ns, i) => ns / (samples.referenceNs[i] ?? Number.NaN))),
        medianNs: samples === null ? null : median(samples.samplesNs),
        samples: samples?.samplesNs.length ?? 0,
        resources: facts.resources ?? {},
        sameCodeAs: facts.sameCodeAs ?? null,
        compileMs: facts.compileMs ?? null,
        evaluateMs: facts.evaluateMs ?? null,
        retaken: facts.retaken ?? 0,
        dirty: facts.dirty ?? false,
        at: first.get(kernelId)?.at ?? at,
        run: first.get(kernelId)?.run ?? '',
      };
    })
    .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.kernelId < b.kernelId ? -1 : 1));
}

function winnerDetail({ entry }: Unit, tied: readonly string[], defaultId: string | null): WinnerDetail | null {
  if (entry === null) return null;
  const { kernelId, medianNs, defaultNs, ratio, roofShare } = entry;
  const isDefault = kernelId === defaultId;
  const factor = ratio?.median ?? medianNs / defaultNs;
  return {
    kernelId,
    isDefault,
    medianNs,
    defaultNs,
    speedUp: 1 / factor,
    speedUpLow: ratio === undefined ? null : 1 / ratio.high,
    speedUpHigh: ratio === undefined ? null : 1 / ratio.low,
    roofShare: roofShare ?? null,
    defaultRoofShare: roofShare === undefined ? null : roofShare * factor,
    tied: tied.filter((id) => id !== kernelId),
    dirty: entry.dirty,
    measuredAt: entry.measuredAt,
    run: entry.run,
    driver: entry.driver,
    compiler: entry.compiler,
  };
}

function reasonOf(winner: WinnerDetail | null, reason: string | null, finalWinner: string | null): string {
  if (winner === null) return reason === null ? 'no final was run yet: the budget ended before. The default variant is used.' : `${reason}; not in the library yet`;
  if (reason === null) return winner.isDefault ? 'only the default variant was measured' : 'its final is not in these journals';
  if (finalWinner === winner.kernelId) return reason;
  return `the finals in these journals now favour another kernel (${reason}): \`griffin tune\` decides anew`;
}

function slug(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');
}

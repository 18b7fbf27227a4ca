/**
 * What the lines of a journal mean together. The fold does not depend on the order of the lines, and equal lines count once, so that journals
 * of many machines can be joined in any order, and joined again.
 *
 * - Samples of a candidate's measurements are pooled, in the order of (`at`, seal). Disturbed ones, and ones taken over from a kernel of the same
 *   machine code, count only where there are no others.
 * - A failure takes the place of older measurements, and newer measurements that of a failure: a time-out may have been the machine's fault. Not so `wrong` and
 *   `out-of-bounds`: a kernel that once gave a wrong result is not to be had back by a try in which it did not.
 * - A `started` line with no later `outcome` or `abandoned` of the same candidate and run means that the run died of it: it is quarantined, which is the
 *   failure `crashed`. It is not quarantined if the run is still alive, or if a later line shows that the run survived it (it ended in good order, or
 *   went on to another candidate; a run works on one at a time) and only the outcome's line is lost.
 */
import { isMeasured, resultKeyText, type CandidateFacts, type CandidateOutcome, type ResultKey } from '../types.js';
import { factsOf, outcomeOf, type JournalLine, type LineOf } from './lines.js';
import { sumOfText, type SealedLine } from './parse.js';

export interface KnownCandidate {
  /** Samples of all measurements that count. */
  readonly outcome: CandidateOutcome;
  readonly facts: CandidateFacts;
  /** The failure is a quarantine: nobody saw what happened, only that the run ended there. */
  readonly quarantined: boolean;
}

export interface CandidateEvidence extends KnownCandidate {
  readonly key: ResultKey;
  /** Of the newest line that counts. ISO 8601. */
  readonly at: string;
}

/** Absent fields match anything. */
export type KeySelection = Partial<ResultKey>;

export interface Evidence {
  readonly runs: ReadonlyMap<string, LineOf<'run'>>;
  readonly ends: ReadonlyMap<string, LineOf<'end'>>;
  candidate(key: ResultKey): KnownCandidate | null;
  /** What is known of a kernel with this machine code, of the same problem, device, compiler and regime. */
  byCode(key: Omit<ResultKey, 'kernelId' | 'sourceHash'>, machineCode: string): CandidateEvidence | null;
  /** Everything with a known outcome, by key. */
  candidates(selection?: KeySelection): readonly CandidateEvidence[];
  quarantined(): readonly CandidateEvidence[];
  /** By time, then by seal. */
  finals(selection?: KeySelection): readonly SealedLine<LineOf<'final'>>[];
}

/** Evidence that grows. A line that was added before changes nothing. */
export interface EvidenceStore extends Evidence {
  add(line: JournalLine | SealedLine): void;
}

/** Whether the process of a run is still at work. */
export type RunLiveness = (run: LineOf<'run'>) => boolean;

/** See the head of this file. Without `isAlive` every run is over. */
export function foldJournal(lines: Iterable<JournalLine | SealedLine>, isAlive: RunLiveness = () => false): Evidence {
  const store = createEvidence(isAlive);
  for (const line of lines) store.add(line);
  return store;
}

type OutcomeLine = SealedLine<LineOf<'outcome'>>;

interface CandidateLines {
  readonly key: ResultKey;
  readonly outcomes: OutcomeLine[];
  /** By run: when it last started this candidate, and last said what became of it. */
  readonly startedAt: Map<string, string>;
  readonly closedAt: Map<string, string>;
  folded: CandidateEvidence | null | undefined;
}

export function createEvidence(isAlive: RunLiveness = () => false): EvidenceStore {
  const seen = new Set<string>();
  const runs = new Map<string, LineOf<'run'>>();
  const ends = new Map<string, LineOf<'end'>>();
  const finals: SealedLine<LineOf<'final'>>[] = [];
  let finalsSorted = true;
  const candidates = new Map<string, CandidateLines>();
  const codes = new Map<string, Set<CandidateLines>>();
  /** When a run last gave a sign of having survived the candidates before. */
  const signs = new Map<string, string>();
  /** Asked once per run: it takes a look at the system's processes. */
  const alive = new Map<string, boolean>();

  function add(line: JournalLine | SealedLine): void {
    const sealed = withSum(line);
    if (seen.has(sealed.sum)) return;
    seen.add(sealed.sum);
    switch (sealed.kind) {
      case 'run':
        if (isFirst(sealed, runs.get(sealed.run))) runs.set(sealed.run, sealed);
        alive.delete(sealed.run);
        break;
      case 'end':
        if (isFirst(sealed, ends.get(sealed.run))) ends.set(sealed.run, sealed);
        raise(signs, sealed.run, sealed.at);
        break;
      case 'final':
        finals.push(sealed);
        finalsSorted = false;
        raise(signs, sealed.run, sealed.at);
        break;
      case 'started':
        raise(signs, sealed.run, sealed.at);
        raise(linesOf(sealed).startedAt, sealed.run, sealed.at);
        break;
      case 'abandoned':
        raise(linesOf(sealed).closedAt, sealed.run, sealed.at);
        break;
      case 'outcome': {
        const lines = linesOf(sealed);
        lines.outcomes.push(sealed);
        raise(lines.closedAt, sealed.run, sealed.at);
        if (sealed.machineCode !== undefined) codesOf(sealed, sealed.machineCode).add(lines);
        break;
      }
    }
  }

  /** Its folded form is made anew when next asked for. */
  function linesOf(line: ResultKey): CandidateLines {
    const text = resultKeyText(line);
    const before = candidates.get(text);
    if (before !== undefined) {
      before.folded = undefined;
      return before;
    }
    const { problem, kernelId, sourceHash, deviceKey, compiler, regime } = line;
    const key = { problem, kernelId, sourceHash, deviceKey, compiler, regime };
    const made: CandidateLines = { key, outcomes: [], startedAt: new Map(), closedAt: new Map(), folded: undefined };
    candidates.set(text, made);
    return made;
  }

  function codesOf(key: Omit<ResultKey, 'kernelId' | 'sourceHash'>, machineCode: string): Set<CandidateLines> {
    const text = [key.problem, key.deviceKey, key.compiler, key.regime, machineCode].join('\u0000');
    let found = codes.get(text);
    if (found === undefined) codes.set(text, (found = new Set()));
    return found;
  }

  function known(lines: CandidateLines): CandidateEvidence | null {
    // Whether a run died of a candidate also depends on lines of other candidates, so that an open one is never kept.
    if (lines.folded !== undefined) return lines.folded;
    const deaths = deathsOf(lines);
    const folded = foldCandidate(lines, deaths);
    if (!isOpen(lines)) lines.folded = folded;
    return folded;
  }

  function deathsOf(lines: CandidateLines): readonly Failure[] {
    return [...lines.startedAt].flatMap(([run, at]) => {
      if (at <= (lines.closedAt.get(run) ?? '') || at < (signs.get(run) ?? '') || runLives(run)) return [];
      const header = runs.get(run);
      const where = header === undefined ? '' : ` on ${header.host}, process ${header.pid},`;
      return [{ at, state: 'crashed', message: `quarantined: run ${run}${where} ended at ${at} or later while this candidate was running` }];
    });
  }

  function runLives(run: string): boolean {
    const header = runs.get(run);
    if (header === undefined || ends.has(run)) return false;
    const before = alive.get(run);
    if (before !== undefined) return before;
    const lives = isAlive(header);
    alive.set(run, lives);
    return lives;
  }

  function all(wanted: (lines: CandidateLines) => boolean): readonly CandidateEvidence[] {
    return [...candidates]
      .filter(([, lines]) => wanted(lines))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, lines]) => known(lines) ?? []);
  }

  return {
    runs,
    ends,
    add,
    candidate(key) {
      const lines = candidates.get(resultKeyText(key));
      return lines === undefined ? null : known(lines);
    },
    byCode(key, machineCode) {
      const found = [...codesOf(key, machineCode)].flatMap((lines) => known(lines) ?? []);
      return found.sort(compareTwins)[0] ?? null;
    },
    candidates: (selection = {}) => all(({ key }) => matches(key, selection)),
    quarantined: () => all(isOpen).filter((candidate) => candidate.quarantined),
    finals(selection = {}) {
      if (!finalsSorted) finals.sort(compareLines);
      finalsSorted = true;
      return finals.filter((line) => matches(line, selection));
    },
  };
}

/** Some run started it and said nothing since. */
function isOpen({ startedAt, closedAt }: CandidateLines): boolean {
  for (const [run, at] of startedAt) if (at > (closedAt.get(run) ?? '')) return true;
  return false;
}

interface Failure {
  readonly at: string;
  readonly state: Exclude<CandidateOutcome['state'], 'ok' | 'too-slow'>;
  readonly message: string;
}

const DEFECTS: ReadonlySet<CandidateOutcome['state']> = new Set(['wrong', 'out-of-bounds']);

function foldCandidate(lines: CandidateLines, deaths: readonly Failure[]): CandidateEvidence | null {
  const outcomes = [...lines.outcomes].sort(compareLines);
  const { key } = lines;
  const defect = outcomes.findLast((line) => DEFECTS.has(line.state));
  if (defect !== undefined) return { key, at: defect.at, outcome: outcomeOf(defect), facts: joinFacts([defect]), quarantined: false };
  const death = [...deaths].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.message < b.message ? -1 : 1)).at(-1);
  const newest = outcomes.at(-1);
  if (death !== undefined && (newest === undefined || death.at >= newest.at)) {
    return { key, at: death.at, outcome: { state: death.state, message: death.message }, facts: joinFacts(outcomes), quarantined: true };
  }
  if (newest === undefined) return null;
  if (!isMeasured(outcomeOf(newest))) return { key, at: newest.at, outcome: outcomeOf(newest), facts: joinFacts([newest]), quarantined: false };
  const failure = outcomes.findLastIndex((line) => !isMeasured(outcomeOf(line)));
  const measured = outcomes.slice(failure + 1).filter((line) => death === undefined || line.at > death.at);
  const counted = preferred(measured);
  const last = counted.at(-1) ?? newest;
  const outcome: CandidateOutcome = {
    state: last.state === 'too-slow' ? 'too-slow' : 'ok',
    message: last.message,
    samplesNs: counted.flatMap((line) => line.samplesNs ?? []),
    referenceNs: counted.flatMap((line) => line.referenceNs ?? []),
  };
  return { key, at: last.at, outcome, facts: joinFacts(counted), quarantined: false };
}

/** Own and calm measurements before disturbed ones, own ones before one that was taken over. */
function preferred(measured: readonly OutcomeLine[]): readonly OutcomeLine[] {
  const own = measured.filter((line) => line.sameCodeAs === undefined);
  if (own.length === 0) return measured.slice(-1);
  const calm = own.filter((line) => line.dirty !== true);
  return calm.length > 0 ? calm : own;
}

/** The newest of each, and sums of what adds up: time spent, pairs retaken. */
function joinFacts(lines: readonly OutcomeLine[]): CandidateFacts {
  const facts = lines.map(factsOf);
  const sum = (name: 'evaluateMs' | 'retaken'): Partial<CandidateFacts> => {
    const values = facts.flatMap((fact) => fact[name] ?? []);
    return values.length === 0 ? {} : { [name]: values.reduce((a, b) => a + b, 0) };
  };
  return { ...(Object.assign({}, ...facts) as CandidateFacts), ...sum('evaluateMs'), ...sum('retaken') };
}

/** Of kernels with equal code: a defect of one is a defect of all, a measurement of its own says more than one taken over, then by id. */
function compareTwins(a: CandidateEvidence, b: CandidateEvidence): number {
  const rank = ({ outcome, facts }: CandidateEvidence): number => (DEFECTS.has(outcome.state) ? 0 : facts.sameCodeAs === undefined ? 1 : 2);
  return rank(a) - rank(b) || (resultKeyText(a.key) < resultKeyText(b.key) ? -1 : 1);
}

function matches(key: ResultKey, selection: KeySelection): boolean {
  for (const [name, wanted] of Object.entries(selection)) if (key[name as keyof ResultKey] !== wanted) return false;
  return true;
}

function compareLines(a: SealedLine, b: SealedLine): number {
  return a.at < b.at ? -1 : a.at > b.at ? 1 : a.sum < b.sum ? -1 : a.sum > b.sum ? 1 : 0;
}

/** Two lines for what should be one: the choice must not depend on which came first. */
function isFirst(line: SealedLine, before: JournalLine | undefined): boolean {
  return before === undefined || compareLines(line, withSum(before)) < 0;
}

function raise(latest: Map<string, string>, name: string, at: string): void {
  const before = latest.get(name);
  if (before === undefined || at > before) latest.set(name, at);
}

function withSum<Line extends JournalLine>(line: Line | SealedLine<Line>): SealedLine<Line> {
  return 'sum' in line ? line : { ...line, sum: sumOfText(JSON.stringify(line)) };
}

/**
 * The tuner's memory: append-only files of one JSON object per line, synced to disk line by line. A crash loses at most the line being
 * written; a reader skips lines that are not whole and counts them. Journals of many machines merge by concatenation.
 *
 * A `started` line goes before a candidate runs: without an outcome, and its run dead, the candidate is quarantined (evidence.ts).
 */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { isMeasured, type CandidateFacts, type CandidateOutcome, type Conditions, type KernelResources, type ResultKey } from '../types.js';
import { openAppender } from './append.js';
import { createEvidence, type CandidateEvidence, type Evidence, type KeySelection, type KnownCandidate } from './evidence.js';
import { readJournalFiles } from './files.js';
import { JOURNAL_SCHEMA, journalLineSchema, type JournalLine, type LineOf, type RunHeader } from './lines.js';
import { isRunAlive, markClosed, markOpen, ownIdentity } from './liveness.js';
import { sealLine } from './parse.js';
import { hasShapeOfFrequentLine } from './shape.js';

export interface JournalOptions {
  readonly header: RunHeader;
  readonly now?: () => Date;
  /** Other journals to learn from, e.g. `journalPaths(library)`. The own path may be among them. */
  readonly readAlso?: readonly string[];
  /** Whether another run is still at work; by default its process is looked up. */
  readonly isAlive?: (run: LineOf<'run'>) => boolean;
}

/** One interleaved final: the rounds of all its kernels. */
export interface FinalRecord {
  readonly stage: LineOf<'final'>['stage'];
  /** The reference: must be one of `kernels`. */
  readonly defaultId: string;
  /** Sample i of every kernel is of the same round. Nanoseconds per launch. */
  readonly kernels: readonly FinalKernel[];
  /** The control kernel's, of the same rounds; empty where there was none. */
  readonly controlNs: readonly number[];
  readonly conditions?: Conditions | null;
  readonly retaken: number;
  readonly dirty: boolean;
}

export interface FinalKernel {
  readonly key: ResultKey;
  readonly samplesNs: readonly number[];
  readonly machineCode?: string;
  readonly resources?: KernelResources;
}

export interface Journal {
  readonly path: string;
  /** Id of this run. */
  readonly run: string;
  /** Lines that could not be read, and lines of another version of the journal. */
  readonly badLines: number;
  readonly oldLines: number;
  /** Candidates that died with their run. */
  readonly quarantined: number;
  /** All that the journals say, this run's lines included. */
  readonly evidence: Evidence;
  known(key: ResultKey): KnownCandidate | null;
  /** What is known of a kernel whose machine code is the same. */
  knownByCode(key: Omit<ResultKey, 'kernelId' | 'sourceHash'>, machineCode: string): CandidateEvidence | null;
  /** Right before a candidate runs. One candidate of a run runs at a time: to start the next one is to say that this one did not kill the run. */
  started(key: ResultKey): void;
  abandoned(key: ResultKey): void;
  outcome(key: ResultKey, outcome: CandidateOutcome, facts?: CandidateFacts): void;
  /** All kernels of the final in one write. Throws RangeError when the default is not among them or sample counts differ. */
  final(record: FinalRecord): void;
  finals(selection?: KeySelection): readonly LineOf<'final'>[];
  /** Says how the run ended, if it wrote anything. */
  end(reason: LineOf<'end'>['reason'], dirty: boolean): void;
  close(): void;
}

/** Characters of a message that are kept: compilers can say very much. */
const MESSAGE_CHARACTERS = 4000;

/**
 * Opens (creating it and its directory if need be) and reads a journal. Throws FileError naming the path; every method that writes throws
 * FileError naming path and bytes when the disk is full, and leaves the lines before readable.
 */
export function openJournal(path: string, options: JournalOptions): Journal {
  const now = options.now ?? (() => new Date());
  const appender = openAppender(path);
  const contents = readJournalFiles([...new Set([path, ...(options.readAlso ?? [])].map((each) => resolve(each)))]);
  const evidence = createEvidence(options.isAlive ?? ((run) => isRunAlive(run)));
  for (const line of contents.lines) evidence.add(line);
  const run = `${now().toISOString().replace(/[-:]|\.\d+Z$/g, '')}-${randomBytes(4).toString('hex')}`;
  markOpen(run);
  let lastMs = 0;
  let begun = false;
  let closed = false;

  /** Later than every line of this run before, so that no two lines of a run are equal and their order is known whatever becomes of the file. */
  function nextTime(): string {
    lastMs = Math.max(now().getTime(), lastMs + 1);
    return new Date(lastMs).toISOString();
  }

  function head<Kind extends JournalLine['kind']>(kind: Kind, at: string): { schema: typeof JOURNAL_SCHEMA; kind: Kind; run: string; at: string } {
    return { schema: JOURNAL_SCHEMA, kind, run, at };
  }

  function append(lines: readonly JournalLine[]): void {
    for (const line of lines) assertReadable(line);
    appender.append(lines.map(sealLine));
    for (const line of lines) evidence.add(line);
  }

  /** The `run` line goes before the first other one: a run that finds nothing to do leaves no trace. */
  function write(make: (at: string) => readonly JournalLine[]): void {
    const opening: JournalLine[] = begun ? [] : [{ ...head('run', nextTime()), ...ownIdentity(), ...options.header }];
    append([...opening, ...make(nextTime())]);
    begun = true;
  }

  return {
    path,
    run,
    badLines: contents.badLines,
    oldLines: contents.oldLines,
    quarantined: evidence.quarantined().length,
    evidence,
    known: (key) => evidence.candidate(key),
    knownByCode: (key, machineCode) => evidence.byCode(key, machineCode),
    started(key) {
      write((at) => [{ ...head('started', at), ...plainKey(key) }]);
    },
    abandoned(key) {
      write((at) => [{ ...head('abandoned', at), ...plainKey(key) }]);
    },
    outcome(key, outcome, facts = {}) {
      const samples = isMeasured(outcome) ? { samplesNs: rounded(outcome.samplesNs), referenceNs: rounded(outcome.referenceNs) } : {};
      const { state } = outcome;
      write((at) => [{ ...head('outcome', at), ...plainKey(key), state, message: shortened(outcome.message), ...samples, ...plainFacts(facts) }]);
    },
    final(record) {
      const standard = record.kernels.find(({ key }) => key.kernelId === record.defaultId);
      if (standard === undefined) throw new RangeError(`the default variant ${record.defaultId} is not among the kernels of the final`);
      const referenceNs = rounded(standard.samplesNs);
      const controlNs = rounded(record.controlNs);
      const conditions = record.conditions === undefined || record.conditions === null ? {} : { conditions: plainConditions(record.conditions) };
      const final = randomBytes(6).toString('hex');
      const { stage, retaken, dirty } = record;
      write((at) =>
        record.kernels.map(({ key, samplesNs, machineCode, resources }) => ({
          ...head('final', at),
          ...plainKey(key),
          final,
          stage,
          samplesNs: rounded(samplesNs),
          referenceNs,
          controlNs,
          ...conditions,
          retaken,
          dirty,
          ...(machineCode === undefined ? {} : { machineCode }),
          ...(resources === undefined ? {} : { resources: { ...resources } }),
        })),
      );
    },
    finals: (selection) => evidence.finals(selection),
    end(reason, dirty) {
      if (begun) write((at) => [{ ...head('end', at), reason, dirty }]);
    },
    close() {
      if (closed) return;
      closed = true;
      markClosed(run);
      appender.close();
    },
  };
}

/** What is written must be readable: a sample that is not a number would cost the line, and nobody would notice. */
function assertReadable(line: JournalLine): void {
  if (hasShapeOfFrequentLine(line)) return;
  const result = journalLineSchema.safeParse(line);
  if (result.success) return;
  const issues = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw new RangeError(`the tuner wants to write a ${line.kind} line that it could not read: ${issues}`);
}

function plainKey({ problem, kernelId, sourceHash, deviceKey, compiler, regime }: ResultKey): ResultKey {
  return { problem, kernelId, sourceHash, deviceKey, compiler, regime };
}

/** Six significant digits: timings are not repeatable to four. What remains in memory is what was written, so that a resumed run decides alike. */
function rounded(samples: readonly number[]): number[] {
  // A clock that did not move between two readings makes 0, of which there is no ratio.
  return samples.map((sample) => (sample === 0 ? 0.001 : Number(sample.toPrecision(6))));
}

const shortNumber = (value: number): number => Number(value.toPrecision(5));

function plainFacts(facts: CandidateFacts): Partial<LineOf<'outcome'>> {
  const { machineCode, resources, sameCodeAs, compileMs, evaluateMs, conditions, retaken, dirty } = facts;
  return {
    ...(machineCode === undefined ? {} : { machineCode }),
    ...(resources === undefined ? {} : { resources: { ...resources } }),
    ...(sameCodeAs === undefined ? {} : { sameCodeAs }),
    ...(compileMs === undefined ? {} : { compileMs: shortNumber(compileMs) }),
    ...(evaluateMs === undefined ? {} : { evaluateMs: shortNumber(evaluateMs) }),
    ...(conditions === undefined ? {} : { conditions: plainConditions(conditions) }),
    ...(retaken === undefined ? {} : { retaken }),
    ...(dirty === undefined ? {} : { dirty }),
  };
}

/** What was read from the machine's counters must not cost the line: shares are kept within 0 and 1, and what is no number is left out. */
function plainConditions(conditions: Conditions): NonNullable<LineOf<'final'>['conditions']> {
  const plain = new Map<string, number | string[]>();
  for (const [name, value] of Object.entries(conditions as Record<string, number | readonly string[] | undefined>)) {
    if (typeof value === 'object') plain.set(name, [...value]);
    else if (value !== undefined && Number.isFinite(value)) plain.set(name, shortNumber(name.endsWith('Share') ? Math.min(1, Math.max(0, value)) : value));
  }
  return Object.fromEntries(plain);
}

function shortened(message: string): string {
  return message.length <= MESSAGE_CHARACTERS ? message : `${message.slice(0, MESSAGE_CHARACTERS)}… (${message.length - MESSAGE_CHARACTERS} characters more)`;
}

/**
 * The tuner's memory: `journal.jsonl`, append-only, one JSON object per line, synced to disk line by line. A crash loses at most the
 * line being written; a reader skips lines that it cannot read and counts them, so journals of many machines merge by concatenation.
 *
 * A `started` line goes before a candidate runs. A `started` without an outcome means that the tuner itself died with that candidate
 * running: it is quarantined, that is, remembered as `crashed`.
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { makeDirectory } from '../runtime/paths.js';
import { fileErrorFrom } from './file-errors.js';
import { isMeasured, OUTCOME_STATES, resultKeyText, type CandidateOutcome, type ResultKey } from './types.js';

export const JOURNAL_SCHEMA = 1;

const key = {
  schema: z.literal(JOURNAL_SCHEMA),
  problem: z.string(),
  kernelId: z.string(),
  sourceHash: z.string(),
  deviceKey: z.string(),
  compiler: z.string(),
  regime: z.string(),
  /** ISO 8601. */
  at: z.string(),
};
const samplesNs = z.array(z.number().nonnegative());

const startedSchema = z.object({ ...key, kind: z.literal('started') });
/** The tuner stopped in good order while this candidate ran: nothing is known about it. */
const abandonedSchema = z.object({ ...key, kind: z.literal('abandoned') });
const outcomeSchema = z
  .object({ ...key, kind: z.literal('outcome'), state: z.enum(OUTCOME_STATES), message: z.string(), samplesNs: samplesNs.optional(), referenceNs: samplesNs.optional() })
  .refine((line) => {
    const measured = line.state === 'ok' || line.state === 'too-slow';
    return (line.samplesNs !== undefined) === measured && (line.referenceNs !== undefined) === measured;
  }, 'measured states have samples, others none');
/** Samples of an interleaved final; the control kernel's samples of the same rounds say whether the machine was calm. */
const finalSchema = z.object({ ...key, kind: z.literal('final'), samplesNs, controlNs: samplesNs });

export const journalLineSchema = z.union([startedSchema, abandonedSchema, outcomeSchema, finalSchema]);
export type JournalLine = z.infer<typeof journalLineSchema>;

export interface JournalContents {
  readonly lines: readonly JournalLine[];
  /** Lines that were not valid: cut short by a crash, or not ours. */
  readonly badLines: number;
  /** The file ends without a newline: the next line must begin with one. */
  readonly endsMidLine: boolean;
}

export function parseJournal(text: string): JournalContents {
  const lines: JournalLine[] = [];
  let badLines = 0;
  for (const raw of text.split('\n')) {
    if (raw.trim() === '') continue;
    const parsed = parseLine(raw);
    if (parsed === null) badLines++;
    else lines.push(parsed);
  }
  return { lines, badLines, endsMidLine: text !== '' && !text.endsWith('\n') };
}

function parseLine(raw: string): JournalLine | null {
  try {
    const result = journalLineSchema.safeParse(JSON.parse(raw));
    return result.success ? result.data : null;
  } catch {
    return null;
  }
}

export interface Journal {
  readonly path: string;
  readonly badLines: number;
  /** What is known for this key: the newest outcome, or a quarantine, or null. */
  known(key: ResultKey): CandidateOutcome | null;
  started(key: ResultKey): void;
  abandoned(key: ResultKey): void;
  outcome(key: ResultKey, outcome: CandidateOutcome): void;
  final(key: ResultKey, samplesNs: readonly number[], controlNs: readonly number[]): void;
  close(): void;
}

/** Opens (creating it and its directory if need be) and reads a journal. Throws FileError naming the path. */
export function openJournal(path: string, now: () => Date = () => new Date()): Journal {
  let contents: JournalContents;
  let descriptor: number;
  try {
    makeDirectory(dirname(path));
    descriptor = openSync(path, 'a');
    contents = parseJournal(readFileSync(path, 'utf8'));
  } catch (error) {
    throw fileErrorFrom(error, 'open the tuning journal', path);
  }
  const known = new Map<string, CandidateOutcome>();
  const open = new Set<string>();
  for (const line of contents.lines) {
    const text = resultKeyText(line);
    if (line.kind === 'started') open.add(text);
    else if (line.kind === 'abandoned') open.delete(text);
    else if (line.kind === 'outcome') {
      open.delete(text);
      known.set(text, outcomeOf(line));
    }
  }
  for (const text of open) {
    known.set(text, { state: 'crashed', message: 'quarantined: the tuner stopped while this candidate was running' });
  }
  let needsNewline = contents.endsMidLine;

  function append(line: JournalLine): void {
    const text = `${needsNewline ? '\n' : ''}${JSON.stringify(line)}\n`;
    const bytes = Buffer.from(text);
    try {
      let written = 0;
      while (written < bytes.length) written += writeSync(descriptor, bytes, written);
      fsyncSync(descriptor);
      needsNewline = false;
    } catch (error) {
      needsNewline = true;
      throw fileErrorFrom(error, 'append to the tuning journal', path, bytes.length);
    }
  }
  const head = (k: ResultKey) => ({
    schema: JOURNAL_SCHEMA as typeof JOURNAL_SCHEMA,
    problem: k.problem,
    kernelId: k.kernelId,
    sourceHash: k.sourceHash,
    deviceKey: k.deviceKey,
    compiler: k.compiler,
    regime: k.regime,
    at: now().toISOString(),
  });

  return {
    path,
    badLines: contents.badLines,
    known: (k) => known.get(resultKeyText(k)) ?? null,
    started(k) {
      append({ ...head(k), kind: 'started' });
    },
    abandoned(k) {
      append({ ...head(k), kind: 'abandoned' });
    },
    outcome(k, outcome) {
      const measured = isMeasured(outcome) ? { samplesNs: [...outcome.samplesNs], referenceNs: [...outcome.referenceNs] } : {};
      append({ ...head(k), kind: 'outcome', state: outcome.state, message: outcome.message, ...measured });
      known.set(resultKeyText(k), outcome);
    },
    final(k, samples, controlNs) {
      append({ ...head(k), kind: 'final', samplesNs: [...samples], controlNs: [...controlNs] });
    },
    close() {
      closeSync(descriptor);
    },
  };
}

function outcomeOf(line: Extract<JournalLine, { kind: 'outcome' }>): CandidateOutcome {
  if (line.state === 'ok' || line.state === 'too-slow') {
    return { state: line.state, message: line.message, samplesNs: line.samplesNs ?? [], referenceNs: line.referenceNs ?? [] };
  }
  return { state: line.state, message: line.message };
}


/**
 * Text of journals: lines are sealed when they are written and checked when they are read. A line that was cut short, mixed up with
 * another, or of which a bit was flipped is skipped and counted, whatever bytes it holds; nothing in a file can make reading throw.
 *
 * The seal is the line's last field, `"sum"`: the first twelve hexadecimal digits of SHA-256 over the line's JSON text without that field.
 * Without it a flipped digit of a sample would pass for a measurement.
 */
import { createHash } from 'node:crypto';
import { JOURNAL_SCHEMA, journalLineSchema, type JournalLine } from './lines.js';
import { hasShapeOfFrequentLine } from './shape.js';

/** A line as it was read. `sum` identifies it: equal lines have equal sums. */
export type SealedLine<Line extends JournalLine = JournalLine> = Line & { readonly sum: string };

export interface JournalContents {
  readonly lines: readonly SealedLine[];
  /** Lines that are not ours or not whole any more. */
  readonly badLines: number;
  /** Whole lines of another version of the journal, which are left alone. */
  readonly oldLines: number;
  /** Lines that had been read before: journals that were joined twice. */
  readonly duplicates: number;
}

const SUM_DIGITS = 12;
const SEAL_HEAD = ',"sum":"';
const SEAL_LENGTH = SEAL_HEAD.length + SUM_DIGITS + 2;

/** A line's seal. */
export function sumOfText(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, SUM_DIGITS);
}

/** The text of a line with its seal, without a newline. */
export function sealLine(line: JournalLine): string {
  const text = JSON.stringify(line);
  return `${text.slice(0, -1)}${SEAL_HEAD}${sumOfText(text)}"}`;
}

/** One line, `old` for a whole line of another journal version, or null for anything else. */
export function parseLine(raw: string): SealedLine | 'old' | null {
  const text = raw.trim();
  const sum = text.slice(-2 - SUM_DIGITS, -2);
  const body = `${text.slice(0, -SEAL_LENGTH)}}`;
  const sealed = text.endsWith(`${SEAL_HEAD}${sum}"}`) && sumOfText(body) === sum;
  try {
    const value: unknown = JSON.parse(text);
    if (isOfOtherSchema(value)) return 'old';
    if (!sealed || !(hasShapeOfFrequentLine(value) || journalLineSchema.safeParse(value).success)) return null;
    return value as SealedLine;
  } catch {
    return null;
  }
}

/** The first version of the journal had no seals, so that a version number is all there is to know its lines by. */
function isOfOtherSchema(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('schema' in value) || !('kind' in value)) return false;
  return Number.isInteger(value.schema) && value.schema !== JOURNAL_SCHEMA && typeof value.kind === 'string';
}

/** Takes the lines of any number of journals and keeps each once. */
export interface LineCollector {
  add(raw: string): void;
  /** A line that is not worth looking at. */
  addBad(): void;
  contents(): JournalContents;
}

export function createLineCollector(): LineCollector {
  const lines: SealedLine[] = [];
  const sums = new Set<string>();
  let badLines = 0;
  let oldLines = 0;
  let duplicates = 0;
  return {
    add(raw) {
      if (raw.trim() === '') return;
      const line = parseLine(raw);
      if (line === null) badLines++;
      else if (line === 'old') oldLines++;
      else if (sums.has(line.sum)) duplicates++;
      else {
        sums.add(line.sum);
        lines.push(line);
      }
    },
    addBad() {
      badLines++;
    },
    contents: () => ({ lines, badLines, oldLines, duplicates }),
  };
}

export function parseJournal(text: string): JournalContents {
  const collector = createLineCollector();
  for (const raw of text.split('\n')) collector.add(raw);
  return collector.contents();
}

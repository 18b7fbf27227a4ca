import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { VENDOR_ISA } from '../device/types.js';
import { LibraryError } from '../errors.js';
import { decisionSchema, winnerEntrySchema, winnersEnvelopeSchema, type FfStrategyDecision, type WinnerEntry } from './schema.js';

/** The part of a user's library that counts on one device. */
export interface Overlay {
  readonly entries: readonly WinnerEntry[];
  readonly decisions: readonly FfStrategyDecision[];
  /** What was left out, and why: entries of other devices, stale or malformed ones. */
  readonly warnings: readonly string[];
}

/** What an entry must agree with. */
export interface OverlayContext {
  readonly deviceKey: string;
  /** SHA-256 of the default source of the entry's form, or undefined when there is no such form. */
  readonly formHash: (family: string, params: Readonly<Record<string, string>>, isa: string) => string | undefined;
}

export function winnersPath(directory: string): string {
  return join(directory, 'winners.json');
}

/**
 * Reads `DIR/winners.json`; a missing file is an empty overlay. A file that is not what it should be is a LibraryError; a single bad
 * entry is left out with a warning.
 */
export function readOverlay(directory: string, context: OverlayContext): Overlay {
  const path = winnersPath(directory);
  if (!existsSync(path)) return { entries: [], decisions: [], warnings: [] };
  const devices = readEnvelope(path);
  const warnings: string[] = [];
  const foreign = Object.keys(devices).filter((key) => key !== context.deviceKey);
  const own = devices[context.deviceKey];
  if (foreign.length > 0 && own === undefined) {
    warnings.push(`${path}: tuned on another device (${foreign.join('; ')}); this one is ${context.deviceKey}. Its winners are ignored; \`griffin tune\` adds this device`);
  }
  const entries = keepValid(own?.entries ?? [], (value, i) => parseEntry(value, `${path}: entry ${i}`, context), warnings);
  const decisions = keepValid(own?.decisions ?? [], (value, i) => parseWith(decisionSchema, value, `${path}: decision ${i}`), warnings);
  return { entries, decisions, warnings };
}

/** What stands in an entry of a vendor's kernel for the hash of its source: another version of the library is another kernel. */
export function vendorHash(version: string): string {
  return createHash('sha256').update(`${VENDOR_ISA} ${version}`).digest('hex');
}

/** The path of an entry's shared object, after its SHA-256 was compared. Throws a LibraryError that says what is wrong with it. */
export function verifiedBinary(directory: string, binary: { readonly file: string; readonly sha256: string }): string {
  const path = join(directory, binary.file);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new LibraryError(`kernel binary ${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== binary.sha256) throw new LibraryError(`kernel binary ${path} has SHA-256 ${found}; expected ${binary.sha256}: the file was changed or damaged`);
  return path;
}

function readEnvelope(path: string) {
  const remedy = `move ${path} away, then run \`griffin tune\` again (the measurements are in journal.jsonl beside it)`;
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new LibraryError(`${path} is not readable JSON: ${(error as Error).message}`, { remedy, cause: error });
  }
  const parsed = winnersEnvelopeSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new LibraryError(`${path} is not a kernel library of this version: at ${issue.path.join('.') || 'the top'}: ${issue.message}`, { remedy });
  }
  return parsed.data.devices;
}

function parseEntry(value: unknown, where: string, context: OverlayContext): WinnerEntry {
  const entry = parseWith(winnerEntrySchema, value, where);
  if (entry.isa === VENDOR_ISA) return entry; // the library's version is compared when the entry is first used
  const current = context.formHash(entry.family, entry.params, entry.isa);
  if (current === undefined) throw new Error(`${where}: ${entry.kernelId} is of a form that this version does not have`);
  if (current !== entry.formHash) throw new Error(`${where}: ${entry.kernelId} is stale: its template changed since it was measured; \`griffin tune\` measures again`);
  return entry;
}

function parseWith<T>(schema: { safeParse(value: unknown): { success: true; data: T } | { success: false; error: { issues: readonly { path: PropertyKey[]; message: string }[] } } }, value: unknown, where: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Error(`${where} is skipped: at ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
}

function keepValid<T>(values: readonly unknown[], parse: (value: unknown, index: number) => T, warnings: string[]): T[] {
  return values.flatMap((value, index) => {
    try {
      return [parse(value, index)];
    } catch (error) {
      warnings.push((error as Error).message);
      return [];
    }
  });
}

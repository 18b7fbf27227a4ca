import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { VENDOR_ISA, type Device } from '../device/types.js';
import { LibraryError } from '../errors.js';
import { decisionSchema, deviceIdentitySchema, winnerEntrySchema, winnersEnvelopeSchema, type FfStrategyDecision, type SectionDevice, type WinnerEntry } from './schema.js';

/** The part of a user's library that counts on one device. */
export interface Overlay {
  readonly entries: readonly WinnerEntry[];
  /** Winners of other devices of the same architecture, whose code runs here: better than nothing measured. */
  readonly related: readonly RelatedWinner[];
  readonly decisions: readonly FfStrategyDecision[];
  /** What was left out, and why: entries of other devices, stale or malformed ones. */
  readonly warnings: readonly string[];
}

/** A winner that was measured on another device of the same architecture. */
export interface RelatedWinner {
  readonly entry: WinnerEntry;
  /** The name of that device. */
  readonly device: string;
}

/** What an entry must agree with. */
export interface OverlayContext {
  readonly deviceKey: string;
  /** SHA-256 of the default source of the entry's form, or undefined when there is no such form. */
  readonly formHash: (family: string, params: Readonly<Record<string, string>>, isa: string) => string | undefined;
  /** Whether a kernel for `isa` that was compiled on another device runs on this one. Default: never. */
  readonly runsHere?: (device: SectionDevice, isa: string) => boolean;
  /** Whether to say so when there are only winners of other devices. Default true. */
  readonly noticeForeign?: boolean;
}

/**
 * Whether this device runs what was compiled on `other`: a CPU's kernels of the very instruction set that it uses; a GPU's where the compute
 * capability has the same major and no higher minor number. Code for the emulated device is compiled for one flavour of it, and stays there.
 */
export function sharesArchitecture(device: Pick<Device, 'identity' | 'isa'>, isas: readonly string[]): (other: SectionDevice, isa: string) => boolean {
  const { kind, gpu } = device.identity;
  return (other, isa) => {
    if (other.kind !== kind) return false;
    if (kind === 'cpu') return isa === device.isa;
    if (kind !== 'cuda' || gpu === undefined || other.gpu === undefined || !isas.includes(isa)) return false;
    return Math.floor(other.gpu.capability / 10) === Math.floor(gpu.capability / 10) && other.gpu.capability <= gpu.capability;
  };
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
  if (!existsSync(path)) return { entries: [], related: [], decisions: [], warnings: [] };
  const devices = readEnvelope(path);
  const warnings: string[] = [];
  const foreign = Object.keys(devices).filter((key) => key !== context.deviceKey);
  const own = devices[context.deviceKey];
  const entries = keepValid(own?.entries ?? [], (value, i) => parseEntry(value, `${path}: entry ${i}`, context.deviceKey, context), warnings);
  const decisions = keepValid(own?.decisions ?? [], (value, i) => parseWith(decisionSchema, value, `${path}: decision ${i}`), warnings);
  const related = foreign.flatMap((key) => relatedWinners(devices[key]!, key, context));
  if (foreign.length > 0 && own === undefined && context.noticeForeign !== false) {
    const use = related.length > 0 ? 'Of its winners, those for the same architecture are used where nothing else is known' : 'Its winners are ignored';
    warnings.push(`${path}: tuned on another device (${foreign.join('; ')}); this one is ${context.deviceKey}. ${use}; \`griffin tune\` adds this device`);
  }
  return { entries, related, decisions, warnings };
}

/** What is wrong with winners of other devices is of no interest here: `griffin library doctor` lists it. */
function relatedWinners(section: { readonly device: unknown; readonly entries: readonly unknown[] }, key: string, context: OverlayContext): readonly RelatedWinner[] {
  const device = deviceIdentitySchema.safeParse(section.device);
  if (!device.success || context.runsHere === undefined) return [];
  const entries = keepValid(section.entries, (value, i) => parseEntry(value, `entry ${i} of ${key}`, key, context), []);
  // A vendor's kernel was chosen for one machine and one shape.
  return entries.filter((entry) => entry.isa !== VENDOR_ISA && context.runsHere?.(device.data, entry.isa) === true).map((entry) => ({ entry, device: device.data.name }));
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

function parseEntry(value: unknown, where: string, deviceKey: string, context: OverlayContext): WinnerEntry {
  const entry = parseWith(winnerEntrySchema, value, where);
  if (entry.deviceKey !== deviceKey) throw new Error(`${where}: ${entry.kernelId} was measured on ${entry.deviceKey}, not on ${deviceKey}, and does not belong here; \`griffin tune\` measures it on this device`);
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

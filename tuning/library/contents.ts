/** What `winners.json` holds, read tolerantly and compared in one order for all who merge. */
import { existsSync, readFileSync } from 'node:fs';
import { VENDOR_ISA } from '../../runtime/device/types.js';
import { LibraryError } from '../../runtime/errors.js';
import {
  decisionSchema,
  deviceIdentitySchema,
  emptyWinners,
  winnerEntrySchema,
  winnersEnvelopeSchema,
  type DeviceWinners,
  type FfStrategyDecision,
  type WinnerEntry,
  type Winners,
} from '../../runtime/library/schema.js';
import { fileErrorFrom } from '../file-errors.js';

/** An entry or decision that could not be read. */
export interface Unreadable {
  /** E.g. `entry 3 of cpu-amd-25-17-1`. */
  readonly where: string;
  readonly reason: string;
}

export interface WinnersFile {
  readonly contents: Winners;
  /** How many entries and decisions were left out; `unreadable` says why. */
  readonly dropped: number;
  readonly unreadable: readonly Unreadable[];
}

/** What is there, entry by entry: an unreadable entry costs itself only. Throws LibraryError when the file as a whole is not a winners file. */
export function readWinners(path: string): WinnersFile {
  if (!existsSync(path)) return { contents: emptyWinners(), dropped: 0, unreadable: [] };
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw fileErrorFrom(error, 'read the winners', path);
  }
  let envelope;
  try {
    envelope = winnersEnvelopeSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new LibraryError(`${path} (${text.length} characters) is not a winners file of this version: ${firstLine(error)}`, {
      remedy: `move it away (mv ${path} ${path}.broken) and run griffin tune again; measurements in journal.jsonl are kept`,
      cause: error,
    });
  }
  const unreadable: Unreadable[] = [];
  const devices: Record<string, DeviceWinners> = {};
  for (const [key, section] of Object.entries(envelope.devices)) {
    const device = deviceIdentitySchema.safeParse(section.device);
    if (!device.success) {
      const reason = `the section's device is not valid: ${issueText(device.error)}`;
      section.entries.forEach((_, i) => unreadable.push({ where: `entry ${i} of ${key}`, reason }));
      section.decisions.forEach((_, i) => unreadable.push({ where: `decision ${i} of ${key}`, reason }));
      continue;
    }
    const keep = <T>(kind: string, values: readonly unknown[], schema: { safeParse(value: unknown): Parsed<T> }): T[] =>
      values.flatMap((value, i) => {
        const parsed = schema.safeParse(value);
        if (parsed.success) return [parsed.data];
        unreadable.push({ where: `${kind} ${i} of ${key}`, reason: issueText(parsed.error) });
        return [];
      });
    devices[key] = {
      device: device.data,
      entries: keep<WinnerEntry>('entry', section.entries, winnerEntrySchema),
      decisions: keep<FfStrategyDecision>('decision', section.decisions, decisionSchema),
    };
  }
  return { contents: { schema: envelope.schema, devices }, dropped: unreadable.length, unreadable };
}

interface Issues {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
}
type Parsed<T> = { readonly success: true; readonly data: T } | { readonly success: false; readonly error: Issues };

function issueText({ issues: [first] }: Issues): string {
  return first === undefined ? 'invalid' : `at ${first.path.map(String).join('.') || 'the top'}: ${first.message}`;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n').slice(0, 3).join(' ');
}

/** Equal for entries that answer for the same problem. */
export function problemOf(entry: Pick<WinnerEntry, 'family' | 'params' | 'dims'>): string {
  return JSON.stringify([entry.family, sorted(entry.params), sorted(entry.dims)]);
}

/**
 * Whether two entries of a section exclude each other. Kernels for different instruction sets live side by side and the runtime takes the
 * faster one; a vendor's kernel was measured beside those of ours, so that it takes the place of all of them, and they of it.
 */
export function rivals(a: WinnerEntry, b: WinnerEntry): boolean {
  return problemOf(a) === problemOf(b) && (a.isa === b.isa || [a.isa, b.isa].includes(VENDOR_ISA));
}

/**
 * The order in which entries are preferred where nothing but the entries is known: negative when `a` is the better one. Measured on a
 * calm machine first, then the lower ratio to the default, then the lower kernel id; the rest makes the order total, so that merging
 * does not depend on who comes first.
 */
export function compareEntries(a: WinnerEntry, b: WinnerEntry): number {
  return (
    Number(a.dirty) - Number(b.dirty) ||
    ratioOf(a) - ratioOf(b) ||
    compareText(a.kernelId, b.kernelId) ||
    compareText(b.measuredAt, a.measuredAt) ||
    compareText(canonical(a), canonical(b))
  );
}

/** Winner's time over the default's; 1 where only the default was measured. */
export function ratioOf(entry: WinnerEntry): number {
  return entry.ratio?.median ?? 1;
}

export function decisionKey(decision: FfStrategyDecision): string {
  return JSON.stringify([decision.kind, decision.dtype, sorted(decision.dims)]);
}

/** Prefers the decision that rests on the faster times: the less disturbed ones. */
export function compareDecisions(a: FfStrategyDecision, b: FfStrategyDecision): number {
  return Math.min(a.gatherNs, a.compactNs) - Math.min(b.gatherNs, b.compactNs) || compareText(canonical(a), canonical(b));
}

/** JSON with sorted keys: equal for equal values. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (inner !== null && typeof inner === 'object' && !Array.isArray(inner) ? Object.fromEntries(sorted(inner as Record<string, unknown>)) : inner));
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sorted(values: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(values).sort(([a], [b]) => compareText(a, b));
}

/** Reads a library's journals and winners and sorts their lines by device, regime and problem. */
import { basename } from 'node:path';
import { findFamily } from '../../generator/families/index.js';
import type { Family, Problem } from '../../generator/types.js';
import { VENDOR_ISA } from '../../runtime/device/types.js';
import { winnersPath } from '../../runtime/library/winners.js';
import type { DeviceWinners, FfStrategyDecision, WinnerEntry } from '../../runtime/library/schema.js';
import { journalPaths, readJournalFiles } from '../journal/files.js';
import type { JournalLine, LineOf } from '../journal/lines.js';
import type { SealedLine } from '../journal/parse.js';
import { problemOf, readWinners } from '../library/contents.js';
import { dispatchDims } from '../problems.js';
import { problemKey } from '../types.js';
import { isVendorId } from '../vendor.js';
import { parseProblemKey } from './problem-key.js';
import type { JournalFile } from './types.js';

type KeyedLine = LineOf<'started' | 'abandoned' | 'outcome' | 'final'>;

/** One problem in one instruction set, on one device in one regime. */
export interface Unit {
  readonly key: string;
  readonly problem: Problem;
  /** Undefined where this version has no such family any more. */
  readonly family: Family | undefined;
  readonly isa: string;
  /** In order of time. */
  readonly lines: KeyedLine[];
  entry: WinnerEntry | null;
}

export interface Section {
  readonly deviceKey: string;
  readonly regime: string;
  identity: DeviceWinners['device'] | null;
  readonly runs: LineOf<'run'>[];
  readonly units: Map<string, Unit>;
  readonly decisions: FfStrategyDecision[];
}

export interface Collected {
  readonly lines: readonly JournalLine[];
  readonly files: readonly JournalFile[];
  readonly sections: readonly Section[];
  readonly badEntries: readonly string[];
}

/** Throws FileError and LibraryError for what cannot be read at all. A directory without a library gives no sections. */
export function collectLibrary(directory: string): Collected {
  const files: JournalFile[] = [];
  const known = new Map<string, SealedLine>();
  for (const path of journalPaths(directory)) {
    const { lines, badLines, oldLines } = readJournalFiles([path]);
    files.push({ name: basename(path), lines: lines.length, badLines, oldLines });
    for (const line of lines) known.set(line.sum, line);
  }
  const lines = [...known.values()].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.sum < b.sum ? -1 : 1));
  const sections = new Map<string, Section>();
  for (const line of lines) addLine(sections, line);
  const { contents, unreadable } = readWinners(winnersPath(directory));
  for (const [deviceKey, { device, entries, decisions }] of Object.entries(contents.devices)) {
    for (const entry of entries) addEntry(sectionOf(sections, deviceKey, entry.regime), entry);
    const own = [...sections.values()].filter((section) => section.deviceKey === deviceKey);
    for (const section of own) {
      section.identity = device;
      section.decisions.push(...decisions);
    }
  }
  for (const section of sections.values()) shareVendors(section);
  return { lines, files, sections: [...sections.values()], badEntries: unreadable.map(({ where, reason }) => `${where}: ${reason}`) };
}

function sectionOf(sections: Map<string, Section>, deviceKey: string, regime: string): Section {
  const key = `${deviceKey}\u0000${regime}`;
  const found = sections.get(key) ?? { deviceKey, regime, identity: null, runs: [], units: new Map(), decisions: [] };
  sections.set(key, found);
  return found;
}

function addLine(sections: Map<string, Section>, line: JournalLine): void {
  if (line.kind === 'end') return;
  const section = sectionOf(sections, line.deviceKey, line.regime);
  if (line.kind === 'run') section.runs.push(line);
  else unitOf(section, line.problem, line.kernelId.split('__')[2] ?? '')?.lines.push(line);
}

function unitOf(section: Section, key: string, isa: string): Unit | null {
  const id = `${key}\u0000${isa}`;
  const found = section.units.get(id);
  if (found !== undefined) return found;
  const problem = parseProblemKey(key);
  if (problem === null) return null;
  const unit: Unit = { key, problem, family: findFamily(problem.family), isa, lines: [], entry: null };
  section.units.set(id, unit);
  return unit;
}

/** An entry names its problem by the sizes that the runtime asks with, a journal line by all sizes of the problem. */
function addEntry(section: Section, entry: WinnerEntry): void {
  const wanted = problemOf(entry);
  const asked = ({ family, problem }: Unit): boolean => family !== undefined && problemOf({ ...problem, dims: { ...dispatchDims(family, problem) }, params: { ...problem.params } }) === wanted;
  const units = [...section.units.values()].filter((unit) => asked(unit) && (unit.isa === entry.isa || isVendorId(entry.kernelId)));
  const own = units.length > 0 ? units : [unitOf(section, problemKey(entry), entry.isa)];
  for (const unit of own) if (unit !== null) unit.entry = entry;
}

/** A vendor's kernel runs beside the kernels of an instruction set of ours: it belongs to their problem and is none of its own. */
function shareVendors({ units }: Section): void {
  for (const [id, unit] of units) {
    const hosts = [...units.values()].filter((other) => other !== unit && other.key === unit.key && other.isa !== VENDOR_ISA);
    if (unit.isa !== VENDOR_ISA || hosts.length === 0) continue;
    for (const host of hosts) {
      host.lines.push(...unit.lines);
      host.lines.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    }
    units.delete(id);
  }
}

/** Copies the winners of a device, with what they need, into a folder that can be given away. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LibraryError } from '../../runtime/errors.js';
import { emptyWinners, type DeviceWinners, type WinnerEntry } from '../../runtime/library/schema.js';
import { makeDirectory } from '../../runtime/paths.js';
import { fileErrorFrom } from '../file-errors.js';
import { ratioOf, readWinners } from './contents.js';
import { describeEntry } from './doctor.js';
import { installBinary, KERNELS_FOLDER, WINNERS_FILE, writeAtomically } from './files.js';
import type { FormHash } from './redecide.js';
import { binaryFault, staleness } from './source.js';
import { writeWinners } from './writer.js';

export interface ExportOptions {
  /** The folder to make; must be empty or not exist. */
  readonly out: string;
  /** Key of the device; may be left out where the library has one device only. */
  readonly device?: string;
  /** Also gives away what was measured on a disturbed machine. */
  readonly allowDirty?: boolean;
  readonly formHash: FormHash;
}

export interface ExportReport {
  readonly out: string;
  readonly device: { readonly key: string; readonly name: string };
  readonly winners: number;
  readonly binaries: number;
  readonly bytes: number;
}

/**
 * The folder is a library of its own, without journals and candidates, and names the device it was measured on. Throws LibraryError when there
 * is nothing of the device, when an entry is dirty, stale, foreign or damaged, or for an emulated device, whose times mean nothing; FileError.
 */
export function exportLibrary(directory: string, options: ExportOptions): ExportReport {
  const { contents } = readWinners(join(directory, WINNERS_FILE));
  const [key, section] = sectionOf(directory, contents.devices, options.device);
  if (section.device.kind === 'emulated') throw new LibraryError(`${key} is an emulated device: its times mean nothing, so that its winners are not given away`);
  const faults = section.entries.flatMap((entry) => {
    const fault = faultOf(directory, key, entry, options);
    return fault === null ? [] : [`${describeEntry(entry)}: ${fault}`];
  });
  if (faults.length > 0) {
    throw new LibraryError(`${faults.length} of ${section.entries.length} winners of ${key} are not to be given away: ${faults.slice(0, 5).join('; ')}${faults.length > 5 ? '; …' : ''}`, {
      remedy: 'griffin tune on an idle machine, griffin library prune, or --allow-dirty where only disturbed measurements stand in the way',
    });
  }
  prepareFolder(options.out);
  let bytes = 0;
  const files = new Set<string>();
  const entries = section.entries.map((entry): WinnerEntry => {
    if (entry.binary === undefined) return entry;
    const binary = installBinary(options.out, join(directory, KERNELS_FOLDER, entry.binary.file));
    files.add(binary.file);
    return { ...entry, binary };
  });
  writeWinners(join(options.out, WINNERS_FILE), { ...emptyWinners(), devices: { [key]: { ...section, entries } } });
  writeAtomically(join(options.out, 'README.md'), readme({ ...section, entries }, key));
  for (const name of readdirSync(join(options.out, KERNELS_FOLDER))) bytes += statSync(join(options.out, KERNELS_FOLDER, name)).size;
  return { out: options.out, device: { key, name: section.device.name }, winners: entries.length, binaries: files.size, bytes };
}

function sectionOf(directory: string, devices: Readonly<Record<string, DeviceWinners>>, wanted: string | undefined): readonly [string, DeviceWinners] {
  const keys = Object.keys(devices);
  const key = wanted ?? (keys.length === 1 ? keys[0] : undefined);
  const section = key === undefined ? undefined : devices[key];
  if (key === undefined || section === undefined || section.entries.length === 0) {
    const problem = wanted === undefined ? (keys.length === 0 ? 'holds no winners' : 'holds winners of several devices') : `holds no winners of ${wanted}`;
    throw new LibraryError(`${directory} ${problem}; it has: ${keys.join(', ') || 'none'}`, { remedy: keys.length === 0 ? 'griffin tune' : '--device KEY' });
  }
  return [key, section];
}

function faultOf(directory: string, key: string, entry: WinnerEntry, { allowDirty, formHash }: ExportOptions): string | null {
  if (entry.deviceKey !== key) return `measured on ${entry.deviceKey}`;
  if (entry.dirty && allowDirty !== true) return 'dirty: the machine was disturbed while it was measured';
  return staleness(entry, formHash) ?? binaryFault(directory, entry);
}

function prepareFolder(out: string): void {
  try {
    if (existsSync(out) && readdirSync(out).length > 0) throw new LibraryError(`${out} is not empty: an export is a new folder`, { remedy: '--out DIR of another name' });
    makeDirectory(join(out, KERNELS_FOLDER));
  } catch (error) {
    throw error instanceof LibraryError ? error : fileErrorFrom(error, 'create the folder of the export', out);
  }
}

/** What it is, on what it was measured, and how it is used. */
function readme({ device, entries }: DeviceWinners, key: string): string {
  const list = (values: readonly string[]): string => [...new Set(values)].sort().join(', ');
  const dirty = entries.filter((entry) => entry.dirty).length;
  return [
    `# Tuned kernels for ${device.name}`,
    '',
    `Measured on ${device.name} (device key \`${key}\`). They are used on devices of this key, and, where nothing else is known, on`,
    'devices of the same architecture; on others the default kernels run.',
    '',
    `- winners: ${entries.length}${dirty > 0 ? `, of which ${dirty} were measured on a disturbed machine` : ''}`,
    `- driver: ${list(entries.map(({ driver }) => driver || 'unknown'))}`,
    `- compiler: ${list(entries.map(({ compiler }) => compiler))}`,
    `- regime: ${list(entries.map(({ regime }) => regime))}`,
    `- measured: ${list(entries.map(({ measuredAt }) => measuredAt.slice(0, 10)))}`,
    '',
    'Use: `griffin generate --library THIS_FOLDER …`, or set `GRIFFIN_KERNELS_HOME` to it; `griffin library merge THIS_FOLDER --library DIR` adds it to another library.',
    '',
    '| kernel | time | of the default | 95 % interval |',
    '| --- | ---: | ---: | ---: |',
    ...entries.map((entry) => `| ${describeEntry(entry)} | ${Math.round(entry.medianNs)} ns | ${ratioOf(entry).toFixed(3)} | ${entry.ratio === undefined ? '–' : `${entry.ratio.low.toFixed(3)} – ${entry.ratio.high.toFixed(3)}`} |`),
    '',
  ].join('\n');
}

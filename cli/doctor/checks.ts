/** What generating, building and tuning need, and the command that mends what is missing. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { bytesText, significant } from '../../runtime/bench/format.js';
import { addonPath } from '../../runtime/device/addon.js';
import type { Device } from '../../runtime/device/types.js';
import { GriffinError } from '../../runtime/errors.js';
import type { KernelLibrary } from '../../runtime/library/library.js';
import { readKernelIndex } from '../../runtime/library/manifest.js';
import { libraryDirectory, packageRoot } from '../../runtime/paths.js';
import { findTool, machineFacts, type MachineFacts } from './machine.js';

/** `missing`: generating does not work without it. `warning`: it works, but something is slower or cannot be built. */
export type CheckStatus = 'ok' | 'warning' | 'missing';

export interface Check {
  readonly name: string;
  readonly status: CheckStatus;
  readonly found: string;
  /** The command that mends it. */
  readonly remedy?: string;
}

export interface DoctorReport {
  readonly machine: MachineFacts;
  readonly checks: readonly Check[];
  /** Bytes per second that all threads read together from a buffer larger than the cache; null when it could not be measured. */
  readonly readBytesPerSecond: number | null;
  /** Whether `griffin generate` can run. */
  readonly ready: boolean;
}

const INSTALL = 'apt-get install g++ cmake make (as root)';
const MINIMUM_NODE = [20, 17] as const;

export async function examine(options: { readonly library?: string | undefined } = {}): Promise<DoctorReport> {
  const machine = machineFacts(availableParallelism());
  const opened = await openEverything(options.library);
  try {
    const built = opened.addon.status === 'ok' && opened.kernels.status === 'ok';
    const checks = [node(), compiler(built), cmake(built), opened.addon, opened.kernels, opened.library, memory(machine), ...(opened.addon.status === 'ok' ? await gpus() : [])];
    const readBytesPerSecond = opened.device === null || opened.loaded === null ? null : await readBandwidth(opened.device, opened.loaded);
    return { machine, checks, readBytesPerSecond, ready: checks.every((check) => check.status !== 'missing') };
  } finally {
    await opened.device?.dispose();
  }
}

async function gpus(): Promise<readonly Check[]> {
  const { gpuChecks } = await import('./gpu.js');
  try {
    return await gpuChecks();
  } catch (error) {
    return [failed('GPU', error, 'warning')];
  }
}

function node(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const recent = major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1]);
  const found = `v${process.versions.node}`;
  return recent ? { name: 'Node.js', status: 'ok', found } : { name: 'Node.js', status: 'missing', found: `${found}; expected 20.17 or newer`, remedy: 'install Node.js 20.17 or newer' };
}

/** A tool that is needed to build and to tune, but no longer once everything is built. */
function tool(name: string, commands: readonly string[], purpose: string, built: boolean): Check {
  const found = findTool(...commands);
  if (found !== null) return { name, status: 'ok', found: found.version };
  return { name, status: built ? 'warning' : 'missing', found: `none of ${commands.join(', ')} runs; needed to ${purpose}`, remedy: INSTALL };
}

function compiler(built: boolean): Check {
  const wanted = process.env['CXX'];
  return tool('C++ compiler', wanted === undefined || wanted === '' ? ['c++', 'g++', 'clang++'] : [wanted], 'build and to tune kernels', built);
}

function cmake(built: boolean): Check {
  return tool('CMake', ['cmake'], 'build the native addon', built);
}

function memory(machine: MachineFacts): Check {
  const found = `${bytesText(machine.freeMemoryBytes)} free of ${bytesText(machine.memoryBytes)}; transparent huge pages: ${machine.transparentHugePages}`;
  if (machine.transparentHugePages !== 'never') return { name: 'memory', status: 'ok', found };
  return { name: 'memory', status: 'warning', found: `${found} (weights in small pages are read more slowly)`, remedy: 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (as root)' };
}

interface Opened {
  readonly addon: Check;
  readonly kernels: Check;
  readonly library: Check;
  readonly device: Device | null;
  readonly loaded: KernelLibrary | null;
}

function failed(name: string, error: unknown, status: CheckStatus = 'missing'): Check {
  const remedy = error instanceof GriffinError ? error.remedy : undefined;
  const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  return { name, status, found: message, ...(remedy === undefined ? {} : { remedy }) };
}

/** Opens addon, default kernels and library one after another; each failure is a finding, not an end. */
async function openEverything(libraryOption: string | undefined): Promise<Opened> {
  const directory = libraryDirectory(libraryOption);
  let device: Device | null = null;
  let addon: Check;
  try {
    const { openDevice } = await import('../../runtime/device/index.js');
    device = openDevice('cpu');
    addon = { name: 'native addon', status: 'ok', found: shortPath(addonPath()) };
  } catch (error) {
    addon = failed('native addon', error);
  }
  const kernels = defaultKernels(device);
  const skipped = (found: string): Check => ({ name: 'tuned library', status: 'warning', found, remedy: TUNE });
  if (device === null || kernels.status === 'missing') {
    const state = existsSync(join(directory, 'winners.json')) ? 'exists; it can be read once the rest is mended' : 'does not exist yet';
    return { addon, kernels, library: skipped(`${directory} ${state}`), device, loaded: null };
  }
  try {
    const { openLibrary } = await import('../../runtime/library/library.js');
    const loaded = openLibrary(device, { directory });
    const [first] = loaded.warnings;
    const trouble = first === undefined ? '' : `; ${loaded.warnings.length} ignored, the first: ${first}`;
    const library: Check =
      loaded.winners > 0
        ? { name: 'tuned library', status: loaded.warnings.length === 0 ? 'ok' : 'warning', found: `${directory}: ${loaded.winners} winners for this device${trouble}` }
        : skipped(`${directory}: nothing tuned for this device, default kernels run${trouble}`);
    return { addon, kernels, library, device, loaded };
  } catch (error) {
    return { addon, kernels, library: failed('tuned library', error), device, loaded: null };
  }
}

const TUNE = 'npx griffin tune --device cpu --model DIR --budget 60s';

function defaultKernels(device: Device | null): Check {
  const name = 'default kernels';
  try {
    const index = readKernelIndex();
    const counts = Object.entries(index.isas).map(([isa, objects]) => `${isa} ${objects.reduce((sum, object) => sum + object.kernels.length, 0)}`);
    const found = `${counts.join(', ')}; compiled by ${index.compiler}`;
    if (device !== null && index.isas[device.isa] === undefined) {
      return { name, status: 'missing', found: `none for ${device.isa}, the best instruction set of this CPU (built: ${counts.join(', ')})`, remedy: 'npm run build:kernels' };
    }
    return { name, status: 'ok', found };
  } catch (error) {
    return failed(name, error);
  }
}

function shortPath(path: string): string {
  const root = packageRoot();
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path;
}

async function readBandwidth(device: Device, library: KernelLibrary): Promise<number | null> {
  try {
    const { measureReadRoof } = await import('../../runtime/bench/roofs.js');
    return (await measureReadRoof(device, library, { rounds: 3 })).perSecond;
  } catch {
    return null;
  }
}

/** The report as text. */
export function doctorText(report: DoctorReport): string {
  const { machine } = report;
  const rows: [string, string][] = [
    ['CPU', `${machine.cpu} (${machine.architecture}), ${machine.cores} cores for this process`],
    ['instruction sets', machine.isas.join(', ')],
    ['caches', machine.caches.map(({ level, kind, bytes }) => `L${level}${kind === 'Unified' ? '' : ` ${kind.toLowerCase()}`} ${Math.round(bytes / 1024)} KiB`).join(', ') || 'unknown'],
    ['read bandwidth', report.readBytesPerSecond === null ? 'not measured' : `${significant(report.readBytesPerSecond / 1e9, 3)} GB/s, all threads`],
  ];
  const marks = { ok: 'ok     ', warning: 'warning', missing: 'MISSING' };
  const width = Math.max(...rows.map(([name]) => name.length), ...report.checks.map(({ name }) => name.length));
  return [
    ...rows.map(([name, value]) => `           ${name.padEnd(width)}  ${value}`),
    ...report.checks.flatMap(({ name, status, found, remedy }) => [
      `  ${marks[status]}  ${name.padEnd(width)}  ${found}`,
      ...(remedy === undefined ? [] : [`           ${' '.repeat(width)}  try: ${remedy}`]),
    ]),
    '',
    report.ready ? 'Ready: `npx griffin generate --model models/demo-llama-7m --prompt "Gen 1"`' : 'Not ready: mend what is marked MISSING (npm run build builds everything).',
    '',
  ].join('\n');
}

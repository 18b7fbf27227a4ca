/** What this machine is, read from the kernel's files and the installed tools; needs no addon, so that it works on a bare checkout. */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';

export interface CacheInfo {
  readonly level: number;
  readonly kind: string;
  readonly bytes: number;
}

export interface ToolInfo {
  readonly command: string;
  /** First line of `--version`. */
  readonly version: string;
}

export interface MachineFacts {
  readonly cpu: string;
  readonly architecture: string;
  readonly cores: number;
  /** Instruction sets that kernels exist for and this CPU has, weakest first. */
  readonly isas: readonly string[];
  readonly caches: readonly CacheInfo[];
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  /** always, madvise, never, or unknown. */
  readonly transparentHugePages: string;
}

/** CPU flags (as in /proc/cpuinfo) that each instruction set needs beyond the one before it. */
const ISA_FLAGS: readonly (readonly [string, readonly string[]])[] = [
  ['avx2', ['avx2', 'fma', 'f16c']],
  ['avx512', ['avx512f', 'avx512bw', 'avx512vl', 'avx512dq']],
  ['avx512bf16', ['avx512_bf16']],
];

export function isasOfFlags(flags: ReadonlySet<string>): string[] {
  const isas = ['portable'];
  for (const [isa, needed] of ISA_FLAGS) {
    if (!needed.every((flag) => flags.has(flag))) break;
    isas.push(isa);
  }
  return isas;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The value in brackets of a sysfs choice such as `always [madvise] never`. */
export function chosen(text: string): string {
  return /\[(\w+)\]/.exec(text)?.[1] ?? 'unknown';
}

/** `32K`, `1024K`, `36M` as bytes. */
export function sizeBytes(text: string): number {
  const match = /^(\d+)([KMG]?)$/.exec(text.trim());
  if (match === null) return 0;
  return Number(match[1]) * { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[match[2] as '' | 'K' | 'M' | 'G'];
}

function caches(): CacheInfo[] {
  const folder = '/sys/devices/system/cpu/cpu0/cache';
  let indices: string[];
  try {
    indices = readdirSync(folder).filter((name) => name.startsWith('index')).sort();
  } catch {
    return [];
  }
  return indices.map((index) => ({
    level: Number(readText(`${folder}/${index}/level`)),
    kind: readText(`${folder}/${index}/type`).trim(),
    bytes: sizeBytes(readText(`${folder}/${index}/size`)),
  }));
}

export function machineFacts(cores: number): MachineFacts {
  const cpuinfo = readText('/proc/cpuinfo');
  const field = (name: string): string => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(cpuinfo)?.[1]?.trim() ?? '';
  return {
    cpu: field('model name') || process.arch,
    architecture: process.arch,
    cores,
    isas: isasOfFlags(new Set(field('flags').split(/\s+/))),
    caches: caches(),
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    transparentHugePages: chosen(readText('/sys/kernel/mm/transparent_hugepage/enabled')),
  };
}

/** The first of these commands that runs, with the first line of its `--version`; null when none does. */
export function findTool(...commands: readonly string[]): ToolInfo | null {
  for (const command of commands) {
    const result = spawnSync(command, ['--version'], { encoding: 'utf8', timeout: 10_000 });
    const line = result.stdout?.split('\n')[0]?.trim();
    if (result.status === 0 && line !== undefined && line !== '') return { command, version: line };
  }
  return null;
}

/** Whether the process that wrote a journal's `run` line is still at work, so that its running candidate is not taken for a fatal one. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { LineOf } from './lines.js';

/** What a `run` line says of its process. */
export interface ProcessIdentity {
  readonly host: string;
  /** The kernel's boot id: process ids begin anew with it. Empty where there is none. */
  readonly boot: string;
  readonly pid: number;
}

/** Ticks per second of `/proc/PID/stat`: a constant of Linux' interface. */
const TICKS_PER_SECOND = 100;
/** A process may seem this much younger than it is: start times are in ticks, and two clocks are compared. */
const CLOCK_SLACK_MS = 2000;

export function ownIdentity(): ProcessIdentity {
  return { host: hostname(), boot: readText('/proc/sys/kernel/random/boot_id')?.trim() ?? '', pid: process.pid };
}

/** Runs of this process that have a journal open. A run of this process that is not among them is over. */
const openRuns = new Set<string>();

export function markOpen(run: string): void {
  openRuns.add(run);
}

export function markClosed(run: string): void {
  openRuns.delete(run);
}

/**
 * Alive means: on this host since its last boot there is a process of that id, and it began before the run did. On other hosts nothing can be
 * seen, and the run counts as dead; that costs nothing, since its outcome lifts the quarantine as soon as it is read.
 */
export function isRunAlive(run: LineOf<'run'>, own: ProcessIdentity = ownIdentity(), startOf: (pid: number) => number | null = processStart): boolean {
  if (run.host !== own.host || run.boot !== own.boot) return false;
  if (run.pid === own.pid) return openRuns.has(run.run);
  const start = startOf(run.pid);
  return start !== null && start <= Date.parse(run.at) + CLOCK_SLACK_MS;
}

/** When a process of this machine began, in milliseconds since 1970, or null when there is none. */
export function processStart(pid: number): number | null {
  const stat = readText(`/proc/${pid}/stat`);
  const uptime = readText('/proc/uptime');
  if (stat === null || uptime === null) return null;
  // The second field is the command's name in brackets and may hold anything; the start time is the 20th after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return null;
  return Date.now() - (Number.parseFloat(uptime) - Number(fields[19]) / TICKS_PER_SECOND) * 1000;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

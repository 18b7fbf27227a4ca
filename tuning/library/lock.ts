/**
 * One writer at a time: a lock file that is created with O_EXCL, which file systems on a network honour as well. It says who holds it, so
 * that a lock left behind by a process that was killed can be told from one that is held, and broken.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readFileSync, readlinkSync, rmSync, statSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LibraryError } from '../../runtime/errors.js';
import { fileErrorFrom } from '../file-errors.js';

const holderSchema = z.object({
  /** Of this taking of the lock. */
  token: z.string(),
  host: z.string(),
  /** The kernel's boot id and the process's id space: within both, a process id means something. */
  boot: z.string(),
  ids: z.string(),
  pid: z.number().int(),
  /** Start of the process in clock ticks since boot: process ids are used again. */
  start: z.string(),
  /** ISO 8601. */
  at: z.string(),
});
export type LockHolder = z.infer<typeof holderSchema>;

export interface LockOptions {
  /** How long to wait for the lock, milliseconds. Default 60 000. */
  readonly waitMs?: number;
  /**
   * A lock of a process that cannot be looked at (another machine, another container) counts as left behind when this waiter has seen it
   * unchanged for this long, by its own clock. Default 30 000: longer than anyone holds it.
   */
  readonly staleMs?: number;
}

/** `held`: its process is alive. `left`: its process is gone. `unknown`: it belongs to a process that cannot be looked at from here. */
export type LockState = 'held' | 'left' | 'unknown';

const WAIT_MS = 60_000;
const STALE_MS = 30_000;
const POLL_MS = { first: 5, most: 50 } as const;

/**
 * Runs `work` while no other process does so under the same lock. `work` is handed a check that throws when the lock was taken away in
 * the meantime (this process was stopped for longer than others wait): call it right before what must not be done twice.
 * Throws a LibraryError when the lock does not become free, naming its file and holder, and a FileError where it cannot be created.
 */
export async function withLock<T>(path: string, work: (stillMine: () => void) => T | Promise<T>, options: LockOptions = {}): Promise<T> {
  const token = await acquire(path, options.waitMs ?? WAIT_MS, options.staleMs ?? STALE_MS);
  const isMine = (): boolean => holderOf(path)?.token === token;
  try {
    return await work(() => {
      if (!isMine()) throw new LibraryError(`the lock ${path} was taken over by another process while this one held it`, { remedy: 'run the command again' });
    });
  } finally {
    if (isMine()) rmSync(path, { force: true });
  }
}

/** What a lock file says of its holder; undefined when there is none, or it cannot be read (yet). */
export function holderOf(path: string): LockHolder | undefined {
  try {
    return holderSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}

export function lockState(holder: LockHolder | undefined): LockState {
  if (holder === undefined || holder.boot !== bootId() || holder.ids !== idSpace()) return 'unknown';
  return processStart(holder.pid) === holder.start ? 'held' : 'left';
}

export function describeHolder(holder: LockHolder | undefined): string {
  return holder === undefined ? 'an unknown process' : `process ${holder.pid} on ${holder.host} since ${holder.at}`;
}

async function acquire(path: string, waitMs: number, staleMs: number): Promise<string> {
  const from = performance.now();
  let seen = { text: '', since: from };
  for (let pause: number = POLL_MS.first; ; pause = Math.min(POLL_MS.most, pause * 1.5)) {
    const token = tryCreate(path);
    if (token !== null) return token;
    const now = performance.now();
    const text = contentsOf(path);
    if (text !== seen.text) seen = { text, since: now };
    const holder = holderOf(path);
    const state = lockState(holder);
    if (state === 'left' || (state === 'unknown' && now - seen.since > staleMs)) {
      breakLock(path, text, staleMs);
      continue;
    }
    if (now - from > waitMs) {
      throw new LibraryError(`the library is locked by ${describeHolder(holder)}: ${path} was not released within ${(waitMs / 1000).toFixed(0)} s`, {
        remedy: `wait for that process or end it; if it is gone, remove ${path}`,
      });
    }
    await sleep(pause * (0.5 + Math.random())); // waiters that woke together part
  }
}

/** Returns the token of the new lock, or null when there is one already. */
function tryCreate(path: string): string | null {
  const token = randomUUID();
  let descriptor: number;
  try {
    descriptor = openSync(path, 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return null;
    throw fileErrorFrom(error, 'lock the kernel library', path);
  }
  const holder: LockHolder = { token, host: hostname(), boot: bootId(), ids: idSpace(), pid: process.pid, start: processStart(process.pid) ?? '', at: new Date().toISOString() };
  try {
    writeSync(descriptor, `${JSON.stringify(holder)}\n`);
  } catch (error) {
    rmSync(path, { force: true });
    throw fileErrorFrom(error, 'lock the kernel library', path);
  } finally {
    closeSync(descriptor);
  }
  return token;
}

/**
 * Removes a lock that was left behind, if it is still the one that was looked at. Of several waiters that find it, one at a time may do
 * so: else the second would remove the lock that the first has just taken.
 */
function breakLock(path: string, text: string, staleMs: number): void {
  const breaker = `${path}.break`;
  try {
    closeSync(openSync(breaker, 'wx'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileErrorFrom(error, 'break the lock of the kernel library', breaker);
    // Breaking takes no time: whoever began it long ago was killed.
    const age = Date.now() - (statSync(breaker, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > staleMs) rmSync(breaker, { force: true });
    return;
  }
  try {
    if (contentsOf(path) === text) rmSync(path, { force: true });
  } finally {
    rmSync(breaker, { force: true });
  }
}

function contentsOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function bootId(): string {
  return readOr('/proc/sys/kernel/random/boot_id', hostname());
}

function idSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** Field 22 of `/proc/<pid>/stat`, behind the name in parentheses; undefined when there is no such process, or it has ended. */
function processStart(pid: number): string | undefined {
  const stat = readOr(`/proc/${pid}/stat`, '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return stat === '' || ['Z', 'X'].includes(fields[0] ?? '') ? undefined : fields[19];
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return otherwise;
  }
}

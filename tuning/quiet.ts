/**
 * Compilers run beside the tuner's measurements, and would disturb them: in a quiet section every compiler is stopped, with all that it
 * has started. A process group is what can be stopped as one, whatever a compiler's driver forks.
 */
import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

export interface QuietGate {
  /** In a quiet section: nothing may be started. */
  readonly paused: boolean;
  /** Resolves when no quiet section is open; at once where none is. Check `paused` again after it when anything was awaited since. */
  whenLoud(): Promise<void>;
  /**
   * Takes a process group (the id of its leader) that pauses with the others; in a quiet section it is stopped at once. Returns what to
   * call when it has ended.
   */
  register(group: number): () => void;
  /** Stops every group and returns them. A second call before `resume` changes nothing and returns the groups that are stopped. */
  pause(): number[];
  /** Ends the quiet section: what was stopped goes on. */
  resume(): void;
  /** Milliseconds spent in quiet sections so far: how long a compiler stood still is no part of its time. */
  quietMs(): number;
  /** Ends every group that is left, stopped or not. */
  killAll(): void;
}

/**
 * A gate for the compilers of one tuner. Groups that are left when this process ends are killed, stopped ones included: on a normal
 * end by itself, after `kill -9` by a small shell that notices the end of its standard input.
 */
export function createQuietGate(now: () => number = () => performance.now()): QuietGate {
  const groups = new Set<number>();
  const waiting: (() => void)[] = [];
  let pausedAt: number | null = null;
  let quiet = 0;
  let guard: Guard | null = null;

  function remember(): void {
    guard?.tell([...groups]);
  }

  return {
    get paused() {
      return pausedAt !== null;
    },
    async whenLoud() {
      while (pausedAt !== null) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    register(group) {
      groups.add(group);
      guard ??= startGuard();
      remember();
      if (pausedAt !== null) signalGroup(group, 'SIGSTOP');
      return () => {
        if (groups.delete(group)) remember();
      };
    },
    pause() {
      pausedAt ??= now();
      for (const group of groups) signalGroup(group, 'SIGSTOP');
      return [...groups];
    },
    resume() {
      if (pausedAt === null) return;
      quiet += now() - pausedAt;
      pausedAt = null;
      for (const group of groups) signalGroup(group, 'SIGCONT');
      for (const wake of waiting.splice(0)) wake();
    },
    quietMs: () => quiet + (pausedAt === null ? 0 : now() - pausedAt),
    killAll() {
      for (const group of groups) signalGroup(group, 'SIGKILL');
    },
  };
}

/** To every process of a group; a group that is gone is no error. SIGKILL ends stopped processes too. */
export function signalGroup(group: number, signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
  try {
    process.kill(-group, signal);
  } catch {
    // It has ended.
  }
}

interface Guard {
  /** Groups that must not outlive this process. */
  tell(groups: readonly number[]): void;
}

/** Reads lines of groups; when there are no more, because the writer is gone in whatever way, kills those of the last line. */
const GUARD_SCRIPT = 'while read -r line; do groups=$line; done; for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done';

/** In a session of its own, so that neither Ctrl-C nor the end of a terminal reaches it before its work is done. It keeps nobody waiting. */
function startGuard(): Guard {
  const child = spawn('/bin/sh', ['-c', GUARD_SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  let usable = true;
  child.on('error', () => (usable = false)); // no shell: the other ways of cleaning up remain
  child.stdin.on('error', () => (usable = false));
  child.unref();
  (child.stdin as Writable & { unref?: () => void }).unref?.();
  return {
    tell(groups) {
      if (usable) child.stdin.write(`${groups.join(' ')}\n`);
    },
  };
}

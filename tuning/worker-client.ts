/** The tuner's side of its worker process: starts it, asks it, replaces it when a candidate kills or hangs it. */
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Problem } from '../generator/types.js';
import { AbortedError, FileError, TuneError, UsageError } from '../runtime/errors.js';
import type { DeviceRequest } from './environment.js';
import type { EvaluateReply, EvaluateRequest, FinalReply, FinalRequest, FromWorker, ToWorker, VerifyReply, VerifyRequest, WorkerInfo, WorkerJob } from './protocol.js';
import type { FailedState } from './types.js';

/** Stops what disturbs timings (compilers) while a worker takes samples. `pause` answers the process groups that it stopped. */
export interface QuietGate {
  pause(): Promise<readonly number[]> | readonly number[];
  resume(): void;
}

export interface WorkerOptions {
  /** URL of the module that exports `environment: TuningEnvironment`. */
  readonly environmentUrl: string;
  readonly device: DeviceRequest;
  /** Time to start and to prepare a problem. Default 120 s. */
  readonly prepareLimitMs?: number;
  /** Without one, nothing is stopped while samples are taken. */
  readonly gate?: QuietGate;
  /** Ends the running job (with an AbortedError) and the worker. */
  readonly signal?: AbortSignal;
}

export type FinalOutcome =
  | { readonly state: 'ok'; readonly reply: FinalReply }
  /** `kernelId` is the kernel that ran when the worker died. */
  | { readonly state: 'crashed' | 'timed-out'; readonly kernelId: string; readonly message: string };

export interface TuningWorker {
  /** Starts the worker if need be. */
  info(): Promise<WorkerInfo>;
  prepare(problem: Problem, seed: number): Promise<void>;
  /** Never rejects for what a candidate does: death and hanging are outcomes. */
  evaluate(request: EvaluateRequest, limitMs: number): Promise<EvaluateReply>;
  final(request: FinalRequest, limitMs: number): Promise<FinalOutcome>;
  /** Never rejects for what a kernel does. `limitMs` is for one case. After a fault of the device the worker is replaced. */
  verify(request: VerifyRequest, limitMs: number): Promise<VerifyReply>;
  close(): Promise<void>;
}

type JobEnd =
  | { readonly kind: 'reply'; readonly message: FromWorker }
  | { readonly kind: 'died'; readonly how: string; readonly running: Running | null }
  | { readonly kind: 'timed-out'; readonly running: Running | null };

type Running = Extract<FromWorker, { type: 'running' }>;

interface Process {
  readonly child: ChildProcess;
  readonly info: WorkerInfo;
}

const PREPARE_LIMIT_MS = 120_000;
const STDERR_KEPT = 4096;

export function createWorker(options: WorkerOptions): TuningWorker {
  let current: Promise<Process> | null = null;
  let nextId = 1;
  let stderrTail = '';
  /** Of the running (or last) verification. */
  let casesBegun = 0;
  const prepareLimit = options.prepareLimitMs ?? PREPARE_LIMIT_MS;

  function start(): Promise<Process> {
    current ??= spawn().catch((error: unknown) => {
      current = null;
      throw error;
    });
    return current;
  }

  async function spawn(): Promise<Process> {
    stderrTail = '';
    const child = fork(workerScript(), [options.environmentUrl, JSON.stringify(options.device)], {
      execArgv: workerArguments(),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderrTail = (stderrTail + text).slice(-STDERR_KEPT);
    });
    const end = await waitFor(child, 'ready', null, prepareLimit);
    if (end.kind === 'reply' && end.message.type === 'ready') return { child, info: end.message.info };
    child.kill('SIGKILL');
    // A device that is not known or not there, and an expert trace that cannot be read, are the user's to mend.
    if (end.kind === 'reply' && end.message.type === 'failed' && end.message.name === 'UsageError') throw new UsageError(end.message.message);
    if (end.kind === 'reply' && end.message.type === 'failed' && end.message.name === 'FileError') throw new FileError(end.message.message);
    throw new TuneError(`the tuner's worker process did not start: ${describe(end)}`, { remedy: 'griffin doctor' });
  }

  /** Waits for a message of this type (or a failure) for this job, the child's death, the time limit, or the caller's signal. */
  function waitFor(child: ChildProcess, type: FromWorker['type'], id: number | null, limitMs: number): Promise<JobEnd> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      let running: Running | null = null;
      const quiet = quietSection(child);
      casesBegun = 0;
      const finish = (end: JobEnd): void => {
        detach();
        resolve(end);
      };
      const onMessage = (message: FromWorker): void => {
        if ('id' in message && message.id !== id) return;
        if (message.type === 'running') {
          running = message;
          if (message.detail === undefined) return;
          casesBegun += 1;
          timer.refresh(); // the limit is for a case, not for all of them
        } else if (message.type === 'quiet') {
          quiet.begin(message.id).catch((error: unknown) => {
            detach();
            stop(child);
            reject(error as Error);
          });
        } else if (message.type === 'loud') quiet.end();
        // What a kernel does to a GPU in a final ends in the device's refusal to do anything more: that is this kernel's end, not the run's.
        else if (message.type === 'failed' && message.name === 'DeviceError' && type === 'finished' && running !== null) {
          finish({ kind: 'died', how: message.message, running });
        } else if (message.type === type || message.type === 'failed') finish({ kind: 'reply', message });
      };
      const onExit = (code: number | null, killedBy: string | null): void => {
        finish({ kind: 'died', how: `the process ended with ${killedBy ?? `exit code ${String(code)}`}`, running });
      };
      const onAbort = (): void => {
        detach();
        stop(child);
        reject(signal?.reason instanceof AbortedError ? signal.reason : new AbortedError('tuning was stopped'));
      };
      const timer = setTimeout(() => {
        finish({ kind: 'timed-out', running });
      }, limitMs);
      function detach(): void {
        clearTimeout(timer);
        quiet.end();
        child.off('message', onMessage);
        child.off('exit', onExit);
        signal?.removeEventListener('abort', onAbort);
      }
      child.on('message', onMessage);
      child.on('exit', onExit);
      if (signal?.aborted === true) onAbort();
      else if (child.exitCode !== null || child.signalCode !== null) onExit(child.exitCode, child.signalCode);
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Between `begin` and `end`, which may come before everything has stopped, the gate is held for the worker. */
  function quietSection(child: ChildProcess) {
    let open = false;
    let held = false;
    const release = (): void => {
      if (held) options.gate?.resume();
      held = false;
    };
    return {
      async begin(quietFor: number): Promise<void> {
        open = true;
        const groups = (await options.gate?.pause()) ?? [];
        held = options.gate !== undefined;
        if (!open) return release();
        child.send({ quietFor, groups } satisfies ToWorker, () => undefined);
      },
      end(): void {
        open = false;
        release();
      },
    };
  }

  function stop(child: ChildProcess): void {
    current = null;
    child.removeAllListeners('message');
    child.kill('SIGKILL');
  }

  async function perform(job: WorkerJob, expected: FromWorker['type'], limitMs: number): Promise<JobEnd> {
    let { child } = await start();
    if (child.exitCode !== null || child.signalCode !== null) {
      // Died while idle: no reason to blame the candidate that comes next.
      current = null;
      ({ child } = await start());
    }
    const id = nextId++;
    const wait = waitFor(child, expected, id, limitMs);
    // A send to a process that has just died fails; its exit event settles the wait.
    child.send({ id, job } satisfies ToWorker, () => undefined);
    const end = await wait;
    if (end.kind !== 'reply') stop(child);
    else if (end.message.type === 'failed') throw new TuneError(`the tuner's worker failed: ${end.message.name}: ${end.message.message}`);
    return end;
  }

  function describe(end: JobEnd): string {
    const tail = stderrTail.trim() === '' ? '' : `; its last words: ${stderrTail.trim().split('\n').slice(-3).join(' | ')}`;
    if (end.kind === 'died') return `${end.how}${tail}`;
    if (end.kind === 'timed-out') return 'stopped at the time limit';
    return end.message.type === 'failed' ? end.message.message : `unexpected message ${end.message.type}`;
  }

  return {
    info: async () => (await start()).info,
    async prepare(problem, seed) {
      const end = await perform({ type: 'prepare', problem, seed }, 'prepared', prepareLimit);
      if (end.kind !== 'reply') throw new TuneError(`cannot prepare ${problem.family}: ${describe(end)}`);
    },
    async evaluate(request, limitMs) {
      const end = await perform({ type: 'evaluate', request }, 'evaluated', limitMs);
      if (end.kind === 'reply' && end.message.type === 'evaluated') {
        if (end.message.deviceLost === true) await retire();
        return end.message.reply;
      }
      const failure = (state: FailedState, message: string): EvaluateReply => ({ outcome: { state, message }, conditions: null, retaken: 0, dirty: false });
      return end.kind === 'timed-out' ? failure('timed-out', `stopped after ${limitMs} ms`) : failure('crashed', describe(end));
    },
    async final(request, limitMs) {
      const end = await perform({ type: 'final', request }, 'finished', limitMs);
      if (end.kind === 'reply' && end.message.type === 'finished') return { state: 'ok', reply: end.message.reply };
      const kernelId = (end.kind === 'reply' ? null : end.running?.kernelId) ?? request.kernels[0]?.kernelId ?? '';
      if (end.kind === 'timed-out') return { state: 'timed-out', kernelId, message: `stopped after ${limitMs} ms in the final` };
      return { state: 'crashed', kernelId, message: `in the final: ${describe(end)}` };
    },
    async verify(request, limitMs) {
      const end = await perform({ type: 'verify', request }, 'verified', limitMs);
      if (end.kind === 'reply' && end.message.type === 'verified') {
        // A device that reported a fault answers nothing else any more.
        if (end.message.reply.deviceLost) await retire();
        return end.message.reply;
      }
      const running = end.kind === 'reply' ? null : end.running;
      const timedOut = end.kind === 'timed-out';
      const failure = {
        problem: running?.detail ?? request.family,
        seed: request.seed,
        state: timedOut ? ('timed-out' as const) : ('crashed' as const),
        message: timedOut ? `stopped after ${limitMs} ms` : describe(end),
      };
      return { cases: casesBegun, failed: 1, failures: [failure], worst: 0, deviceLost: true };
    },
    async close() {
      await retire();
    },
  };

  /** Ends the process, if there is one, and waits until it is gone; the next job starts another. */
  async function retire(): Promise<void> {
    const running = await current?.catch(() => null);
    if (running === null || running === undefined) return;
    const gone = new Promise<void>((resolve) => running.child.once('exit', () => resolve()));
    stop(running.child);
    if (running.child.exitCode === null && running.child.signalCode === null) await gone;
  }
}

const FROM_SOURCE = import.meta.url.endsWith('.ts');

function workerScript(): string {
  return fileURLToPath(new URL(FROM_SOURCE ? './worker-main.ts' : './worker-main.js', import.meta.url));
}

/** From sources the worker needs hooks that strip types; vitest's own arguments are none of its business either way. */
function workerArguments(): string[] {
  const loader = new URL('./source-loader.mjs', import.meta.url);
  return FROM_SOURCE && existsSync(fileURLToPath(loader)) ? ['--import', loader.href] : [];
}

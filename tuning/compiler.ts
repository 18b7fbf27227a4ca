import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { arch, constants, getPriority, setPriority } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { AbortedError, CompilerError } from '../runtime/errors.js';
import { signalGroup, type QuietGate } from './quiet.js';

export interface Compiler {
  /** Path of the executable. */
  readonly path: string;
  /** First line of `--version`, e.g. `g++ (Debian 12.2.0-14) 12.2.0`. */
  readonly version: string;
}

const CANDIDATES = ['c++', 'g++', 'clang++'] as const;
const REMEDY = 'apt-get install g++   (or set CXX to a C++17 compiler)';

const found = new Map<string, Promise<Compiler>>();

/**
 * The C++ compiler: `$CXX`, else `c++`, `g++`, `clang++` on the path. `$CXX` names one executable; arguments in it are refused,
 * because flags belong to the content hash. Throws a CompilerError with the command that installs one.
 */
export function findCompiler(environment: NodeJS.ProcessEnv = process.env): Promise<Compiler> {
  const wanted = environment['CXX']?.trim();
  const searchPath = environment['PATH'] ?? '';
  const key = JSON.stringify([wanted, searchPath]);
  let compiler = found.get(key);
  if (compiler === undefined) {
    compiler = probe(wanted === '' ? undefined : wanted, searchPath);
    found.set(key, compiler);
    compiler.catch(() => found.delete(key)); // one may be installed meanwhile
  }
  return compiler;
}

async function probe(wanted: string | undefined, searchPath: string): Promise<Compiler> {
  const names = wanted === undefined ? CANDIDATES : [wanted];
  const failures: string[] = [];
  for (const name of names) {
    const path = locate(name, searchPath);
    if (path === undefined) {
      failures.push(`${name}: not found`);
      continue;
    }
    const result = await runProcess(path, ['--version'], {});
    const version = result.stdout.split('\n')[0]?.trim() ?? '';
    if (result.code === 0 && version !== '') return { path, version };
    failures.push(`${name}: --version failed (${result.stderr.split('\n')[0] ?? `exit code ${result.code}`})`);
  }
  const what = wanted === undefined ? 'no C++ compiler found' : `the compiler in $CXX, "${wanted}", cannot be used`;
  throw new CompilerError(`${what}; tried ${failures.join('; ')}`, { remedy: REMEDY });
}

function locate(name: string, searchPath: string): string | undefined {
  const places = isAbsolute(name) || name.includes('/') ? [name] : searchPath.split(delimiter).filter((dir) => dir !== '').map((dir) => join(dir, name));
  return places.find((place) => {
    const stat = statSync(place, { throwIfNoEntry: false });
    return stat !== undefined && stat.isFile() && (stat.mode & 0o111) !== 0;
  });
}

export interface ProcessResult {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What surrounds a compiler: who may end it, and who may stop it for a while. */
export interface ProcessContext {
  readonly signal?: AbortSignal;
  /** With one, programs start only outside quiet sections, stand still in them, and give way to other work of the machine. Default: none. */
  readonly gate?: QuietGate;
}

/** These two alone, e.g. of options that hold more. */
export function processContext({ signal, gate }: ProcessContext): ProcessContext {
  return { ...(signal === undefined ? {} : { signal }), ...(gate === undefined ? {} : { gate }) };
}

const STDERR_LIMIT = 1 << 20;

/**
 * Runs a program without a shell, `input` on its standard input. It is the leader of a process group of its own: the compiler's driver
 * starts others, which must stop and die with it. The group is killed when the signal fires and when this process exits. Rejects with an
 * AbortedError when the signal fires and with a CompilerError when the program cannot be started.
 */
export async function runProcess(path: string, args: readonly string[], options: ProcessContext & { input?: string; cwd?: string }): Promise<ProcessResult> {
  await untilLoud(options);
  return await start(path, args, options);
}

const running = new Set<number>();
let exitHandled = false;

/** One listener for all: there may be as many compilers as cores. */
function killAtExit(group: number): void {
  running.add(group);
  if (exitHandled) return;
  exitHandled = true;
  process.once('exit', () => {
    for (const one of running) signalGroup(one, 'SIGKILL');
  });
}

/** Waits for the end of a quiet section. Throws an AbortedError when the signal fires before, or had fired. */
export async function untilLoud({ signal, gate }: ProcessContext): Promise<void> {
  if (gate?.paused === true) {
    let wake = (): void => undefined;
    const aborted = new Promise<void>((resolve) => (wake = resolve));
    signal?.addEventListener('abort', wake, { once: true });
    try {
      while (gate.paused && signal?.aborted !== true) await Promise.race([gate.whenLoud(), aborted]);
    } finally {
      signal?.removeEventListener('abort', wake);
    }
  }
  if (signal?.aborted === true) throw new AbortedError('compilation was stopped');
}

/** Nothing is awaited between the caller's look at the gate and the registration: no quiet section can begin in between. */
function start(path: string, args: readonly string[], options: ProcessContext & { input?: string; cwd?: string }): Promise<ProcessResult> {
  const { input, cwd, signal, gate } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true, env: { ...process.env, LC_ALL: 'C' }, ...(cwd === undefined ? {} : { cwd }) });
    const group = child.pid;
    const release = group === undefined || gate === undefined ? undefined : gate.register(group);
    if (group !== undefined && gate !== undefined) giveWay(group);
    let stdout = '';
    let stderr = '';
    const kill = (): void => {
      if (group !== undefined) signalGroup(group, 'SIGKILL');
    };
    signal?.addEventListener('abort', kill, { once: true });
    if (group !== undefined) killAtExit(group);
    const done = (): void => {
      signal?.removeEventListener('abort', kill);
      if (group !== undefined) running.delete(group);
      release?.();
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < STDERR_LIMIT) stderr += text;
    });
    child.on('error', (error) => {
      done();
      reject(new CompilerError(`cannot run ${path}: ${error.message}`, { remedy: REMEDY, cause: error }));
    });
    child.on('close', (code) => {
      done();
      if (signal?.aborted === true) reject(new AbortedError('compilation was stopped'));
      else resolve({ code, stdout, stderr });
    });
    child.stdin.on('error', () => undefined); // a compiler that dies early closes the pipe; its exit code tells
    child.stdin.end(input ?? '');
  });
}

/** Verification and preparation run at the same time and must not wait for compilers. What the program starts later inherits it. */
function giveWay(pid: number): void {
  try {
    setPriority(pid, Math.max(getPriority(), constants.priority.PRIORITY_BELOW_NORMAL));
  } catch {
    // It has ended, or the system does not allow it: slower, not wrong.
  }
}

/** The first errors of a compiler's output: enough to see what is wrong, without pages of context. */
export function trimDiagnostics(stderr: string, limit = 2000): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const first = lines.findIndex((line) => /\berror\b|undefined reference|multiple definition/i.test(line));
  const text = lines.slice(Math.max(first, 0)).join('\n');
  return text.length <= limit ? text : `${text.slice(0, limit)}\n… (${text.length - limit} more characters)`;
}

/** Part of every content hash: objects of another processor family must not be taken for ours. */
export function targetArchitecture(): string {
  return arch();
}

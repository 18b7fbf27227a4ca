/** Runs the built command line as a child process, as a user does. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../runtime/paths.js';

export const ROOT = packageRoot();
export const TINY = join(ROOT, 'test/fixtures/llama-tiny');
export const DEMO = join(ROOT, 'models/demo-llama-7m');

if (!existsSync(join(ROOT, 'dist/cli/main.js'))) throw new Error('dist/ is missing; these tests run the built program: npm run build');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Sends SIGINT as soon as this returns true for what is on standard output and standard error so far. */
  readonly interruptWhen?: (stdout: string, stderr: string) => boolean;
  /** Sends SIGINT after this time. */
  readonly interruptAfterMs?: number;
}

/** An empty library directory, so that what was tuned on this machine plays no part. */
const emptyLibrary = mkdtempSync(join(tmpdir(), 'griffin-no-library-'));
process.on('exit', () => rmSync(emptyLibrary, { recursive: true, force: true }));

export function griffin(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = spawn(process.execPath, [join(ROOT, 'cli/griffin.mjs'), ...args], {
    env: { ...process.env, GRIFFIN_KERNELS_HOME: emptyLibrary, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let interrupted = false;
  const look = (): void => {
    if (interrupted || options.interruptWhen?.(stdout, stderr) !== true) return;
    interrupted = true;
    child.kill('SIGINT');
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    look();
  });
  const timer = options.interruptAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGINT'), options.interruptAfterMs);
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr });
    });
  });
}

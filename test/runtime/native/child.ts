import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { packageRoot } from '../../../runtime/paths.js';

export interface ChildResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Default 120 s; a child that takes longer is killed (signal SIGKILL). */
  readonly timeoutMs?: number;
}

/** Runs a TypeScript (or JavaScript) file in a Node process of its own. */
export function runChild(script: string, args: readonly string[] = [], options: ChildOptions = {}): Promise<ChildResult> {
  const hooks = pathToFileURL(join(packageRoot(), 'test', 'runtime', 'native', 'ts-register.mjs')).href;
  return new Promise((settle, fail) => {
    const child = spawn(process.execPath, ['--import', hooks, script, ...args], {
      env: { ...process.env, NODE_OPTIONS: '', ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 120_000,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', fail);
    child.on('close', (status, signal) => settle({ status, signal, stdout, stderr }));
  });
}

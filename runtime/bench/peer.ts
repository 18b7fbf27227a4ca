/** Other programs that do the same work: what they answer, and how they are asked. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { z } from 'zod';
import type { ModelConfig } from '../checkpoint/types.js';
import { AbortedError } from '../errors.js';
import { packageRoot } from '../paths.js';

const milliseconds = z.number().nonnegative();

const lineSchema = z.object({
  /** What was run, e.g. `torch 2.6: dense, CUDA graph`. */
  name: z.string().min(1),
  density: z.number().min(0).max(1),
  ms_per_token: z.number().positive(),
  prefill_ms: milliseconds.nullable(),
  select_ms: milliseconds.nullable(),
  memory_bytes: z.number().nonnegative().nullable(),
  how: z.string(),
});

export interface PeerResult {
  readonly name: string;
  readonly density: number;
  readonly msPerToken: number;
  readonly prefillMs: number | null;
  readonly selectMs: number | null;
  readonly memoryBytes: number | null;
  readonly how: string;
}

export interface PeerOutcome {
  readonly results: readonly PeerResult[];
  /** Why there are none, or not all. */
  readonly notes: readonly string[];
}

export interface TorchPeerOptions {
  readonly density: number;
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly rounds: number;
  /** Position among the GPUs; null runs on the CPU, which checks the script and measures nothing worth comparing. */
  readonly gpu: number | null;
  /** Default: `$GRIFFIN_PYTHON`, else python3. */
  readonly python?: string;
  readonly script?: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((text: string) => void) | undefined;
  /** Ends a script that hangs. Default: 20 minutes. */
  readonly limitMs?: number;
}

const LIMIT_MS = 20 * 60_000;
const STDERR_KEPT = 2000;

export function torchScript(): string {
  return join(packageRoot(), 'scripts', 'peers', 'torch_griffin.py');
}

/** The command line for a model's shape. */
export function torchCommand(config: ModelConfig, options: TorchPeerOptions): readonly string[] {
  const { hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, vocabSize, gated, activation, tiedEmbeddings } = config;
  const shape = { hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, vocabSize, gated, activation, tiedEmbeddings };
  return [
    options.python ?? (process.env['GRIFFIN_PYTHON'] || 'python3'),
    options.script ?? torchScript(),
    '--shape', JSON.stringify(shape),
    '--density', String(options.density),
    '--prompt-tokens', String(options.promptTokens),
    '--new-tokens', String(options.newTokens),
    '--rounds', String(options.rounds),
    '--device', options.gpu === null ? 'cpu' : `cuda:${options.gpu}`,
  ];
}

/** One line of the script's standard output: a result, a reason why there is none, or null for anything else. */
export function parsePeerLine(line: string): PeerResult | { readonly missing: string } | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  const missing = z.object({ missing: z.string() }).safeParse(value);
  if (missing.success) return missing.data;
  const parsed = lineSchema.safeParse(value);
  if (!parsed.success) return null;
  const { name, density, ms_per_token: msPerToken, prefill_ms: prefillMs, select_ms: selectMs, memory_bytes: memoryBytes, how } = parsed.data;
  return { name, density, msPerToken, prefillMs, selectMs, memoryBytes, how };
}

/** Runs the PyTorch script. Resolves also when there is no Python, no PyTorch or no CUDA in it, saying so. Rejects with AbortedError alone. */
export function runTorchPeer(config: ModelConfig, options: TorchPeerOptions): Promise<PeerOutcome> {
  const [command = 'python3', ...args] = torchCommand(config, options);
  return new Promise((resolve, reject) => {
    const results: PeerResult[] = [];
    const notes: string[] = [];
    let stderr = '';
    let rest = '';
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => {
      notes.push(`torch: stopped after ${Math.round((options.limitMs ?? LIMIT_MS) / 1000)} s`);
      child.kill('SIGKILL');
    }, options.limitMs ?? LIMIT_MS);
    const stop = (): void => {
      child.kill('SIGKILL');
    };
    options.signal?.addEventListener('abort', stop, { once: true });
    const take = (line: string): void => {
      const found = parsePeerLine(line);
      if (found === null) return;
      if ('missing' in found) notes.push(`torch: ${found.missing}`);
      else {
        results.push(found);
        options.onProgress?.(`torch: ${found.name}`);
      }
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(take);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-STDERR_KEPT);
    });
    const end = (problem: string | null): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', stop);
      if (options.signal?.aborted === true) {
        reject(new AbortedError('the benchmark was stopped'));
        return;
      }
      take(rest);
      if (problem !== null) notes.push(problem);
      resolve({ results, notes });
    };
    child.once('error', (error: NodeJS.ErrnoException) => end(`torch: ${command} cannot be run (${error.code ?? error.message}); install Python 3 with PyTorch, or set GRIFFIN_PYTHON`));
    child.once('close', (code, signal) => {
      if (child.pid === undefined) return; // told by 'error'
      const last = stderr.trim().split('\n').at(-1) ?? '';
      end(code === 0 || notes.length > 0 ? null : `torch: the script ended with ${code === null ? (signal ?? 'a signal') : `exit code ${code}`}${last === '' ? '' : `: ${last}`}`);
    });
  });
}

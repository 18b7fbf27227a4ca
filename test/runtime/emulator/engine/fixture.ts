import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../../runtime/paths.js';
import { emulatorRunner } from '../../../support/emulate-kernel.js';

/**
 * Runs the CUDA kernels beside these tests on the emulator's engine. All take the same parameters (kernels/common.cuh): four buffers, `n`, and `bug`, which picks
 * the planted fault (0: none).
 */

export const SCHEDULES = ['forward', 'reverse', 'random'] as const;
export type Schedule = (typeof SCHEDULES)[number];

const KERNELS = join(packageRoot(), 'test', 'runtime', 'emulator', 'engine', 'kernels');
const FLAGS = ['-std=c++17', '-O2', '-DGK_EMULATED', '-ffp-contract=off', '-fno-tree-vectorize', '-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror', '-Wno-unknown-pragmas'];

function call(command: string, args: readonly string[]): void {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}:\n${result.stderr.slice(0, 4000)}`);
}

/** Compiles `kernels/<name>.cu` into a module in the directory; returns its path. */
export function compileModule(name: string, flavour: 'checked' | 'fast', directory: string, extra: readonly string[] = []): string {
  const object = join(directory, `${name}-${flavour}.o`);
  const module = join(directory, `${name}-${flavour}.so`);
  const includes = ['-I', join(packageRoot(), 'runtime', 'emulator', 'include'), '-I', join(packageRoot(), 'templates', 'cuda')];
  call('g++', [...FLAGS, ...extra, ...includes, ...(flavour === 'checked' ? ['-fsanitize=thread,alignment'] : []), '-c', '-x', 'c++', join(KERNELS, `${name}.cu`), '-o', object]);
  call('g++', ['-shared', object, '-o', module]);
  return module;
}

export interface Launch {
  readonly entry: string;
  readonly grid?: number;
  readonly block: number;
  readonly shared?: number;
  readonly cluster?: number;
  readonly dependent?: boolean;
  readonly bug?: number;
}

export interface Program {
  readonly launches: readonly Launch[];
  /** Bytes of `out`, of which nothing is initialised. */
  readonly outBytes?: number;
  /** Contents of `in`; default 256 floats: 0, 1, 2, … */
  readonly input?: Uint8Array;
  /** Bytes of `extra`, of which nothing is initialised. */
  readonly extraBytes?: number;
  readonly n?: number;
  /** Free `in` before the launches. */
  readonly releaseInput?: boolean;
  readonly timeoutMs?: number;
}

export interface Outcome {
  readonly status: number | null;
  readonly stderr: string;
  readonly out: Buffer;
}

export function floats(count: number, f: (i: number) => number): Uint8Array {
  return new Uint8Array(Float32Array.from({ length: count }, (_, i) => f(i)).buffer);
}

export function asFloats(bytes: Buffer): Float32Array {
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

export function runProgram(module: string, program: Program, directory: string, schedule: Schedule = 'forward', capability = 90): Outcome {
  const input = program.input ?? floats(256, (i) => i);
  const inputFile = join(directory, 'in');
  const zeros = join(directory, 'zeros');
  const outFile = join(directory, 'out');
  writeFileSync(inputFile, input);
  writeFileSync(zeros, new Uint8Array(64));
  writeFileSync(outFile, '');
  const lines = [
    `config capability=${capability};schedule=${schedule};seed=7;checked=${module.includes('-checked') ? 1 : 0}`,
    `module ${module}`,
    `buffer ${program.outBytes ?? 2048} -`,
    `buffer ${input.length} ${inputFile}`,
    `buffer 64 ${zeros}`,
    `buffer ${program.extraBytes ?? 4096} -`,
    ...(program.timeoutMs === undefined ? [] : [`timeout ${program.timeoutMs}`]),
    ...(program.releaseInput === true ? ['release 1'] : []),
  ];
  for (const launch of program.launches) {
    const params = Buffer.alloc(40);
    params.writeInt32LE(program.n ?? 256, 32);
    params.writeInt32LE(launch.bug ?? 0, 36);
    lines.push(`params ${params.toString('hex')}`);
    for (let i = 0; i < 4; i++) lines.push(`reloc ${8 * i} ${i} 0`);
    lines.push(`launch ${launch.entry} ${launch.grid ?? 1} 1 1 ${launch.block} ${launch.shared ?? 0} ${launch.cluster ?? 1} ${launch.dependent === true ? 1 : 0}`);
  }
  lines.push(`output 0 ${outFile}`, '');
  const script = join(directory, 'program.txt');
  writeFileSync(script, lines.join('\n'));
  const result = spawnSync(emulatorRunner(), [script], { encoding: 'utf8', timeout: 30_000 });
  return { status: result.status, stderr: result.stderr, out: readFileSync(outFile) };
}

/** The fault's message, or '' when there was none; anything else that went wrong is an error. */
export function faultOf(outcome: Outcome): string {
  if (outcome.status === 0) return '';
  if (outcome.status !== 3) throw new Error(`emu_run ended with ${outcome.status}: ${outcome.stderr}`);
  return outcome.stderr.trim();
}

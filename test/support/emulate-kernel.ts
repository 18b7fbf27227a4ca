import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cudaLaunch, parameterBytes } from '../../generator/cuda-view.js';
import { kernelId, symbolOfId } from '../../generator/ids.js';
import { renderKernel } from '../../generator/render.js';
import type { CudaIsa, Family, Problem, Variant } from '../../generator/types.js';
import { parseLaunchExpression } from '../../runtime/device/launch-expression.js';
import { packageRoot } from '../../runtime/paths.js';
import type { VerificationCase } from '../../tuning/cases.js';
import { compareOutput, POISON } from '../../tuning/compare.js';
import { tensorBytes } from '../../tuning/inputs.js';

/**
 * Runs rendered CUDA kernels on the emulator's engine directly (runtime/emulator/tools/emu_run.cc), without the driver and the device layer
 * above it: what the author of a kernel works with. `griffin verify --device emulated` does the same through all layers.
 */

export type CudaVariant = Variant & { readonly isa: CudaIsa };

export interface EmulatedRun {
  readonly checked: boolean;
  readonly schedule: 'forward' | 'reverse' | 'random';
  readonly seed: number;
  /** Dynamic ints from memory and the residual in place, as plans launch; else immediates and separate buffers. */
  readonly asInPlans: boolean;
}

/** Multiprocessors of the engine's default limits. */
const MULTIPROCESSORS = 4;
const emulator = join(packageRoot(), 'runtime', 'emulator');

/** Builds a file once per content of what it is made from; returns its path. */
function built(name: string, ending: string, inputs: readonly string[], build: (target: string) => void): string {
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(input).update('\0');
  const directory = join(packageRoot(), 'build', 'test-kernels');
  const file = join(directory, `${name}-${hash.digest('hex').slice(0, 24)}${ending}`);
  if (existsSync(file)) return file;
  mkdirSync(directory, { recursive: true });
  const partial = `${file}.${process.pid}.tmp${ending}`;
  build(partial);
  renameSync(partial, file);
  return file;
}

function run(command: string, args: readonly string[], input?: string): void {
  const result = spawnSync(command, args, { encoding: 'utf8', ...(input === undefined ? {} : { input }), maxBuffer: 2 ** 26 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}:\n${result.stderr.split('\n').filter((line) => /error|undefined|warning/.test(line)).slice(0, 20).join('\n') || result.stderr.slice(0, 3000)}`);
}

function textsIn(...directories: readonly string[]): string[] {
  return directories.flatMap((directory) => readdirSync(directory).filter((name) => /\.(h|cuh|cc|S)$/.test(name)).sort().map((name) => readFileSync(join(directory, name), 'utf8')));
}

export function emulatorRunner(): string {
  const engine = join(emulator, 'engine');
  const include = join(emulator, 'include');
  const sources = readdirSync(engine).filter((name) => /\.(cc|S)$/.test(name)).map((name) => join(engine, name));
  const main = join(emulator, 'tools', 'emu_run.cc');
  return built('emu_run', '', [...textsIn(engine, include), readFileSync(main, 'utf8')], (target) =>
    run('g++', ['-std=c++17', '-O2', '-pthread', `-I${engine}`, `-I${include}`, `-I${emulator}`, main, ...sources, '-ldl', '-o', target]),
  );
}

/** Compiles variants into one emulated module. */
export function emulatedModule(family: Family, variants: readonly CudaVariant[], checked: boolean): string {
  const text = variants.map((variant) => `#line 1 "${kernelId(variant, family)}.cu"\n${renderKernel(variant, { family })}\n`).join('');
  const include = join(emulator, 'include');
  const flags = ['-std=c++17', '-O2', '-DGK_EMULATED', '-ffp-contract=off', '-fno-tree-vectorize', '-fPIC', '-fvisibility=hidden', `-I${include}`, `-I${join(packageRoot(), 'templates', 'cuda')}`];
  return built(`${family.name}-${checked ? 'checked' : 'fast'}`, '.so', [text, ...flags, ...textsIn(include)], (target) => {
    const object = target.replace(/\.so$/, '.o');
    try {
      run('g++', [...flags, ...(checked ? ['-fsanitize=thread,alignment'] : []), '-c', '-x', 'c++', '-', '-o', object], text);
      run('g++', ['-shared', object, '-o', target]);
    } finally {
      rmSync(object, { force: true });
    }
  });
}

/** Runs one case; answers what is wrong with it, or null. */
export function emulateCase(module: string, family: Family, variant: CudaVariant, one: VerificationCase, how: EmulatedRun): string | null {
  const { problem } = one;
  const directory = mkdtempSync(join(tmpdir(), 'griffin-emulate-'));
  try {
    const id = kernelId(variant, family);
    const launch = cudaLaunch(variant, family);
    const ints = family.scalars.filter((scalar) => scalar.type === 'int');
    const values: Record<string, number> = { sms: MULTIPROCESSORS };
    for (const scalar of ints) values[scalar.name] = scalar.value(problem.dims, problem.params);
    const evaluate = (text: string): number => parseLaunchExpression(text).evaluate(values);

    const lines: string[] = [`config capability=90;schedule=${how.schedule};seed=${how.seed};checked=${how.checked ? 1 : 0}`, `module ${module}`];
    let count = 0;
    const buffer = (bytes: number, contents: Uint8Array | null): number => {
      const file = contents === null || contents.length === 0 ? '-' : join(directory, `in${count}`);
      if (contents !== null && contents.length > 0) writeFileSync(file, contents);
      lines.push(`buffer ${bytes} ${file}`);
      return count++;
    };
    const alias = how.asInPlans ? aliasOf(family, one) : null;
    const indices = family.tensors.map((tensor, i) => {
      if (one.present[i] !== true || i === alias?.input) return -1;
      const contents = i === alias?.output ? (one.inputs[alias.input] ?? null) : (one.inputs[i] ?? null);
      const index = buffer(Math.max(4, tensorBytes(tensor, problem)), contents);
      if (contents === null && tensor.role !== 'output') lines.push(`poison ${index} ${POISON}`);
      return index;
    });
    if (alias !== null) indices[alias.input] = indices[alias.output]!;
    const dynamic = ints.filter((scalar) => scalar.dynamic === true);
    const bound = how.asInPlans && dynamic.length > 0 ? buffer(dynamic.length * 4, new Uint8Array(Int32Array.from(dynamic, (scalar) => values[scalar.name]!).buffer)) : -1;
    const workspace = buffer(Math.max(4, evaluate(launch.workspaceBytes)), null);
    const counterWords = Math.max(1, evaluate(launch.counters));
    const counters = buffer(counterWords * 4, new Uint8Array(counterWords * 4));

    const { bytes } = parameterBytes(family);
    const params = Buffer.alloc(bytes);
    const relocations = [
      ...indices.map((index) => [index, 0] as const),
      ...dynamic.map((_, i) => [bound, i * 4] as const),
      [workspace, 0] as const,
      [counters, 0] as const,
    ];
    let at = relocations.length * 8;
    for (const scalar of ints) at = params.writeInt32LE(how.asInPlans && scalar.dynamic === true ? 0x7abcdef : values[scalar.name]!, at);
    for (const scalar of family.scalars.filter((s) => s.type === 'float')) at = params.writeFloatLE(scalar.value(problem.dims, problem.params), at);
    lines.push(`params ${params.toString('hex')}`);
    relocations.forEach(([index, offset], i) => lines.push(`reloc ${i * 8} ${index} ${offset}`));
    launch.phases.forEach((phase, i) => {
      const grid = phase.grid.map(evaluate);
      if (grid.includes(0)) return;
      lines.push(`launch ${symbolOfId(id)}__${phase.name} ${grid.join(' ')} ${phase.block} ${evaluate(phase.sharedBytes)} ${phase.cluster ?? 1} ${i > 0 ? 1 : 0}`);
    });
    const outputs = family.tensors.flatMap((tensor, i) => (tensor.role !== 'input' && indices[i]! >= 0 ? [{ tensor, index: indices[i]!, file: join(directory, `out${i}`) }] : []));
    for (const { index, file } of outputs) lines.push(`output ${index} ${file}`);
    const counterFile = join(directory, 'counters');
    lines.push(`output ${counters} ${counterFile}`);
    const script = join(directory, 'run.txt');
    writeFileSync(script, `${lines.join('\n')}\n`);

    const result = spawnSync(emulatorRunner(), [script], { encoding: 'utf8', timeout: 300_000 });
    if (result.status !== 0) return `emu_run ended with ${result.status ?? result.signal}: ${result.stderr.trim().slice(0, 2000)}`;
    for (const { tensor, file } of outputs) {
      const expected = one.expected[tensor.name];
      if (expected === undefined) return `the reference has no ${tensor.name}`;
      const found = new Uint8Array(readFileSync(file)).slice(0, tensorBytes(tensor, problem));
      const difference = compareOutput(tensor.name, found, tensor.dtype(problem.params), expected);
      if (difference !== null) return difference;
    }
    if (readFileSync(counterFile).some((byte) => byte !== 0)) return 'the kernel leaves its counters unequal to zero';
    return null;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Positions of `residual` and `y`, where a case has both of one size. */
function aliasOf(family: Family, one: { readonly problem: Problem; readonly present: readonly boolean[] }): { input: number; output: number } | null {
  const input = family.tensors.findIndex((tensor) => tensor.name === 'residual');
  const output = family.tensors.findIndex((tensor) => tensor.name === 'y');
  return input >= 0 && output >= 0 && one.present[input] === true ? { input, output } : null;
}


import { statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CompilerError } from '../../runtime/errors.js';
import { processContext, runProcess, type ProcessContext } from '../compiler.js';
import type { KernelSource } from '../compile-pool.js';
import { translationUnit } from '../compile-pool.js';

export interface Nvcc {
  readonly kind: 'nvcc';
  readonly path: string;
  /** The release line of `--version`, e.g. `Cuda compilation tools, release 13.0, V13.0.88`. */
  readonly version: string;
}

/**
 * Flags of every CUDA kernel, each for a reason:
 *
 * - `-std=c++17`: as for CPUs.
 * - `-O3`: of ptxas; the default, but a promise.
 * - `-fmad=false`: a fused multiply-add happens where the template says so, so that results depend on the source alone and equal the
 *   emulated device's.
 * - `-Xptxas -v`: the registers, shared memory and spills of each kernel, for the tuner and for reports.
 */
export const CUDA_FLAGS: readonly string[] = ['-std=c++17', '-O3', '-fmad=false', '-Xptxas', '-v'];

export const NVCC_REMEDY = 'install the CUDA toolkit (nvcc), or set GRIFFIN_NVCC to the path of an nvcc';

const found = new Map<string, Promise<Nvcc | null>>();

/**
 * `$GRIFFIN_NVCC`; else the nvcc of `$CUDA_HOME`, `$CUDA_PATH`, the path, or /usr/local/cuda; null when there is none. Throws a CompilerError
 * when `$GRIFFIN_NVCC` is set and cannot be used.
 */
export function findNvcc(environment: NodeJS.ProcessEnv = process.env): Promise<Nvcc | null> {
  const explicit = environment['GRIFFIN_NVCC']?.trim();
  const places = explicit !== undefined && explicit !== '' ? [explicit] : usualPlaces(environment);
  const key = JSON.stringify([explicit ?? '', places]);
  let nvcc = found.get(key);
  if (nvcc === undefined) {
    nvcc = probe(places, explicit !== undefined && explicit !== '');
    found.set(key, nvcc);
    nvcc.then((one) => one ?? found.delete(key)).catch(() => found.delete(key)); // one may be installed meanwhile
  }
  return nvcc;
}

function usualPlaces(environment: NodeJS.ProcessEnv): string[] {
  const homes = [environment['CUDA_HOME'], environment['CUDA_PATH']].filter((home): home is string => home !== undefined && home !== '');
  const path = (environment['PATH'] ?? '').split(delimiter).filter((dir) => dir !== '');
  return [...homes.map((home) => join(home, 'bin')), ...path, '/usr/local/cuda/bin'].map((dir) => join(dir, 'nvcc'));
}

async function probe(places: readonly string[], explicit: boolean): Promise<Nvcc | null> {
  for (const path of places) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile() || (stat.mode & 0o111) === 0) {
      if (explicit) throw new CompilerError(`$GRIFFIN_NVCC is not an executable file: ${path}`, { remedy: NVCC_REMEDY });
      continue;
    }
    const result = await runProcess(path, ['--version'], {});
    const version = /^.*\brelease [^\n]*$/m.exec(result.stdout)?.[0].trim();
    if (result.code === 0 && version !== undefined) return { kind: 'nvcc', path, version };
    if (explicit) throw new CompilerError(`$GRIFFIN_NVCC, "${path}", does not answer --version as nvcc does: ${result.stderr.split('\n')[0] ?? ''}`, { remedy: NVCC_REMEDY });
  }
  return null;
}

export interface NvccRun {
  readonly code: number | null;
  readonly stdout: string;
  /** Diagnostics, and ptxas's statistics. */
  readonly stderr: string;
}

/**
 * Compiles sources as one translation unit. The text goes in through standard input, so that no path of this machine gets into the output.
 * Throws a CompilerError when this nvcc does not know an architecture.
 *
 * @param format what `output` becomes, with the code that it holds
 */
export async function runNvcc(nvcc: Nvcc, sources: readonly KernelSource[], format: readonly string[], output: string, context: ProcessContext): Promise<NvccRun> {
  const args = [...CUDA_FLAGS, ...format, '-x', 'cu', '-', '-o', output];
  const result = await runProcess(nvcc.path, args, { ...processContext(context), input: translationUnit(sources, '.cu') });
  const unknown = /Unsupported gpu architecture '([^']+)'/.exec(result.stderr);
  if (unknown !== null) {
    throw new CompilerError(`${nvcc.path} (${nvcc.version}) does not know the architecture ${unknown[1]}`, { remedy: 'install a CUDA toolkit that supports this GPU' });
  }
  return result;
}

/** Flags for one exact capability, e.g. 86: machine code alone. */
export function cubinFormat(capability: number): readonly string[] {
  return ['-gencode', `arch=compute_${capability},code=sm_${capability}`, '-cubin'];
}

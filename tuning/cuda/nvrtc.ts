import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { AbortedError, CompilerError } from '../../runtime/errors.js';
import { nativeAddon } from '../../runtime/device/addon.js';

/** NVRTC: CUDA's compiler as a library, for machines that have a driver and no toolkit. */
export interface Nvrtc {
  readonly kind: 'nvrtc';
  /** Path, or a name that the dynamic linker finds. */
  readonly path: string;
  /** e.g. `NVRTC 13.0`. */
  readonly version: string;
}

/** The flags of nvcc.ts as NVRTC spells them; ptxas optimises fully by default. Verbose output goes into the log. */
export const NVRTC_FLAGS: readonly string[] = ['--std=c++17', '--fmad=false', '--ptxas-options=-v'];

/** Names without a path, newest first: a driver's or toolkit's installation puts its library where the linker finds it. */
const NAMES = ['libnvrtc.so', 'libnvrtc.so.13', 'libnvrtc.so.12', 'libnvrtc.so.11.2'];

/**
 * `$GRIFFIN_NVRTC` (a path); else libnvrtc by name, then under `$CUDA_HOME`, `$CUDA_PATH`, `$LD_LIBRARY_PATH` and /usr/local/cuda; null when there
 * is none. Throws a CompilerError when `$GRIFFIN_NVRTC` is set and cannot be used, an AddonError when the addon is not built.
 */
export function findNvrtc(environment: NodeJS.ProcessEnv = process.env): Nvrtc | null {
  const explicit = environment['GRIFFIN_NVRTC']?.trim();
  if (explicit !== undefined && explicit !== '') {
    const found = open(explicit);
    if (typeof found !== 'string') return found;
    throw new CompilerError(`$GRIFFIN_NVRTC cannot be used: ${found}`, { remedy: 'set GRIFFIN_NVRTC to the path of a libnvrtc.so' });
  }
  for (const path of [...NAMES, ...pathsIn(environment)]) {
    const found = open(path);
    if (typeof found !== 'string') return found;
  }
  return null;
}

function pathsIn(environment: NodeJS.ProcessEnv): string[] {
  const homes = [environment['CUDA_HOME'], environment['CUDA_PATH'], '/usr/local/cuda'].filter((home): home is string => home !== undefined && home !== '');
  const directories = [...homes.map((home) => join(home, 'lib64')), ...(environment['LD_LIBRARY_PATH'] ?? '').split(delimiter).filter((dir) => dir !== '')];
  return directories.filter((dir) => existsSync(dir)).flatMap((dir) => readdirSync(dir).filter((name) => /^libnvrtc\.so(\.\d+)*$/.test(name)).sort().reverse().map((name) => join(dir, name)));
}

/** The library, or why it cannot be used. */
function open(path: string): Nvrtc | string {
  const addon = nativeAddon();
  try {
    const [major, minor] = addon.nvrtcVersion(path);
    return { kind: 'nvrtc', path, version: `NVRTC ${major}.${minor}` };
  } catch (error) {
    return (error as Error).message;
  }
}

export interface NvrtcOutput {
  readonly log: string;
  /** Machine code, or null when the source was refused: the log says why. */
  readonly cubin: Uint8Array | null;
}

/** Compiles one translation unit for one exact capability. A compilation that runs is not interrupted: the signal counts before and after. */
export async function compileWithNvrtc(nvrtc: Nvrtc, source: string, capability: number, signal: AbortSignal | undefined): Promise<NvrtcOutput> {
  const check = (): void => {
    if (signal?.aborted === true) throw new AbortedError('compilation was stopped');
  };
  check();
  const [log, cubin] = await nativeAddon().nvrtcCompile(nvrtc.path, source, 'kernels.cu', [...NVRTC_FLAGS, `--gpu-architecture=sm_${capability}`]);
  check();
  if (cubin === null && /invalid value for --gpu-architecture/.test(log)) {
    throw new CompilerError(`${nvrtc.version} (${nvrtc.path}) does not know the architecture sm_${capability}`, { remedy: 'install a CUDA toolkit that supports this GPU' });
  }
  return { log, cubin };
}

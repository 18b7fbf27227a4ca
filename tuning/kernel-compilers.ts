/** What compiles kernels, per kind of device: the host's C++ compiler, nvcc or NVRTC, or nothing but what is shipped. */
import { join } from 'node:path';
import { isCpuIsa } from '../generator/targets.js';
import type { Isa } from '../generator/types.js';
import type { DeviceIdentity } from '../runtime/device/types.js';
import { TuneError, type CompilerError } from '../runtime/errors.js';
import { fatbinDirectory, findFatbin, readFatbinIndex } from '../runtime/library/fatbins.js';
import { defaultKernelDirectory, EMULATED_TARGET_PREFIX, findObject, readKernelIndex } from '../runtime/library/manifest.js';
import { compileKernels } from './compile.js';
import type { KernelSource } from './compile-pool.js';
import { findCompiler } from './compiler.js';
import { compileCudaKernels, findCudaCompiler } from './cuda/compile.js';
import { compileEmulatedKernels, type EmulatedFlavour } from './cuda/emulated.js';
import { openPrebuilt } from './prebuilt.js';

export type CompiledKernel =
  | { readonly ok: true; readonly id: string; readonly file: string }
  | { readonly ok: false; readonly id: string; readonly message: string; readonly reason?: 'compiler' | 'spills' };

export interface KernelCompileOptions {
  readonly directory: string;
  /** Whether a kernel that keeps registers in memory is accepted. */
  readonly maySpill: (kernelId: string) => boolean;
  readonly signal?: AbortSignal;
  /** Called after each kernel. */
  readonly onBuilt?: () => void;
}

export interface KernelCompiler {
  /** Part of the key of every measurement. */
  readonly version: string;
  /** A binary that holds this kernel already, compiled from today's sources; else null. */
  prebuilt(kernelId: string, isa: Isa): string | null;
  compile(sources: readonly KernelSource[], isa: Isa, options: KernelCompileOptions): Promise<readonly CompiledKernel[]>;
}

/** The compiler for a device's kernels. Throws a CompilerError where there is none. */
export async function compilerFor(identity: DeviceIdentity): Promise<KernelCompiler> {
  switch (identity.kind) {
    case 'cpu':
      return cpuCompiler();
    case 'cuda':
      return cudaCompiler(identity.gpu?.capability ?? 0);
    case 'emulated':
      return emulatedCompiler(identity.gpu?.checked === false ? 'fast' : 'checked', identity.gpu?.capability ?? 0);
    default:
      throw new TuneError(`no compiler is known for a device of kind ${identity.kind}`);
  }
}

export async function cpuCompiler(): Promise<KernelCompiler> {
  const compiler = await findCompiler();
  const prebuilt = openPrebuilt(compiler);
  return {
    version: compiler.version,
    prebuilt: (kernelId, isa) => prebuilt.find(kernelId, isa),
    compile: (sources, isa, { directory, signal, onBuilt }) => {
      if (!isCpuIsa(isa)) throw new TuneError(`${isa} is not an instruction set of CPUs`);
      return compileKernels(sources, {
        isa,
        directory,
        compiler,
        ...(signal === undefined ? {} : { signal }),
        ...(onBuilt === undefined ? {} : { onResult: () => onBuilt() }),
      });
    },
  };
}

/** nvcc or NVRTC, for one exact compute capability. */
async function cudaCompiler(capability: number): Promise<KernelCompiler> {
  const compiler = await findCudaCompiler();
  return {
    version: compiler.version,
    prebuilt: () => null,
    compile: (sources, _isa, { directory, maySpill, signal, onBuilt }) =>
      compileCudaKernels(sources, {
        capability,
        directory,
        compiler,
        maySpill,
        ...(signal === undefined ? {} : { signal }),
        ...(onBuilt === undefined ? {} : { onResult: () => onBuilt() }),
      }),
  };
}

/** The host's compiler, against the emulation's headers. */
async function emulatedCompiler(flavour: EmulatedFlavour, capability: number): Promise<KernelCompiler> {
  const compiler = await findCompiler();
  return {
    version: `${compiler.version}, emulated ${flavour}`,
    prebuilt: () => null,
    compile: (sources, _isa, { directory, signal, onBuilt }) =>
      compileEmulatedKernels(sources, {
        flavour,
        capability,
        directory,
        compiler,
        ...(signal === undefined ? {} : { signal }),
        ...(onBuilt === undefined ? {} : { onResult: () => onBuilt() }),
      }),
  };
}

/** Where there is no compiler: the default kernels that are shipped compiled, and nothing else. */
export function shippedOnly(identity: DeviceIdentity, missing: CompilerError): KernelCompiler {
  const { version, find } = identity.kind === 'cuda' ? shippedFatbins() : shippedObjects(identity);
  return {
    version,
    prebuilt: find,
    compile: (sources) => Promise.resolve(sources.map(({ id }) => ({ ok: false, id, message: `not shipped, and ${missing.message}` }))),
  };
}

interface Shipped {
  readonly version: string;
  readonly find: (kernelId: string, isa: Isa) => string | null;
}

function shippedObjects({ kind, gpu }: DeviceIdentity): Shipped {
  const index = readKernelIndex();
  return {
    version: index.compiler,
    find(kernelId, isa) {
      const target = kind === 'emulated' ? `${EMULATED_TARGET_PREFIX}${gpu?.checked === false ? 'fast' : 'checked'}` : isa;
      const object = findObject(index, target, kernelId);
      return object === undefined ? null : join(defaultKernelDirectory(), object.file);
    },
  };
}

function shippedFatbins(): Shipped {
  const index = readFatbinIndex();
  return {
    version: index.compiler,
    find(kernelId) {
      const fatbin = findFatbin(index, kernelId.split('__')[0] ?? '', kernelId);
      return fatbin === undefined ? null : join(fatbinDirectory(), fatbin.file);
    },
  };
}

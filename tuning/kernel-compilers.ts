/** What compiles kernels, per kind of device: the host's C++ compiler, nvcc or NVRTC, or nothing but what is shipped. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { isCpuIsa } from '../generator/targets.js';
import type { Isa } from '../generator/types.js';
import type { DeviceIdentity } from '../runtime/device/types.js';
import { TuneError, type CompilerError } from '../runtime/errors.js';
import { fatbinDirectory, findFatbin, readFatbinIndex } from '../runtime/library/fatbins.js';
import { defaultKernelDirectory, EMULATED_TARGET_PREFIX, findObject, readKernelIndex } from '../runtime/library/manifest.js';
import { compileKernels, type ObjectDetails } from './compile.js';
import type { KernelSource, PoolResult } from './compile-pool.js';
import { findCompiler, processContext, type ProcessContext } from './compiler.js';
import { compileCudaKernels, findCudaCompiler, type CubinDetails, type CudaCompileResult } from './cuda/compile.js';
import { compileEmulatedKernels, type EmulatedFlavour } from './cuda/emulated.js';
import { openPrebuilt } from './prebuilt.js';
import type { KernelResources } from './types.js';

export type CompiledKernel =
  | {
      readonly ok: true;
      readonly id: string;
      readonly file: string;
      /** Equal for kernels with the same code: see machine-code.ts. */
      readonly machineCode: string;
      readonly resources: KernelResources;
      /** Its share of its unit's time, also when it was compiled in an earlier run. */
      readonly compileMs: number;
    }
  | { readonly ok: false; readonly id: string; readonly message: string; readonly reason?: 'compiler' | 'spills'; readonly compileMs?: number };

export interface KernelCompileOptions extends ProcessContext {
  readonly directory: string;
  /** Whether a kernel that keeps registers in memory is accepted. */
  readonly maySpill: (kernelId: string) => boolean;
  /** Compilers at a time. */
  readonly jobs: number;
  /** Called once per kernel, as soon as it is known. */
  readonly onResult: (result: CompiledKernel) => void;
}

export interface KernelCompiler {
  /** Part of the key of every measurement. */
  readonly version: string;
  /** A binary that holds this kernel already, compiled from today's sources; else null. */
  prebuilt(kernelId: string, isa: Isa): string | null;
  /** Resolves when every source has its result. Rejects with AbortedError, CompilerError or FileError. */
  compile(sources: readonly KernelSource[], isa: Isa, options: KernelCompileOptions): Promise<void>;
  /** Compilers at a time while nobody waits for one of them; they leave a core to what is measured meanwhile. Default: the number of cores. */
  readonly backgroundJobs?: number;
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
    backgroundJobs: Math.max(1, availableParallelism() - 1),
    prebuilt: (kernelId, isa) => prebuilt.find(kernelId, isa),
    async compile(sources, isa, options) {
      if (!isCpuIsa(isa)) throw new TuneError(`${isa} is not an instruction set of CPUs`);
      await compileKernels(sources, { isa, compiler, ...poolOptions(options), onResult: (result) => options.onResult(objectResult(result)) });
    },
  };
}

/** nvcc or NVRTC, for one exact compute capability. */
async function cudaCompiler(capability: number): Promise<KernelCompiler> {
  const compiler = await findCudaCompiler();
  return {
    version: compiler.version,
    prebuilt: () => null,
    async compile(sources, _isa, options) {
      const { maySpill } = options;
      await compileCudaKernels(sources, { capability, compiler, maySpill, ...poolOptions(options), onResult: (result) => options.onResult(cubinResult(result)) });
    },
  };
}

/** The host's compiler, against the emulation's headers. */
async function emulatedCompiler(flavour: EmulatedFlavour, capability: number): Promise<KernelCompiler> {
  const compiler = await findCompiler();
  return {
    version: `${compiler.version}, emulated ${flavour}`,
    prebuilt: () => null,
    async compile(sources, _isa, options) {
      await compileEmulatedKernels(sources, { flavour, capability, compiler, ...poolOptions(options), onResult: (result) => options.onResult(objectResult(result)) });
    },
  };
}

function poolOptions(options: KernelCompileOptions): ProcessContext & { readonly directory: string; readonly jobs: number } {
  return { ...processContext(options), directory: options.directory, jobs: options.jobs };
}

function objectResult(result: PoolResult<ObjectDetails>): CompiledKernel {
  if (!result.ok) return result;
  const { machineCode, codeBytes, compileMs } = present(result);
  return { ok: true, id: result.id, file: result.file, machineCode, compileMs, resources: codeBytes === undefined ? {} : { codeBytes } };
}

function cubinResult(result: CudaCompileResult): CompiledKernel {
  if (!result.ok) return result;
  const { machineCode, codeBytes, compileMs, entries } = present(result);
  const most = (of: 'registers' | 'shared'): number => Math.max(0, ...Object.values(entries).map((entry) => entry[of]));
  const told = Object.keys(entries).length > 0 ? { registers: most('registers'), sharedBytes: most('shared') } : {};
  return { ok: true, id: result.id, file: result.file, machineCode, compileMs, resources: { ...told, ...(codeBytes === undefined ? {} : { codeBytes }) } };
}

/** Both toolchains give details of every kernel that compiles. */
function present<Details extends ObjectDetails | CubinDetails>({ id, details }: { readonly id: string; readonly details?: Details }): Details {
  if (details === undefined) throw new TuneError(`${id} was compiled without the details that belong to it`);
  return details;
}

/** Where there is no compiler: the default kernels that are shipped compiled, and nothing else. */
export function shippedOnly(identity: DeviceIdentity, missing: CompilerError): KernelCompiler {
  const { version, find } = identity.kind === 'cuda' ? shippedFatbins() : shippedObjects(identity);
  return {
    version,
    prebuilt: find,
    compile(sources, _isa, { onResult }) {
      for (const { id } of sources) onResult({ ok: false, id, message: `not shipped, and ${missing.message}` });
      return Promise.resolve();
    },
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

/** Kernels for the emulated device: the same sources, compiled by the host's C++ compiler against the emulation's headers. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LibraryError } from '../../runtime/errors.js';
import { packageRoot } from '../../runtime/paths.js';
import { compileThroughAssembly, readObjectDetails, type ObjectDetails } from '../compile.js';
import { compileAll, outcomeOf, translationUnit, type KernelSource, type PoolOptions, type PoolResult, type Toolchain } from '../compile-pool.js';
import { findCompiler, runProcess, targetArchitecture, type Compiler } from '../compiler.js';

/** `checked` reports every memory access to the emulator, `fast` does not. */
export const EMULATED_FLAVOURS = ['checked', 'fast'] as const;
export type EmulatedFlavour = (typeof EMULATED_FLAVOURS)[number];

/** Capability of an emulated device that says no other. */
export const EMULATED_CAPABILITY = 90;

/**
 * - `-O2` and no vectorisation: emulated threads spend their time in the engine, and compilation in the optimiser.
 * - `-ffp-contract=off`: as nvcc's `-fmad=false`.
 * - `-fno-strict-aliasing`: kernels look at the bits of numbers through pointers, as device code may.
 * - `-fvisibility=hidden`: modules export their kernels and the binding, and share nothing with each other.
 */
const COMPILE_FLAGS: readonly string[] = [
  '-std=c++17',
  '-O2',
  '-fno-tree-vectorize',
  '-fPIC',
  '-fvisibility=hidden',
  '-ffp-contract=off',
  '-fno-strict-aliasing',
  '-fno-exceptions',
  '-fno-rtti',
  '-fno-ident',
  '-fno-stack-protector',
];

/** Instrumentation of the compile step alone: its callbacks are in emulation_checked.h, no sanitizer's library is linked. */
const CHECKED_FLAGS: readonly string[] = ['-fsanitize=thread,alignment'];

const LINK_FLAGS: readonly string[] = ['-shared', '-Wl,-z,defs', '-Wl,--as-needed'];

/** Flags of the compile step, without paths. */
export function emulatedFlags(flavour: EmulatedFlavour, capability: number): readonly string[] {
  return [...COMPILE_FLAGS, ...(flavour === 'checked' ? CHECKED_FLAGS : []), '-DGK_EMULATED', `-DGK_EMULATED_CAPABILITY=${capability}`];
}

/** `runtime/emulator/include/` of this package. */
export function emulationHeaderDirectory(): string {
  return join(packageRoot(), 'runtime', 'emulator', 'include');
}

/** SHA-256 of the emulation's headers, names included: they are part of every emulated kernel. Throws a LibraryError when there are none. */
export function emulationHeaderHash(directory = emulationHeaderDirectory()): string {
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith('.h')).sort();
  } catch (error) {
    throw new LibraryError(`cannot read the emulation's headers in ${directory}: ${(error as Error).message}`, { remedy: 'reinstall griffin-kernels', cause: error });
  }
  const hash = createHash('sha256');
  for (const name of names) hash.update(name).update('\0').update(readFileSync(join(directory, name))).update('\0');
  return hash.digest('hex');
}

export interface EmulatedCompileOptions extends PoolOptions<ObjectDetails> {
  readonly flavour: EmulatedFlavour;
  /** The lowest capability (10 × major + minor) of a device that takes the module; from 90 on, kernels have the functions of 9.0. */
  readonly capability: number;
  readonly compiler?: Compiler;
}

/**
 * Compiles CUDA kernels for the emulated device into `<hash>.cu`, `<hash>.so` and `<hash>.json` (machine code and time); one result per source, in order. The name is the hash of
 * source, headers, flags, compiler version and processor architecture. A kernel that does not compile is a result, not an error.
 * Throws CompilerError (no compiler), AbortedError, FileError, LibraryError (no headers).
 */
export async function compileEmulatedKernels(sources: readonly KernelSource[], options: EmulatedCompileOptions): Promise<readonly PoolResult<ObjectDetails>[]> {
  const { flavour, capability } = options;
  const compiler = options.compiler ?? (await findCompiler());
  const headers = emulationHeaderHash();
  const toolchain: Toolchain<ObjectDetails> = {
    binary: '.so',
    source: '.cu',
    hash: (text) => emulatedHash([text], { flavour, capability, compiler, headers }).slice(0, 32),
    readDetails: readObjectDetails,
    compile: (batch, output, context) =>
      compileThroughAssembly(batch, output, context, {
        compiler: compiler.path,
        ending: '.cu',
        compile: [...emulatedFlags(flavour, capability), '-I', emulationHeaderDirectory()],
        link: LINK_FLAGS,
      }),
  };
  return compileAll(sources, toolchain, options);
}

/** Hash (64 hexadecimal digits) of everything that decides what sources compile to as one unit. */
export function emulatedHash(
  texts: readonly string[],
  build: { readonly flavour: EmulatedFlavour; readonly capability: number; readonly compiler: Compiler; readonly headers: string },
): string {
  const { flavour, capability, compiler, headers } = build;
  return createHash('sha256')
    .update(JSON.stringify([targetArchitecture(), compiler.version, emulatedFlags(flavour, capability), LINK_FLAGS, headers, texts]))
    .digest('hex');
}

export interface EmulatedUnitOptions {
  readonly flavour: EmulatedFlavour;
  readonly capability: number;
  readonly compiler: Compiler;
  /** Written whole and synced, or not there at all after a failure. */
  readonly output: string;
  readonly signal?: AbortSignal;
}

/** Compiles sources as one translation unit into one module. Returns undefined, or what the compiler said. */
export async function compileEmulatedUnit(sources: readonly KernelSource[], options: EmulatedUnitOptions): Promise<string | undefined> {
  const { compiler, flavour, capability, output } = options;
  const object = `${output}.o`;
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  try {
    const args = [...emulatedFlags(flavour, capability), '-I', emulationHeaderDirectory(), '-c', '-x', 'c++', '-', '-o', object];
    const compiled = await runProcess(compiler.path, args, { input: translationUnit(sources, '.cu'), ...signal });
    const message = await outcomeOf(compiled, compiler.path, object);
    if (message !== undefined) return message;
    return await outcomeOf(await runProcess(compiler.path, [...LINK_FLAGS, object, '-o', output], signal), compiler.path, output);
  } finally {
    await rm(object, { force: true });
  }
}

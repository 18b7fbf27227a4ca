import { createHash } from 'node:crypto';
import { compilerFlags } from '../generator/isa.js';
import type { CpuIsa } from '../generator/types.js';
import { compileAll, outcomeOf, translationUnit, type KernelSource, type PoolOptions, type PoolResult, type Toolchain } from './compile-pool.js';
import { findCompiler, runProcess, targetArchitecture, type Compiler } from './compiler.js';

export type { KernelSource };

export interface CompileOptions extends PoolOptions<undefined> {
  readonly isa: CpuIsa;
  readonly compiler?: Compiler;
}

export type CompileResult = PoolResult<undefined>;

/**
 * Compiles kernels of one CPU instruction set into `<hash>.cc` and `<hash>.so`; one result per source, in order. A kernel that does not
 * compile is a result, not an error.
 *
 * A file's name is the hash of everything that decides its content: source (which includes the ABI version), flags, compiler version
 * and processor architecture; no paths, so that a library can be moved and shared. See compile-pool.ts for batches and publication.
 * Throws CompilerError (no compiler), AbortedError, FileError (directory cannot be written).
 */
export async function compileKernels(sources: readonly KernelSource[], options: CompileOptions): Promise<readonly CompileResult[]> {
  const { isa } = options;
  const compiler = options.compiler ?? (await findCompiler());
  const toolchain: Toolchain = {
    binary: '.so',
    source: '.cc',
    hash: (text) => contentHash(text, isa, compiler),
    async compile(batch, output, signal) {
      const message = await compileUnit(batch, { compiler, isa, output, ...(signal === undefined ? {} : { signal }) });
      return message === undefined ? { ok: true } : { ok: false, message };
    },
  };
  return compileAll(sources, toolchain, options);
}

/** Hash of everything that decides what a source compiles to: 32 hexadecimal digits. */
export function contentHash(text: string, isa: CpuIsa, compiler: Compiler): string {
  return createHash('sha256')
    .update(JSON.stringify([targetArchitecture(), compiler.version, compilerFlags(isa), text]))
    .digest('hex')
    .slice(0, 32);
}

export interface UnitOptions {
  readonly compiler: Compiler;
  readonly isa: CpuIsa;
  /** Written whole and synced, or not there at all after a failure. */
  readonly output: string;
  readonly signal?: AbortSignal;
}

/** Compiles sources as one translation unit into one shared object. Returns undefined, or what the compiler said. */
export async function compileUnit(sources: readonly KernelSource[], options: UnitOptions): Promise<string | undefined> {
  const { compiler, isa, output, signal } = options;
  const args = [...compilerFlags(isa), '-x', 'c++', '-', '-o', output];
  const result = await runProcess(compiler.path, args, { input: translationUnit(sources, '.cc'), ...(signal === undefined ? {} : { signal }) });
  return outcomeOf(result, compiler.path, output);
}

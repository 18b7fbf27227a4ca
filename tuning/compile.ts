import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { sourceHash } from '../generator/render.js';
import { compilerFlags } from '../generator/isa.js';
import type { CpuIsa } from '../generator/types.js';
import { compileAll, outcomeOf, stopwatch, translationUnit, type KernelSource, type PoolOptions, type PoolResult, type Toolchain, type UnitResult } from './compile-pool.js';
import { findCompiler, processContext, runProcess, targetArchitecture, untilLoud, type Compiler, type ProcessContext } from './compiler.js';
import { machineCodeOfUnit, ownMachineCode } from './machine-code.js';

export type { KernelSource };

/** What lies beside a candidate's binary as `<hash>.json`. */
export interface ObjectDetails {
  readonly kernel: string;
  /** Equal for kernels with the same code: see machine-code.ts. */
  readonly machineCode: string;
  /** Bytes of its functions; absent where it is not clear which these are. */
  readonly codeBytes?: number | undefined;
  /** Its share of the time that its unit took to compile. */
  readonly compileMs: number;
}

const detailsSchema = z.strictObject({
  kernel: z.string(),
  machineCode: z.string().regex(/^[0-9a-f]{64}$/),
  codeBytes: z.number().int().nonnegative().optional(),
  compileMs: z.number().nonnegative(),
});

export function readObjectDetails(value: unknown): ObjectDetails {
  return detailsSchema.parse(value);
}

export interface CompileOptions extends PoolOptions<ObjectDetails> {
  readonly isa: CpuIsa;
  readonly compiler?: Compiler;
}

export type CompileResult = PoolResult<ObjectDetails>;

/**
 * Compiles kernels of one CPU instruction set into `<hash>.cc`, `<hash>.so` and `<hash>.json` (machine code and time); one result per
 * source, in order. A kernel that does not compile is a result, not an error.
 *
 * A file's name is the hash of everything that decides its content: source (which includes the ABI version), flags, compiler version
 * and processor architecture; no paths, so that a library can be moved and shared. See compile-pool.ts for batches and publication.
 * Throws CompilerError (no compiler), AbortedError, FileError (directory cannot be written).
 */
export async function compileKernels(sources: readonly KernelSource[], options: CompileOptions): Promise<readonly CompileResult[]> {
  const { isa } = options;
  const compiler = options.compiler ?? (await findCompiler());
  const toolchain: Toolchain<ObjectDetails> = {
    binary: '.so',
    source: '.cc',
    hash: (text) => contentHash(text, isa, compiler),
    readDetails: readObjectDetails,
    compile: (batch, output, context) =>
      compileThroughAssembly(batch, output, context, {
        compiler: compiler.path,
        ending: '.cc',
        compile: compilerFlags(isa),
        link: compilerFlags(isa),
      }),
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

export interface AssemblyBuild {
  /** Path of the compiler. */
  readonly compiler: string;
  /** Of the kernels' names in diagnostics, with the dot. */
  readonly ending: string;
  /** Flags up to the assembly, and from there on. */
  readonly compile: readonly string[];
  readonly link: readonly string[];
}

/**
 * Compiles sources as one unit in two steps, as a compiler does by itself, and reads the assembly in between: it tells the kernels'
 * machine code. The object is the same as that of one step.
 */
export async function compileThroughAssembly(batch: readonly KernelSource[], output: string, context: ProcessContext, build: AssemblyBuild): Promise<UnitResult<ObjectDetails>> {
  const assembly = `${output}.s`;
  const watch = stopwatch(context);
  try {
    const compiled = await runProcess(build.compiler, [...build.compile, '-S', '-x', 'c++', '-', '-o', assembly], { ...processContext(context), input: translationUnit(batch, build.ending) });
    const refused = await outcomeOf(compiled, build.compiler, assembly, false);
    if (refused !== undefined) return { ok: false, message: refused };
    const linked = await runProcess(build.compiler, [...build.link, '-x', 'assembler', assembly, '-o', output], processContext(context));
    const unlinked = await outcomeOf(linked, build.compiler, output);
    if (unlinked !== undefined) return { ok: false, message: unlinked };
    const compileMs = watch() / batch.length;
    await untilLoud(context);
    const code = machineCodeOfUnit(batch.map(({ id }) => id), await readFile(assembly, 'utf8'), await readFile(output));
    return { ok: true, details: new Map(batch.map((source) => [source.id, detailsOf(source, code.get(source.id), compileMs)])) };
  } finally {
    await rm(assembly, { force: true });
  }
}

function detailsOf({ id, text }: KernelSource, code: { hash: string; codeBytes?: number } | undefined, compileMs: number): ObjectDetails {
  const own = { kernel: id, machineCode: code?.hash ?? ownMachineCode(id, sourceHash(text)), compileMs };
  return code?.codeBytes === undefined ? own : { ...own, codeBytes: code.codeBytes };
}

import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, link, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { compilerFlags } from '../generator/isa.js';
import { symbolOfId } from '../generator/ids.js';
import type { CpuIsa } from '../generator/types.js';
import { AbortedError } from '../runtime/errors.js';
import { findCompiler, runProcess, targetArchitecture, trimDiagnostics, type Compiler } from './compiler.js';
import { makeDirectory } from '../runtime/paths.js';
import { fileErrorFrom } from './file-errors.js';

export interface KernelSource {
  /** Kernel id. */
  readonly id: string;
  /** Standalone C++ source, as `renderKernel` returns it. */
  readonly text: string;
}

export interface CompileOptions {
  readonly isa: CpuIsa;
  /** Where `<hash>.cc` and `<hash>.so` go; made when missing. */
  readonly directory: string;
  /** Compilers at a time. Default: the number of cores. */
  readonly jobs?: number;
  /** Most kernels in one translation unit (default 8): parsing the intrinsics header costs more than most kernels. */
  readonly batch?: number;
  readonly signal?: AbortSignal;
  /** Called after each kernel, in order of completion. */
  readonly onResult?: (result: CompileResult) => void;
  readonly compiler?: Compiler;
}

export type CompileResult =
  | {
      readonly ok: true;
      readonly id: string;
      /** Absolute or relative as `directory` is. */
      readonly file: string;
      readonly symbol: string;
      /** Content hash: the file's name without its ending. */
      readonly hash: string;
      /** It was there already. */
      readonly cached: boolean;
    }
  | { readonly ok: false; readonly id: string; readonly message: string };

/**
 * Compiles kernels of one instruction set; one result per source, in order. A kernel that does not compile is a result, not an error.
 *
 * A file's name is the hash of everything that decides its content: source (which includes the ABI version), flags, compiler version
 * and processor architecture; no paths, so that a library can be moved and shared. Kernels that were compiled together are one
 * shared object under several names (hard links), each name being complete for its own kernel. Files appear by an atomic rename
 * after an fsync. Throws CompilerError (no compiler), AbortedError, FileError (directory cannot be written).
 */
export async function compileKernels(sources: readonly KernelSource[], options: CompileOptions): Promise<readonly CompileResult[]> {
  const compiler = options.compiler ?? (await findCompiler());
  const jobs = Math.max(1, Math.floor(options.jobs ?? availableParallelism()));
  throwIfAborted(options.signal);
  try {
    makeDirectory(options.directory);
  } catch (error) {
    throw fileErrorFrom(error, 'create the kernel directory', options.directory);
  }
  const results = new Map<string, CompileResult>();
  const record = (result: CompileResult): void => {
    results.set(result.id, result);
    options.onResult?.(result);
  };
  const missing: Work[] = [];
  for (const source of new Map(sources.map((s) => [s.id, s])).values()) {
    const hash = contentHash(source.text, options.isa, compiler);
    const work = { ...source, hash, file: join(options.directory, `${hash}.so`) };
    if (existsSync(work.file)) record(succeeded(work, true));
    else missing.push(work);
  }
  const size = Math.max(1, Math.min(options.batch ?? 8, Math.ceil(missing.length / jobs)));
  await pool(chunks(missing, size), jobs, (batch) => compileBatch(batch, compiler, options, record));
  return sources.map((source) => results.get(source.id) ?? { ok: false, id: source.id, message: 'was not compiled' });
}

interface Work extends KernelSource {
  readonly hash: string;
  readonly file: string;
}

function succeeded(work: Work, cached: boolean): CompileResult {
  return { ok: true, id: work.id, file: work.file, symbol: symbolOfId(work.id), hash: work.hash, cached };
}

/** Hash of everything that decides what a source compiles to: 32 hexadecimal digits. */
export function contentHash(text: string, isa: CpuIsa, compiler: Compiler): string {
  return createHash('sha256')
    .update(JSON.stringify([targetArchitecture(), compiler.version, compilerFlags(isa), text]))
    .digest('hex')
    .slice(0, 32);
}

/** Compiles one batch; when that fails, each kernel alone, so that one bad kernel does not cost the others. */
async function compileBatch(batch: readonly Work[], compiler: Compiler, options: CompileOptions, record: (result: CompileResult) => void): Promise<void> {
  const temporary = join(options.directory, `.${randomUUID()}.so`);
  try {
    const message = await compileUnit(batch, { compiler, isa: options.isa, output: temporary, ...(options.signal === undefined ? {} : { signal: options.signal }) });
    if (message === undefined) {
      for (const work of batch) {
        await publish(work, temporary, options.directory);
        record(succeeded(work, false));
      }
    } else if (batch.length === 1) {
      for (const work of batch) record({ ok: false, id: work.id, message });
    } else {
      for (const work of batch) await compileBatch([work], compiler, options, record);
    }
  } finally {
    await rm(temporary, { force: true });
  }
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
  const result = await runProcess(compiler.path, args, { input: translationUnit(sources), ...(signal === undefined ? {} : { signal }) });
  if (result.code !== 0) {
    await rm(output, { force: true });
    if (/No space left on device|Read-only file system|Permission denied/.test(result.stderr)) {
      throw fileErrorFrom(Object.assign(new Error(trimDiagnostics(result.stderr, 300)), { code: errnoOf(result.stderr) }), 'write a compiled kernel', output);
    }
    return trimDiagnostics(result.stderr) || `${compiler.path} ended with ${result.code === null ? 'a signal' : `exit code ${result.code}`} and no message`;
  }
  await sync(output);
  return undefined;
}

function errnoOf(stderr: string): string {
  if (stderr.includes('No space left')) return 'ENOSPC';
  return stderr.includes('Read-only') ? 'EROFS' : 'EACCES';
}

/** `#line` makes diagnostics name the kernel instead of the compiler's standard input. */
function translationUnit(sources: readonly KernelSource[]): string {
  return sources.map((source) => `#line 1 "${source.id}.cc"\n${source.text}\n`).join('');
}

async function publish(work: Work, object: string, directory: string): Promise<void> {
  try {
    await writeAtomically(join(directory, `${work.hash}.cc`), work.text);
    const name = join(directory, `.${randomUUID()}.link`);
    try {
      await link(object, name).catch(() => copyFile(object, name)); // some file systems have no hard links
      await rename(name, work.file);
    } finally {
      await rm(name, { force: true });
    }
  } catch (error) {
    throw fileErrorFrom(error, 'write a compiled kernel', work.file);
  }
}

/** Temporary name, fsync, rename: a reader sees the old file or the whole new one. */
export async function writeAtomically(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, text);
    await sync(temporary);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** SHA-256 (hex) of a file. */
export async function fileHash(path: string): Promise<string> {
  return createHash('sha256').update(await readFile(path)).digest('hex');
}

/** Runs `work` over items, at most `jobs` at a time. The first failure stops new items and is thrown after running ones ended. */
export async function pool<T>(items: readonly T[], jobs: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      if (failures.length > 0) return;
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new AbortedError('compilation was stopped');
}

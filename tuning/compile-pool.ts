/** Compiling many kernels: parallel, in batches, into files that are named by content and appear whole or not at all. */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, link, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { symbolOfId } from '../generator/ids.js';
import { AbortedError } from '../runtime/errors.js';
import { makeDirectory } from '../runtime/paths.js';
import { trimDiagnostics, type ProcessContext, type ProcessResult } from './compiler.js';
import { fileErrorFrom } from './file-errors.js';

export interface KernelSource {
  /** Kernel id. */
  readonly id: string;
  /** Standalone source, as `renderKernel` returns it. */
  readonly text: string;
}

export type UnitResult<Details> =
  | {
      readonly ok: true;
      /** What is known of each kernel beside its code, by kernel id. */
      readonly details?: ReadonlyMap<string, Details>;
    }
  | { readonly ok: false; readonly message: string };

/** How sources become binaries. */
export interface Toolchain<Details = undefined> {
  /** Endings of file names, with the dot. */
  readonly binary: string;
  readonly source: string;
  /** Hash of everything that decides what a source compiles to. */
  hash(text: string): string;
  /** Compiles sources as one unit into one file, written whole and synced, or not there at all after a failure. */
  compile(sources: readonly KernelSource[], output: string, context: ProcessContext): Promise<UnitResult<Details>>;
  /** Details of a kernel are kept beside its binary as `<hash>.json`; this reads them back. Throws when they are not valid: the kernel is then compiled again. */
  readonly readDetails?: (value: unknown) => Details;
}

export interface PoolOptions<Details> extends ProcessContext {
  /** Where the files go; made when missing. */
  readonly directory: string;
  /** Compilers at a time. Default: the number of cores. */
  readonly jobs?: number;
  /** Most kernels in one translation unit (default 8): parsing shared headers costs more than most kernels. */
  readonly batch?: number;
  /** Called after each kernel, in order of completion. */
  readonly onResult?: (result: PoolResult<Details>) => void;
}

export type PoolResult<Details> =
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
      readonly details?: Details;
    }
  | {
      readonly ok: false;
      readonly id: string;
      readonly message: string;
      /** How long the compiler took to refuse it. */
      readonly compileMs?: number;
    };

interface Work extends KernelSource {
  readonly hash: string;
  readonly file: string;
}

/**
 * One result per source, in order. A kernel that does not compile is a result, not an error. Kernels that were compiled together are one
 * file under several names (hard links), each name being complete for its own kernel. Throws AbortedError, CompilerError (the compiler
 * cannot be run) and FileError (directory cannot be written).
 */
export async function compileAll<Details>(
  sources: readonly KernelSource[],
  toolchain: Toolchain<Details>,
  options: PoolOptions<Details>,
): Promise<readonly PoolResult<Details>[]> {
  const jobs = Math.max(1, Math.floor(options.jobs ?? availableParallelism()));
  if (options.signal?.aborted === true) throw new AbortedError('compilation was stopped');
  try {
    makeDirectory(options.directory);
  } catch (error) {
    throw fileErrorFrom(error, 'create the kernel directory', options.directory);
  }
  const results = new Map<string, PoolResult<Details>>();
  const record = (result: PoolResult<Details>): void => {
    results.set(result.id, result);
    options.onResult?.(result);
  };
  const missing: Work[] = [];
  for (const source of new Map(sources.map((s) => [s.id, s])).values()) {
    const hash = toolchain.hash(source.text);
    const work = { ...source, hash, file: join(options.directory, `${hash}${toolchain.binary}`) };
    const known = await existing(work, toolchain, options.directory);
    if (known === null) missing.push(work);
    else record({ ...succeeded(work, true), ...known });
  }
  const size = Math.max(1, Math.min(options.batch ?? 8, Math.ceil(missing.length / jobs)));
  await pool(chunks(missing, size), jobs, (batch) => compileBatch(batch, toolchain, options, record));
  return sources.map((source) => results.get(source.id) ?? { ok: false, id: source.id, message: 'was not compiled' });
}

/** What lies there from an earlier run, or null. */
async function existing<Details>(work: Work, toolchain: Toolchain<Details>, directory: string): Promise<{ details?: Details } | null> {
  if (!existsSync(work.file)) return null;
  if (toolchain.readDetails === undefined) return {};
  try {
    return { details: toolchain.readDetails(JSON.parse(await readFile(detailsPath(work, directory), 'utf8'))) };
  } catch {
    return null;
  }
}

const detailsPath = (work: Work, directory: string): string => join(directory, `${work.hash}.json`);

function succeeded(work: Work, cached: boolean) {
  return { ok: true as const, id: work.id, file: work.file, symbol: symbolOfId(work.id), hash: work.hash, cached };
}

/** Compiles one batch; when that fails, each kernel alone, so that one bad kernel does not cost the others. */
async function compileBatch<Details>(
  batch: readonly Work[],
  toolchain: Toolchain<Details>,
  options: PoolOptions<Details>,
  record: (result: PoolResult<Details>) => void,
): Promise<void> {
  const temporary = join(options.directory, `.${randomUUID()}${toolchain.binary}`);
  try {
    const watch = stopwatch(options);
    const unit = await toolchain.compile(batch, temporary, options);
    if (unit.ok) {
      for (const work of batch) {
        const details = unit.details?.get(work.id);
        await publish(work, temporary, toolchain, details, options.directory);
        record({ ...succeeded(work, false), ...(details === undefined ? {} : { details }) });
      }
    } else if (batch.length === 1) {
      for (const work of batch) record({ ok: false, id: work.id, message: unit.message, compileMs: watch() });
    } else {
      for (const work of batch) await compileBatch([work], toolchain, options, record);
    }
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Milliseconds since now, without those of quiet sections, in which compilers stand still. */
export function stopwatch({ gate }: ProcessContext): () => number {
  const start = performance.now() - (gate?.quietMs() ?? 0);
  return () => Math.max(0, performance.now() - (gate?.quietMs() ?? 0) - start);
}

/** The binary last: who finds it, finds the others. */
async function publish<Details>(work: Work, binary: string, toolchain: Toolchain<Details>, details: Details | undefined, directory: string): Promise<void> {
  try {
    await writeAtomically(join(directory, `${work.hash}${toolchain.source}`), work.text);
    if (details !== undefined) await writeAtomically(detailsPath(work, directory), `${JSON.stringify(details)}\n`);
    const name = join(directory, `.${randomUUID()}.link`);
    try {
      await link(binary, name).catch(() => copyFile(binary, name)); // some file systems have no hard links
      await rename(name, work.file);
    } finally {
      await rm(name, { force: true });
    }
  } catch (error) {
    throw fileErrorFrom(error, 'write a compiled kernel', work.file);
  }
}

/** Sources as one text; `#line` makes diagnostics name the kernel instead of the compiler's standard input. */
export function translationUnit(sources: readonly KernelSource[], ending: string): string {
  return sources.map((source) => `#line 1 "${source.id}${ending}"\n${source.text}\n`).join('');
}

/**
 * What a compiler's run means: undefined after success, else its message. A failed run leaves no output. Throws a FileError when it failed
 * for want of space or permission, which is not the kernel's fault.
 *
 * @param lasting whether the output is kept, and so must be on the disk now
 */
export async function outcomeOf(result: ProcessResult, compiler: string, output: string, lasting = true): Promise<string | undefined> {
  if (result.code === 0) {
    if (lasting) await sync(output);
    return undefined;
  }
  await rm(output, { force: true });
  if (/No space left on device|Read-only file system|Permission denied/.test(result.stderr)) {
    throw fileErrorFrom(Object.assign(new Error(trimDiagnostics(result.stderr, 300)), { code: errnoOf(result.stderr) }), 'write a compiled kernel', output);
  }
  return trimDiagnostics(result.stderr) || `${compiler} ended with ${result.code === null ? 'a signal' : `exit code ${result.code}`} and no message`;
}

function errnoOf(stderr: string): string {
  if (stderr.includes('No space left')) return 'ENOSPC';
  return stderr.includes('Read-only') ? 'EROFS' : 'EACCES';
}

/** Temporary name, fsync, rename: a reader sees the old file or the whole new one. */
export async function writeAtomically(path: string, contents: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, contents);
    await sync(temporary);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

export async function sync(path: string): Promise<void> {
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

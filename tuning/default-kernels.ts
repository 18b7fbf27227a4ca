import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, readdir, rename, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { compilerFlags } from '../generator/isa.js';
import { PRELUDE_INCLUDE } from '../generator/render.js';
import { CPU_ISAS, type CpuIsa } from '../generator/types.js';
import { CompilerError, LibraryError } from '../runtime/errors.js';
import {
  defaultKernelDirectory,
  generatedDirectory,
  kernelIndexSchema,
  KERNEL_INDEX_SCHEMA,
  readKernelIndex,
  readManifest,
  type KernelIndex,
  type KernelObject,
  type ManifestForm,
} from '../runtime/library/manifest.js';
import { compileUnit } from './compile.js';
import { fileHash, pool, writeAtomically, type KernelSource } from './compile-pool.js';
import { findCompiler, targetArchitecture, type Compiler } from './compiler.js';
import { makeDirectory } from '../runtime/paths.js';
import { fileErrorFrom } from './file-errors.js';

export interface BuildOptions {
  /** Instruction sets to build: those that this CPU can run. */
  readonly isas: readonly string[];
  /** Default sources. Default: the package's `generated/`. */
  readonly sources?: string;
  /** Default: the package's `build/kernels/`. */
  readonly directory?: string;
  /** Compilers at a time. Default: the number of cores. */
  readonly jobs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BuildProgress) => void;
}

export interface BuildProgress {
  /** Kernels done and in all, over every instruction set. */
  readonly done: number;
  readonly total: number;
  readonly isa: CpuIsa;
}

export interface BuildReport {
  readonly index: KernelIndex;
  /** Objects compiled now. 0: everything was up to date. */
  readonly compiled: number;
  readonly upToDate: number;
}

/** Kernels per shared object: enough to parse the intrinsics header seldom, few enough to keep two cores busy to the end. */
const SHARD = 7;

/**
 * Compiles the default kernels into `build/kernels/` and writes `index.json`. An object whose sources, flags and compiler are those of
 * the index is kept. Throws a CompilerError with the diagnostic when a default kernel does not compile, a LibraryError when a source
 * is not what the manifest says.
 */
export async function buildDefaultKernels(options: BuildOptions): Promise<BuildReport> {
  const directory = options.directory ?? defaultKernelDirectory();
  const compiler = await findCompiler();
  const isas = CPU_ISAS.filter((isa) => options.isas.includes(isa));
  if (isas.length === 0) throw new LibraryError(`no known instruction set in "${options.isas.join(', ')}"; there are: ${CPU_ISAS.join(', ')}`);
  const shards = (await Promise.all(isas.map((isa) => readShards(isa, options.sources ?? generatedDirectory(), compiler)))).flat();
  const old = await oldObjects(directory);
  const objects = new Map<Shard, KernelObject>();
  const total = shards.reduce((sum, shard) => sum + shard.sources.length, 0);
  let done = 0;
  const finish = (shard: Shard, object: KernelObject): void => {
    objects.set(shard, object);
    done += shard.sources.length;
    options.onProgress?.({ done, total, isa: shard.isa });
  };
  const missing: Shard[] = [];
  for (const shard of shards) {
    const known = old.get(shard.key);
    if (known !== undefined && existsSync(join(directory, known.file)) && (await fileHash(join(directory, known.file))) === known.sha256) finish(shard, known);
    else missing.push(shard);
  }
  try {
    makeDirectory(directory);
  } catch (error) {
    throw fileErrorFrom(error, 'create the directory of default kernels', directory);
  }
  // The longest first, so that no core waits for a straggler at the end.
  missing.sort((a, b) => weight(b) - weight(a));
  await pool(missing, options.jobs ?? availableParallelism(), async (shard) => finish(shard, await compileShard(shard, directory, compiler, options.signal)));

  const index: KernelIndex = {
    schema: KERNEL_INDEX_SCHEMA,
    compiler: compiler.version,
    isas: Object.fromEntries(isas.map((isa) => [isa, shards.flatMap((shard) => (shard.isa === isa ? [objects.get(shard)] : [])).filter((o) => o !== undefined)])),
  };
  await writeIndex(directory, index);
  return { index, compiled: missing.length, upToDate: shards.length - missing.length };
}

interface Shard {
  readonly isa: CpuIsa;
  readonly sources: readonly KernelSource[];
  readonly key: string;
}

const weight = (shard: Shard): number => shard.sources.reduce((sum, source) => sum + source.text.length, CPU_ISAS.indexOf(shard.isa) * 1e4);

async function readShards(isa: CpuIsa, directory: string, compiler: Compiler): Promise<readonly Shard[]> {
  const forms = Object.values(readManifest(directory).forms).filter((form) => form.isa === isa);
  const prelude = await readSource(join(directory, 'cpu', isa, 'prelude.h'));
  const sources = await Promise.all(forms.map((form) => readKernel(form, directory, prelude)));
  const count = Math.ceil(sources.length / SHARD);
  // Dealt out like cards: forms of one family cost alike and stand side by side.
  return Array.from({ length: count }, (_, i) => {
    const members = sources.filter((_source, at) => at % count === i);
    return { isa, sources: members, key: shardKey(members, isa, compiler) };
  });
}

function shardKey(sources: readonly KernelSource[], isa: CpuIsa, compiler: Compiler): string {
  return createHash('sha256')
    .update(JSON.stringify([targetArchitecture(), compiler.version, compilerFlags(isa), sources.map((source) => source.text)]))
    .digest('hex');
}

/** A source of `generated/` made standalone, checked against the manifest. */
async function readKernel(form: ManifestForm, directory: string, prelude: string): Promise<KernelSource> {
  const path = join(directory, form.source);
  const text = (await readSource(path)).replace(`${PRELUDE_INCLUDE}\n`, () => prelude);
  const found = createHash('sha256').update(text).digest('hex');
  if (found !== form.sha256) {
    throw new LibraryError(`${path} is not the source that the manifest describes (SHA-256 ${found}, expected ${form.sha256})`, { remedy: 'npm run generate' });
  }
  return { id: form.kernel, text };
}

/** Without the banner, which is no part of what is hashed. */
async function readSource(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).replace(/^\/\/ Generated by [^\n]*\n/, '');
  } catch (error) {
    throw new LibraryError(`cannot read ${path}: ${(error as Error).message}`, { remedy: 'npm run generate', cause: error });
  }
}

async function compileShard(shard: Shard, directory: string, compiler: Compiler, signal: AbortSignal | undefined): Promise<KernelObject> {
  const file = `${shard.isa}-${shard.key.slice(0, 16)}.so`;
  const temporary = join(directory, `.${file}.${process.pid}.tmp`);
  try {
    const message = await compileUnit(shard.sources, { compiler, isa: shard.isa, output: temporary, ...(signal === undefined ? {} : { signal }) });
    if (message !== undefined) throw new CompilerError(`the default kernels for ${shard.isa} do not compile with ${compiler.version}:\n${message}`);
    const sha256 = await fileHash(temporary);
    await rename(temporary, join(directory, file));
    return { file, sha256, key: shard.key, kernels: shard.sources.map((source) => source.id) };
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Objects of the last build by key. An index that cannot be read costs a rebuild, nothing else. */
async function oldObjects(directory: string): Promise<ReadonlyMap<string, KernelObject>> {
  if (!existsSync(join(directory, 'index.json'))) return new Map();
  try {
    return new Map(Object.values(readKernelIndex(directory).isas).flatMap((objects) => objects.map((object) => [object.key, object] as const)));
  } catch (error) {
    if (error instanceof LibraryError) return new Map();
    throw error;
  }
}

/** Writes the index if it changed, then deletes objects that it no longer names. */
async function writeIndex(directory: string, index: KernelIndex): Promise<void> {
  const path = join(directory, 'index.json');
  const text = `${JSON.stringify(kernelIndexSchema.parse(index), null, 1)}\n`;
  try {
    const before = existsSync(path) ? await readFile(path, 'utf8') : '';
    if (before !== text) await writeAtomically(path, text);
    const used = new Set(Object.values(index.isas).flatMap((objects) => objects.map((object) => object.file)));
    for (const name of await readdir(directory)) if (name.endsWith('.so') && !used.has(name)) await rm(join(directory, name), { force: true });
  } catch (error) {
    throw fileErrorFrom(error, 'write the index of default kernels', path);
  }
}

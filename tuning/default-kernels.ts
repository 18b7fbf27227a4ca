import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, readdir, rename, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { firstCapability } from '../generator/capabilities.js';
import { compilerFlags } from '../generator/isa.js';
import { CPU_ISAS, ISAS, type CpuIsa, type Isa } from '../generator/types.js';
import { CompilerError, LibraryError } from '../runtime/errors.js';
import {
  defaultKernelDirectory,
  EMULATED_TARGET_PREFIX,
  generatedDirectory,
  kernelIndexSchema,
  KERNEL_INDEX_SCHEMA,
  readKernelIndex,
  type KernelIndex,
  type KernelObject,
} from '../runtime/library/manifest.js';
import { compileUnit } from './compile.js';
import { fileHash, pool, writeAtomically, type KernelSource } from './compile-pool.js';
import { compileEmulatedUnit, emulatedHash, EMULATED_FLAVOURS, emulationHeaderHash } from './cuda/emulated.js';
import { readDefaultSources } from './default-sources.js';
import { findCompiler, targetArchitecture, type Compiler } from './compiler.js';
import { makeDirectory } from '../runtime/paths.js';
import { fileErrorFrom } from './file-errors.js';

export interface BuildOptions {
  /** CPU instruction sets to build: those that this CPU can run. With `emulated`: ignored. */
  readonly isas?: readonly string[];
  /** Builds the CUDA kernels for the emulated device, in both flavours, instead of those of the CPU. */
  readonly emulated?: boolean;
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
  /** Kernels done and in all, over every target. */
  readonly done: number;
  readonly total: number;
  /** Instruction set, or flavour of the emulated device, as the index calls it. */
  readonly target: string;
}

export interface BuildReport {
  readonly index: KernelIndex;
  /** Targets of this build, as the index calls them; others in the index are from earlier builds. */
  readonly targets: readonly string[];
  /** Objects compiled now. 0: everything was up to date. */
  readonly compiled: number;
  readonly upToDate: number;
}

/** Kernels per shared object: enough to parse the intrinsics header seldom, few enough to keep two cores busy to the end. */
const SHARD = 7;

/**
 * Compiles the default kernels into `build/kernels/` and writes `index.json`. An object whose sources, flags and compiler are those of
 * the index is kept; what the index holds of the other kind (CPU, emulated) stays. Throws a CompilerError with the diagnostic when a
 * default kernel does not compile, a LibraryError when a source is not what the manifest says.
 */
export async function buildDefaultKernels(options: BuildOptions): Promise<BuildReport> {
  const directory = options.directory ?? defaultKernelDirectory();
  const compiler = await findCompiler();
  const targets = options.emulated === true ? emulatedTargets(compiler) : cpuTargets(options.isas ?? [], compiler);
  const shards = (await Promise.all(targets.map((target) => readShards(target, options.sources ?? generatedDirectory())))).flat();
  const old = await oldObjects(directory);
  const objects = new Map<Shard, KernelObject>();
  const total = shards.reduce((sum, shard) => sum + shard.sources.length, 0);
  let done = 0;
  const finish = (shard: Shard, object: KernelObject): void => {
    objects.set(shard, object);
    done += shard.sources.length;
    options.onProgress?.({ done, total, target: shard.target.name });
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
  await pool(missing, options.jobs ?? availableParallelism(), async (shard) => finish(shard, await compileShard(shard, directory, options.signal)));

  const index: KernelIndex = {
    schema: KERNEL_INDEX_SCHEMA,
    compiler: compiler.version,
    isas: {
      ...(await otherKind(directory, options.emulated === true)),
      ...Object.fromEntries(targets.map((target) => [target.name, shards.flatMap((shard) => (shard.target === target ? [objects.get(shard)] : [])).filter((o) => o !== undefined)])),
    },
  };
  await writeIndex(directory, index);
  return { index, targets: targets.map(({ name }) => name), compiled: missing.length, upToDate: shards.length - missing.length };
}

/** One entry of the index: what is compiled, and how. */
interface BuildTarget {
  readonly name: string;
  /** The instruction set of its sources. */
  readonly isa: Isa;
  readonly compiler: Compiler;
  /** Hash (SHA-256) of everything that decides what these texts compile to as one unit. */
  key(texts: readonly string[]): string;
  compile(sources: readonly KernelSource[], output: string, signal: AbortSignal | undefined): Promise<string | undefined>;
}

function cpuTargets(wanted: readonly string[], compiler: Compiler): readonly BuildTarget[] {
  const isas = CPU_ISAS.filter((isa) => wanted.includes(isa));
  if (isas.length === 0) throw new LibraryError(`no known instruction set in "${wanted.join(', ')}"; there are: ${CPU_ISAS.join(', ')}`);
  return isas.map((isa) => ({
    name: isa,
    isa,
    compiler,
    key: (texts) => shardKey(texts, isa, compiler),
    compile: (sources, output, signal) => compileUnit(sources, { compiler, isa, output, ...(signal === undefined ? {} : { signal }) }),
  }));
}

/** sm80 kernels use nothing of 9.0, so that one build serves emulated devices of every capability. */
function emulatedTargets(compiler: Compiler): readonly BuildTarget[] {
  const capability = firstCapability('sm80');
  const headers = emulationHeaderHash();
  return EMULATED_FLAVOURS.map((flavour) => ({
    name: `${EMULATED_TARGET_PREFIX}${flavour}`,
    isa: 'sm80',
    compiler,
    key: (texts) => emulatedHash(texts, { flavour, capability, compiler, headers }),
    compile: (sources, output, signal) => compileEmulatedUnit(sources, { flavour, capability, compiler, output, ...(signal === undefined ? {} : { signal }) }),
  }));
}

interface Shard {
  readonly target: BuildTarget;
  readonly sources: readonly KernelSource[];
  readonly key: string;
}

const weight = (shard: Shard): number => shard.sources.reduce((sum, source) => sum + source.text.length, ISAS.indexOf(shard.target.isa) * 1e4);

async function readShards(target: BuildTarget, directory: string): Promise<readonly Shard[]> {
  const sources = await readDefaultSources(directory, target.isa);
  const count = Math.ceil(sources.length / SHARD);
  // Dealt out like cards: forms of one family cost alike and stand side by side.
  return Array.from({ length: count }, (_, i) => {
    const members = sources.filter((_source, at) => at % count === i);
    return { target, sources: members, key: target.key(members.map((source) => source.text)) };
  });
}

function shardKey(texts: readonly string[], isa: CpuIsa, compiler: Compiler): string {
  return createHash('sha256')
    .update(JSON.stringify([targetArchitecture(), compiler.version, compilerFlags(isa), texts]))
    .digest('hex');
}

async function compileShard(shard: Shard, directory: string, signal: AbortSignal | undefined): Promise<KernelObject> {
  const { target } = shard;
  const file = `${target.name}-${shard.key.slice(0, 16)}.so`;
  const temporary = join(directory, `.${file}.${process.pid}.tmp`);
  try {
    const message = await target.compile(shard.sources, temporary, signal);
    if (message !== undefined) throw new CompilerError(`the default kernels for ${target.name} do not compile with ${target.compiler.version}:\n${message}`);
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

/** Entries of the index that this build does not touch, as far as their files are there. */
async function otherKind(directory: string, emulated: boolean): Promise<KernelIndex['isas']> {
  if (!existsSync(join(directory, 'index.json'))) return {};
  try {
    const { isas } = readKernelIndex(directory);
    return Object.fromEntries(
      Object.entries(isas).filter(([name, objects]) => name.startsWith(EMULATED_TARGET_PREFIX) !== emulated && objects.every(({ file }) => existsSync(join(directory, file)))),
    );
  } catch (error) {
    if (error instanceof LibraryError) return {};
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

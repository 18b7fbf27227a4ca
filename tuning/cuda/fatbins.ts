/** The default CUDA kernels as fatbins: compiled once by a maintainer, shipped, and loaded on any GPU without a compiler. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { CAPABILITIES } from '../../generator/capabilities.js';
import { GeneratorError } from '../../generator/errors.js';
import { FAMILIES } from '../../generator/families/index.js';
import { parseKernelId, symbolOfId } from '../../generator/ids.js';
import { isCudaIsa } from '../../generator/targets.js';
import type { Family, Variant } from '../../generator/types.js';
import { CompilerError, GriffinError, LibraryError } from '../../runtime/errors.js';
import { fatbinDirectory, fatbinIndexSchema, FATBIN_INDEX_SCHEMA, readFatbinIndex, type Fatbin, type FatbinIndex } from '../../runtime/library/fatbins.js';
import { generatedDirectory } from '../../runtime/library/manifest.js';
import { makeDirectory, packageRoot } from '../../runtime/paths.js';
import { fileHash, outcomeOf, pool, writeAtomically } from '../compile-pool.js';
import { readDefaultSources, type DefaultSource } from '../default-sources.js';
import { fileErrorFrom } from '../file-errors.js';
import { CUDA_FLAGS, findNvcc, NVCC_REMEDY, runNvcc, type Nvcc } from './nvcc.js';
import { entriesOf, parsePtxas, spillsIn, warningsIn, type EntryReport, type EntryStatistics } from './ptxas.js';

export interface FatbinOptions {
  /** `generated/`. Default: the package's. */
  readonly sources?: string;
  /** Where compiled families are kept by content. Default: `build/fatbins`. */
  readonly cache?: string;
  /** Fatbins that were published before: what is up to date there is not compiled. Default: `generated/cuda`. */
  readonly published?: string;
  readonly nvcc?: Nvcc;
  /** Default: those of generator/capabilities.ts. */
  readonly capabilities?: readonly number[];
  /** Whose `maySpill` counts. Default: the registry. */
  readonly families?: readonly Family[];
  /** Compilers at a time. Default: the number of cores. */
  readonly jobs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number; readonly family: string }) => void;
}

export interface CompiledFamily {
  readonly family: string;
  /** Hash of everything that decides the content. */
  readonly key: string;
  /** The fatbin, in the cache or among the published ones. */
  readonly path: string;
  /** Source hash by kernel id. */
  readonly sources: Readonly<Record<string, string>>;
  /** By kernel id, capability, phase. */
  readonly statistics: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, EntryStatistics>>>>>>;
  /** Why it must not be shipped: compiler warnings, spills, missing statistics; each names kernel and capability where it knows them. */
  readonly problems: readonly string[];
  readonly cached: boolean;
}

export interface CompiledFatbins {
  readonly compiler: string;
  readonly capabilities: readonly number[];
  readonly families: readonly CompiledFamily[];
}

/**
 * Compiles the default kernels of every family into one fatbin each: one nvcc run per family for all capabilities, so that they share the
 * front end's work. What was compiled before from the same sources is taken from the cache, its problems included, or from what is
 * published. Throws CompilerError
 * (no nvcc, or it refuses a kernel), LibraryError (`generated/` is incomplete), FileError, AbortedError.
 */
export async function compileFatbins(options: FatbinOptions = {}): Promise<CompiledFatbins> {
  const nvcc = options.nvcc ?? (await findNvcc());
  if (nvcc === null) throw new CompilerError('the default CUDA kernels can be compiled by nvcc only, and there is none', { remedy: NVCC_REMEDY });
  const capabilities = options.capabilities ?? CAPABILITIES.map(({ capability }) => capability);
  const cache = options.cache ?? join(packageRoot(), 'build', 'fatbins');
  try {
    makeDirectory(cache);
  } catch (error) {
    throw fileErrorFrom(error, 'create the cache of fatbins', cache);
  }
  const all = await readDefaultSources(options.sources ?? generatedDirectory(), 'sm80');
  const units = [...new Set(all.map((source) => source.family))].map((family) => {
    const sources = all.filter((source) => source.family === family);
    return { family, sources, key: unitKey(sources, nvcc, capabilities) };
  });
  const done = new Map<string, CompiledFamily>();
  const finish = (unit: Unit, found: Found, cached: boolean): void => {
    done.set(unit.family, describe(unit, found, capabilities, options.families ?? FAMILIES, cached));
    options.onProgress?.({ done: done.size, total: units.length, family: unit.family });
  };
  const missing: Unit[] = [];
  for (const unit of units) {
    const found = inCache(unit, cache) ?? amongPublished(unit, options.published ?? fatbinDirectory());
    if (found === null) missing.push(unit);
    else finish(unit, found, true);
  }
  // The longest first, so that no core waits for a straggler at the end.
  missing.sort((a, b) => weight(b) - weight(a));
  await pool(missing, options.jobs ?? availableParallelism(), async (unit) => {
    finish(unit, await compileUnit(unit, nvcc, capabilities, cache, options.signal), false);
  });
  await removeOthers(cache, units);
  return { compiler: nvcc.version, capabilities, families: units.map((unit) => done.get(unit.family)!) };
}

export interface FatbinChanges {
  readonly index: FatbinIndex;
  /** Families whose file was written now. */
  readonly written: readonly string[];
  readonly deleted: readonly string[];
  readonly bytes: number;
}

/**
 * Puts compiled families and their index into `generated/cuda/`, rewriting only what changed. Throws a CompilerError that lists all problems
 * when there are any: nothing is written then.
 */
export async function publishFatbins(compiled: CompiledFatbins, directory = fatbinDirectory()): Promise<FatbinChanges> {
  const problems = compiled.families.flatMap((family) => family.problems);
  if (problems.length > 0) throw new CompilerError(`default CUDA kernels are not fit to be shipped:\n${problems.map((line) => `  ${line}`).join('\n')}`);
  const families: Record<string, Fatbin> = {};
  const written: string[] = [];
  try {
    makeDirectory(directory);
    for (const { family, key, path, sources, statistics } of compiled.families) {
      const bytes = await readFile(path);
      const file = `${family}.fatbin`;
      const sha256 = hashOf(bytes);
      const target = join(directory, file);
      if (!existsSync(target) || (await fileHash(target)) !== sha256) {
        await writeAtomically(target, bytes);
        written.push(family);
      }
      const kernels = Object.fromEntries(Object.entries(sources).map(([id, source]) => [id, { source, statistics: statistics[id] ?? {} }]));
      families[family] = { file, sha256, key, bytes: bytes.length, kernels };
    }
    const index: FatbinIndex = fatbinIndexSchema.parse({
      generatedBy: 'griffin kernels fatbins; do not edit',
      schema: FATBIN_INDEX_SCHEMA,
      compiler: compiled.compiler,
      capabilities: [...compiled.capabilities],
      ptx: Math.max(...compiled.capabilities),
      families,
    });
    const path = join(directory, 'fatbins.json');
    const text = indexText(index);
    if (!existsSync(path) || (await readFile(path, 'utf8')) !== text) await writeAtomically(path, text);
    const deleted = (await readdir(directory)).filter((name) => name.endsWith('.fatbin') && !Object.values(families).some(({ file }) => file === name));
    for (const name of deleted) await rm(join(directory, name), { force: true });
    return { index, written, deleted, bytes: Object.values(families).reduce((sum, fatbin) => sum + fatbin.bytes, 0) };
  } catch (error) {
    throw fileErrorFrom(error, 'write the compiled CUDA kernels', directory);
  }
}

/** JSON with the statistics of one entry on one line. */
function indexText(index: FatbinIndex): string {
  return `${JSON.stringify(index, null, 1).replace(/\{\s*("registers"[^{}]*?)\s*\}/g, (_, inner: string) => `{ ${inner.replace(/\s*\n\s*/g, ' ')} }`)}\n`;
}

interface Unit {
  readonly family: string;
  readonly sources: readonly DefaultSource[];
  readonly key: string;
}

const weight = (unit: Unit): number => unit.sources.reduce((sum, source) => sum + source.text.length, 0);
const stem = (unit: Unit): string => `${unit.family}-${unit.key.slice(0, 24)}`;

/** Machine code per capability, PTX of the newest, packed as small as this nvcc can. */
function fatbinFormat(nvcc: Nvcc, capabilities: readonly number[]): readonly string[] {
  const newest = Math.max(...capabilities);
  const release = /release (\d+)\.(\d+)/.exec(nvcc.version);
  const packs = Number(release?.[1] ?? 0) * 100 + Number(release?.[2] ?? 0) >= 1208; // 12.8 and newer
  return [
    ...capabilities.flatMap((capability) => ['-gencode', `arch=compute_${capability},code=sm_${capability}`]),
    '-gencode',
    `arch=compute_${newest},code=compute_${newest}`,
    ...(packs ? ['--compress-mode=size'] : []),
    '-fatbin',
  ];
}

function unitKey(sources: readonly DefaultSource[], nvcc: Nvcc, capabilities: readonly number[]): string {
  return createHash('sha256')
    .update(JSON.stringify([nvcc.version, CUDA_FLAGS, fatbinFormat(nvcc, capabilities), sources.map(({ id, text }) => [id, text])]))
    .digest('hex');
}

/** What lies beside a cached fatbin. */
const cachedSchema = z.object({
  key: z.string(),
  sha256: z.string(),
  reports: z.array(
    z.object({
      entry: z.string(),
      capability: z.number(),
      registers: z.number(),
      shared: z.number(),
      stack: z.number(),
      spillStores: z.number(),
      spillLoads: z.number(),
      barriers: z.number(),
    }),
  ),
  warnings: z.array(z.string()),
});

/** A compiled family: its file, and what the compiler said. */
interface Found {
  readonly path: string;
  readonly reports: readonly EntryReport[];
  readonly warnings: readonly string[];
}

/** Null when it is absent or damaged. */
function inCache(unit: Unit, cache: string): Found | null {
  const path = join(cache, `${stem(unit)}.fatbin`);
  try {
    const { key, sha256, reports, warnings } = cachedSchema.parse(JSON.parse(readFileSync(join(cache, `${stem(unit)}.json`), 'utf8')));
    return key === unit.key && hashOf(readFileSync(path)) === sha256 ? { path, reports, warnings } : null;
  } catch {
    return null;
  }
}

/** Null when the family is not published, or from other sources. What is published had no warnings. */
function amongPublished(unit: Unit, directory: string): Found | null {
  try {
    const fatbin = readFatbinIndex(directory).families[unit.family];
    if (fatbin?.key !== unit.key || hashOf(readFileSync(join(directory, fatbin.file))) !== fatbin.sha256) return null;
    const reports = Object.entries(fatbin.kernels).flatMap(([id, { statistics }]) =>
      Object.entries(statistics).flatMap(([capability, phases]) =>
        Object.entries(phases).map(([phase, entry]) => ({ ...entry, entry: `${symbolOfId(id)}__${phase}`, capability: Number(capability) })),
      ),
    );
    return { path: join(directory, fatbin.file), reports, warnings: [] };
  } catch {
    return null;
  }
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function compileUnit(unit: Unit, nvcc: Nvcc, capabilities: readonly number[], cache: string, signal: AbortSignal | undefined): Promise<Found> {
  const target = join(cache, `${stem(unit)}.fatbin`);
  const temporary = join(cache, `.${stem(unit)}.${process.pid}.tmp`);
  try {
    const result = await runNvcc(nvcc, unit.sources, fatbinFormat(nvcc, capabilities), temporary, signal === undefined ? {} : { signal });
    const message = await outcomeOf(result, nvcc.path, temporary);
    if (message !== undefined) throw new CompilerError(`the default CUDA kernels of ${unit.family} do not compile with ${nvcc.version}:\n${message}`);
    const bytes = await readFile(temporary);
    const found = { path: target, reports: parsePtxas(result.stderr), warnings: warningsIn(result.stderr) };
    await writeAtomically(target, bytes);
    await writeAtomically(join(cache, `${stem(unit)}.json`), `${JSON.stringify({ key: unit.key, sha256: hashOf(bytes), reports: found.reports, warnings: found.warnings })}\n`);
    return found;
  } catch (error) {
    throw error instanceof GriffinError ? error : fileErrorFrom(error, 'write a compiled CUDA kernel', target);
  } finally {
    await rm(temporary, { force: true });
  }
}

function describe(unit: Unit, { path, reports, warnings }: Found, capabilities: readonly number[], families: readonly Family[], cached: boolean): CompiledFamily {
  const statistics = Object.fromEntries(unit.sources.map(({ id }) => [id, statisticsOf(id, reports, capabilities)]));
  const problems = [
    ...warnings.map((line) => `${unit.family}: ${line}`),
    ...unit.sources.flatMap(({ id }) => capabilities.flatMap((capability) => entryProblems(id, capability, statistics[id]?.[capability] ?? {}, families))),
  ];
  return {
    family: unit.family,
    key: unit.key,
    path,
    sources: Object.fromEntries(unit.sources.map(({ id, sha256 }) => [id, sha256])),
    statistics,
    problems,
    cached,
  };
}

function statisticsOf(id: string, reports: readonly EntryReport[], capabilities: readonly number[]): Readonly<Record<string, Readonly<Record<string, EntryStatistics>>>> {
  return Object.fromEntries(capabilities.map((capability) => [String(capability), entriesOf(symbolOfId(id), capability, reports)]));
}

function entryProblems(id: string, capability: number, entries: Readonly<Record<string, EntryStatistics>>, families: readonly Family[]): string[] {
  const where = `${id} on compute capability ${capability / 10}`;
  if (Object.keys(entries).length === 0) return [`${where}: the compiler reports no entry of this kernel`];
  const spills = spillsIn(entries);
  return spills === null || maySpill(id, capability, families) ? [] : [`${where} spills registers: ${spills}`];
}

function maySpill(id: string, capability: number, families: readonly Family[]): boolean {
  const { isa, params, axes, family } = parsed(id, families);
  const cuda = families.find(({ name }) => name === family)?.cuda;
  return isCudaIsa(isa) && cuda?.maySpill?.({ isa, params, axes, capability }) === true;
}

function parsed(id: string, families: readonly Family[]): Variant {
  try {
    return parseKernelId(id, families);
  } catch (error) {
    if (!(error instanceof GeneratorError)) throw error;
    throw new LibraryError(`the default sources are not of today's families: ${error.message}`, { remedy: 'npm run generate', cause: error });
  }
}

/** The cache holds one generation. */
async function removeOthers(cache: string, units: readonly Unit[]): Promise<void> {
  const wanted = new Set(units.flatMap((unit) => [`${stem(unit)}.fatbin`, `${stem(unit)}.json`]));
  for (const name of await readdir(cache)) if (/\.(fatbin|json)$/.test(name) && !wanted.has(name)) await rm(join(cache, name), { force: true });
}

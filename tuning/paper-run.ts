/** Gathers what `griffin report --paper` needs: shapes, the compiler's figures, winners; writes nothing. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kernelId, requireFamily } from '../generator/ids.js';
import { renderKernel, sourceHash } from '../generator/render.js';
import { syntheticConfig } from '../runtime/checkpoint/synthetic.js';
import { CompilerError, LibraryError, UsageError } from '../runtime/errors.js';
import { readFatbinIndex, type FatbinIndex } from '../runtime/library/fatbins.js';
import { libraryDirectory } from '../runtime/paths.js';
import { compileCudaKernels, findCudaCompiler } from './cuda/compile.js';
import { GPU_DATA_SHEETS, type GpuDataSheet } from './gpus.js';
import { readWinners } from './library/contents.js';
import { paperRows, variantsOf, type EntryNeeds } from './paper.js';
import type { PaperReport } from './paper-report.js';
import { dispatchDims } from './problems.js';

export interface PaperRunOptions {
  readonly shapes: readonly string[];
  readonly capabilities: readonly number[];
  readonly density: number;
  readonly library?: string;
  readonly command: string;
  readonly signal?: AbortSignal;
}

type Statistics = ReadonlyMap<string, Readonly<Record<string, EntryNeeds>>>;

/** One report per capability. Throws UsageError for one that no GPU is listed for. */
export async function paperReports(options: PaperRunOptions): Promise<readonly PaperReport[]> {
  const reports: PaperReport[] = [];
  for (const capability of options.capabilities) {
    const gpu = GPU_DATA_SHEETS.find((sheet) => sheet.capability === capability);
    if (gpu === undefined) throw new UsageError(`no GPU is listed for capability ${capability}; there are: ${GPU_DATA_SHEETS.map((sheet) => sheet.capability).join(', ')}`);
    reports.push(await reportFor(gpu, options));
  }
  return reports;
}

async function reportFor(gpu: GpuDataSheet, options: PaperRunOptions): Promise<PaperReport> {
  const configs = options.shapes.map((shape) => ({ shape, config: syntheticConfig(shape) }));
  const entries = winnersFor(gpu, options.library);
  const { statistics, source } = await statisticsFor(gpu, variantsOf(configs.map(({ config }) => config), gpu, entries.map(({ kernelId: id }) => id)), options.signal);
  const rows = configs.flatMap(({ shape, config }) =>
    paperRows(shape, config, {
      gpu,
      density: options.density,
      statistics: (variant, family) => statistics.get(kernelId(variant, family)) ?? null,
      winners: (problem) => {
        const dims = JSON.stringify(sorted(dispatchDims(requireFamily(problem.family), problem)));
        return entries
          .filter((entry) => entry.family === problem.family && JSON.stringify(sorted(entry.params)) === JSON.stringify(sorted(problem.params)) && JSON.stringify(sorted(entry.dims)) === dims)
          .map((entry) => entry.kernelId);
      },
    }),
  );
  return { gpu, density: options.density, compiler: source, rows, command: options.command };
}

const sorted = (record: Readonly<Record<string, unknown>>): [string, unknown][] => Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));

/** Winners of GPUs of this capability in the user's library. */
function winnersFor(gpu: GpuDataSheet, library: string | undefined) {
  const { contents } = readWinners(join(libraryDirectory(library), 'winners.json'));
  return Object.entries(contents.devices)
    .filter(([key]) => key.startsWith('cuda-') && key.includes(`-sm${gpu.capability}-`))
    .flatMap(([, device]) => device.entries)
    .filter((entry) => entry.family.startsWith('ff_'));
}

/** From the shipped fatbins where they are of today's sources, else by compiling now; without either, nothing is known. */
async function statisticsFor(gpu: GpuDataSheet, wanted: ReturnType<typeof variantsOf>, signal: AbortSignal | undefined): Promise<{ statistics: Statistics; source: string }> {
  const statistics = new Map<string, Readonly<Record<string, EntryNeeds>>>();
  const sources = wanted.map(({ variant, family }) => ({ id: kernelId(variant, family), text: renderKernel(variant, { family }), family: family.name }));
  const index = shippedIndex();
  const told: string[] = [];
  for (const { id, text, family } of sources) {
    const kernel = index?.families[family]?.kernels[id];
    const entries = kernel?.source === sourceHash(text) ? kernel.statistics[String(gpu.capability)] : undefined;
    if (entries !== undefined) statistics.set(id, needsOf(entries));
  }
  if (statistics.size > 0 && index !== null) told.push(index.compiler);
  const missing = sources.filter(({ id }) => !statistics.has(id));
  if (missing.length > 0) {
    const compiled = await compileNow(gpu, missing, signal);
    for (const [id, needs] of compiled.statistics) statistics.set(id, needs);
    if (!told.includes(compiled.source)) told.push(compiled.source);
  }
  return { statistics, source: told.join('; ') };
}

async function compileNow(gpu: GpuDataSheet, sources: readonly { id: string; text: string }[], signal: AbortSignal | undefined): Promise<{ statistics: Statistics; source: string }> {
  const statistics = new Map<string, Readonly<Record<string, EntryNeeds>>>();
  const directory = mkdtempSync(join(tmpdir(), 'griffin-report-'));
  try {
    const compiler = await findCudaCompiler();
    // One kernel a unit: ptxas's figures are then beyond doubt, and units compile in parallel.
    const results = await compileCudaKernels(sources, { capability: gpu.capability, directory, compiler, batch: 1, ...(signal === undefined ? {} : { signal }) });
    for (const result of results) if (result.details !== undefined) statistics.set(result.id, needsOf(result.details.entries));
    return { statistics, source: compiler.version };
  } catch (error) {
    if (!(error instanceof CompilerError)) throw error;
    return { statistics, source: `not known for ${sources.length} kernels (${error.message.split('\n')[0] ?? ''})` };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function needsOf(entries: Readonly<Record<string, { registers: number; shared: number; spillStores: number; spillLoads: number }>>): Readonly<Record<string, EntryNeeds>> {
  return Object.fromEntries(Object.entries(entries).map(([phase, { registers, shared, spillStores, spillLoads }]) => [phase, { registers, shared, spillBytes: spillStores + spillLoads }]));
}

function shippedIndex(): FatbinIndex | null {
  try {
    return readFatbinIndex();
  } catch (error) {
    if (error instanceof LibraryError) return null;
    throw error;
  }
}

import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { symbolOfId } from '../../generator/ids.js';
import { sourceHash } from '../../generator/render.js';
import { CompilerError } from '../../runtime/errors.js';
import { compileAll, outcomeOf, stopwatch, sync, translationUnit, type KernelSource, type PoolOptions, type PoolResult, type Toolchain, type UnitResult } from '../compile-pool.js';
import { trimDiagnostics, untilLoud, type ProcessContext } from '../compiler.js';
import { machineCodeOfCubin, ownMachineCode } from '../machine-code.js';
import { compileWithNvrtc, findNvrtc, NVRTC_FLAGS, type Nvrtc } from './nvrtc.js';
import { cubinFormat, CUDA_FLAGS, findNvcc, NVCC_REMEDY, runNvcc, type Nvcc } from './nvcc.js';
import { entriesOf, parsePtxas, spillsIn, warningsIn, type EntryStatistics } from './ptxas.js';

export type CudaCompiler = Nvcc | Nvrtc;

/** nvcc, else NVRTC. Throws a CompilerError that says what was looked for. */
export async function findCudaCompiler(environment: NodeJS.ProcessEnv = process.env): Promise<CudaCompiler> {
  const compiler = (await findNvcc(environment)) ?? findNvrtc(environment);
  if (compiler === null) {
    throw new CompilerError('no CUDA compiler found: neither nvcc ($GRIFFIN_NVCC, $CUDA_HOME/bin, $CUDA_PATH/bin, PATH, /usr/local/cuda/bin) nor libnvrtc ($GRIFFIN_NVRTC, the loader’s path, the same folders)', {
      remedy: NVCC_REMEDY,
    });
  }
  return compiler;
}

/** What lies beside a cubin as `<hash>.json`. */
export interface CubinDetails {
  readonly kernel: string;
  readonly capability: number;
  readonly compiler: string;
  /** By phase; empty when the compiler did not tell. */
  readonly entries: Readonly<Record<string, EntryStatistics>>;
  readonly warnings: readonly string[];
  /** Equal for kernels with the same code: see machine-code.ts. */
  readonly machineCode: string;
  /** Bytes of its entries; absent where they are not found. */
  readonly codeBytes?: number | undefined;
  /** Its share of the time that its unit took to compile. */
  readonly compileMs: number;
}

const count = z.number().int().nonnegative();
const detailsSchema = z.strictObject({
  kernel: z.string(),
  capability: count,
  compiler: z.string(),
  entries: z.record(z.string(), z.strictObject({ registers: count, shared: count, stack: count, spillStores: count, spillLoads: count, barriers: count })),
  warnings: z.array(z.string()),
  machineCode: z.string().regex(/^[0-9a-f]{64}$/),
  codeBytes: count.optional(),
  compileMs: z.number().nonnegative(),
});

export interface CudaCompileOptions extends Omit<PoolOptions<CubinDetails>, 'onResult'> {
  /** The device's, 10 × major + minor: code for it and no other. */
  readonly capability: number;
  readonly compiler?: CudaCompiler;
  /** Whether a kernel that spills registers is accepted. Default: none is. */
  readonly maySpill?: (id: string) => boolean;
  readonly onResult?: (result: CudaCompileResult) => void;
}

export type CudaCompileResult =
  | Extract<PoolResult<CubinDetails>, { ok: true }>
  /** `compiler`: it refused the source. `spills`: it compiled, but registers go through memory. */
  | { readonly ok: false; readonly id: string; readonly reason: 'compiler' | 'spills'; readonly message: string; readonly details?: CubinDetails; readonly compileMs?: number };

/**
 * Compiles CUDA kernels for one exact capability into `<hash>.cu`, `<hash>.cubin` and `<hash>.json` (registers, shared memory, stack, spills and
 * barriers per entry); one result per source, in order. The name is the hash of source, flags, compiler version and capability. A kernel
 * that does not compile, or spills without being allowed to, is a result, not an error. Throws CompilerError (no compiler, or one that does
 * not know the capability), AbortedError, FileError.
 */
export async function compileCudaKernels(sources: readonly KernelSource[], options: CudaCompileOptions): Promise<readonly CudaCompileResult[]> {
  const { capability, maySpill = () => false, onResult, ...pool } = options;
  const compiler = options.compiler ?? (await findCudaCompiler());
  const judged = (result: PoolResult<CubinDetails>): CudaCompileResult => judge(result, maySpill);
  const results = await compileAll(sources, toolchainFor(compiler, capability), {
    ...pool,
    ...(onResult === undefined ? {} : { onResult: (result: PoolResult<CubinDetails>) => onResult(judged(result)) }),
  });
  return results.map(judged);
}

function judge(result: PoolResult<CubinDetails>, maySpill: (id: string) => boolean): CudaCompileResult {
  if (!result.ok) return { ...result, reason: 'compiler' };
  const spills = spillsIn(result.details?.entries ?? {});
  if (spills === null || maySpill(result.id)) return result;
  return {
    ok: false,
    id: result.id,
    reason: 'spills',
    message: `registers spill to memory on compute capability ${(result.details?.capability ?? 0) / 10}: ${spills}`,
    ...(result.details === undefined ? {} : { details: result.details, compileMs: result.details.compileMs }),
  };
}

function toolchainFor(compiler: CudaCompiler, capability: number): Toolchain<CubinDetails> {
  return {
    binary: '.cubin',
    source: '.cu',
    hash: (text) => cubinHash(text, capability, compiler),
    readDetails: (value) => detailsSchema.parse(value),
    compile: (batch, output, context) =>
      compiler.kind === 'nvcc' ? withNvcc(compiler, capability, batch, output, context) : withNvrtc(compiler, capability, batch, output, context),
  };
}

/** Hash of everything that decides what a source compiles to: 32 hexadecimal digits. */
export function cubinHash(text: string, capability: number, compiler: CudaCompiler): string {
  const flags = compiler.kind === 'nvcc' ? CUDA_FLAGS : NVRTC_FLAGS;
  return createHash('sha256').update(JSON.stringify([compiler.kind, compiler.version, flags, capability, text])).digest('hex').slice(0, 32);
}

async function withNvcc(nvcc: Nvcc, capability: number, batch: readonly KernelSource[], output: string, context: ProcessContext): Promise<UnitResult<CubinDetails>> {
  const watch = stopwatch(context);
  const result = await runNvcc(nvcc, batch, cubinFormat(capability), output, context);
  const message = await outcomeOf(result, nvcc.path, output);
  if (message !== undefined) return { ok: false, message };
  const unit = { batch, capability, compiler: nvcc.version, log: result.stderr, compileMs: watch() / batch.length };
  await untilLoud(context);
  return { ok: true, details: detailsOf(unit, await readFile(output)) };
}

/** NVRTC runs in this process: a quiet section can keep it from starting, but not stop it. */
async function withNvrtc(nvrtc: Nvrtc, capability: number, batch: readonly KernelSource[], output: string, context: ProcessContext): Promise<UnitResult<CubinDetails>> {
  await untilLoud(context);
  const watch = stopwatch({});
  const result = await compileWithNvrtc(nvrtc, translationUnit(batch, '.cu'), capability, context.signal);
  if (result.cubin === null) return { ok: false, message: trimDiagnostics(result.log) || 'NVRTC failed without a message' };
  const compileMs = watch() / batch.length;
  await writeFile(output, result.cubin);
  await sync(output);
  return { ok: true, details: detailsOf({ batch, capability, compiler: nvrtc.version, log: result.log, compileMs }, result.cubin) };
}

interface CompiledUnit {
  readonly batch: readonly KernelSource[];
  readonly capability: number;
  readonly compiler: string;
  readonly log: string;
  /** Per kernel. */
  readonly compileMs: number;
}

function detailsOf({ batch, capability, compiler, log, compileMs }: CompiledUnit, cubin: Uint8Array): ReadonlyMap<string, CubinDetails> {
  const reports = parsePtxas(log);
  const warnings = warningsIn(log);
  const names = (line: string, id: string): boolean => line.includes(symbolOfId(id)) || line.includes(`${id}.cu`);
  return new Map(
    batch.map(({ id, text }) => {
      // A warning that names no kernel of the batch counts for all.
      const own = warnings.filter((line) => names(line, id) || !batch.some((other) => names(line, other.id)));
      const entries = entriesOf(symbolOfId(id), capability, reports);
      const code = machineCodeOfCubin(id, cubin);
      const details = { kernel: id, capability, compiler, entries, warnings: own, machineCode: code?.hash ?? ownMachineCode(id, sourceHash(text)), compileMs };
      return [id, code?.codeBytes === undefined ? details : { ...details, codeBytes: code.codeBytes }];
    }),
  );
}

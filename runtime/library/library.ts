import { join } from 'node:path';
import { LibraryError } from '../errors.js';
import { VENDOR_ISA, type Device, type Kernel, type UtilityResolver } from '../device/types.js';
import { libraryDirectory } from '../paths.js';
import { chooseStrategy, chooseWinner, sameRecord, shapeDistance, type DispatchKind, type KernelProblem } from './dispatch.js';
import { isasUpTo, openDefaults, type DefaultKernels } from './defaults.js';
import { formHash, generatedDirectory, NoFormError, readManifest } from './manifest.js';
import type { WinnerEntry } from './schema.js';
import { readOverlay, sharesArchitecture, vendorHash, verifiedBinary, type OverlayContext } from './winners.js';

/** A kernel for a problem, and how it was found. */
export interface ResolvedKernel {
  readonly kernel: Kernel;
  readonly id: string;
  readonly how: DispatchKind;
  /** One line for reports, e.g. which measured shape was the nearest. */
  readonly detail: string;
}

export interface Resolution extends Omit<ResolvedKernel, 'kernel'> {
  readonly problem: KernelProblem;
}

export interface StrategyProblem {
  readonly hidden: number;
  readonly intermediate: number;
  readonly k: number;
  readonly dtype: string;
  /** Sparse decode steps of the generation. */
  readonly steps: number;
}

/** The shipped default kernels, overlaid by shipped winners, overlaid by what was tuned on this machine. */
export interface KernelLibrary {
  /** The user's library directory; it need not exist. */
  readonly directory: string;
  /** What was ignored, and why. Grows when a tuned binary turns out to be unusable. */
  readonly warnings: readonly string[];
  /** Winners that apply to this device. */
  readonly winners: number;
  /**
   * Exact winner, else the nearest measured shape, else a winner of another device of the same architecture, else the default kernel.
   * Throws a LibraryError when there is not even a default.
   */
  resolve(problem: KernelProblem): ResolvedKernel;
  kernel(family: string, params: Readonly<Record<string, string>>, dims: Readonly<Record<string, number>>): Kernel;
  /** Which linear family to use for a product y = x·wᵀ: the faster one where both were measured, else by the number of rows. */
  linearFamily(params: Readonly<Record<string, string>>, dims: Readonly<Record<string, number>>): 'linear_gemv' | 'linear_gemm';
  /** Whether packing the kept neurons pays; gather where nothing was measured. */
  strategy(problem: StrategyProblem): { readonly choice: 'gather' | 'compact'; readonly detail: string };
  /** Every problem that was resolved, with its answer. */
  resolutions(): readonly Resolution[];
}

export interface LibraryOptions {
  /** The user's library. Default: `$GRIFFIN_KERNELS_HOME`, else a per-user cache directory. */
  readonly directory?: string;
  /** Where the compiled default kernels for CPUs and for the emulated device are. Default: `build/kernels` of the package. */
  readonly defaults?: string;
  /** Where the default kernels for GPUs are. Default: `generated/cuda` of the package. */
  readonly fatbins?: string;
  /** `winners.json` and `kernels/` that come with the package, below the user's library. Default: `generated` of the package. */
  readonly shipped?: string;
  /** Called once per warning. */
  readonly onWarning?: (message: string) => void;
}

/** Up to this many rows the GEMV kernels are used where nothing was measured. */
const GEMV_ROWS = 4;
/** More rows than this, linear_gemv does not take. */
const MAX_GEMV_ROWS = 64;

/** Opens the library for a device: reads indices, loads nothing yet. Throws a LibraryError that names the file and what mends it. */
export function openLibrary(device: Device, options: LibraryOptions = {}): KernelLibrary {
  const directory = libraryDirectory(options.directory);
  const manifest = readManifest();
  const defaults = openDefaults(device, manifest, {
    ...(options.defaults === undefined ? {} : { kernels: options.defaults }),
    ...(options.fatbins === undefined ? {} : { fatbins: options.fatbins }),
  });
  device.useUtilities?.(utilities(defaults));
  const isas = [...isasUpTo(device), ...(device.vendorKernel === undefined ? [] : [VENDOR_ISA])];
  const context: OverlayContext = {
    deviceKey: device.identity.key,
    formHash: (family, params, isa) => formHash(manifest, family, params, isa),
    runsHere: sharesArchitecture(device, isas),
  };
  const shippedDirectory = options.shipped ?? generatedDirectory();
  const user = readOverlay(directory, context);
  const shipped = readOverlay(shippedDirectory, { ...context, noticeForeign: false });
  /** Where an entry's binary is. */
  const homes = new Map<WinnerEntry, string>();
  for (const [overlay, home] of [[user, directory], [shipped, shippedDirectory]] as const) {
    for (const entry of [...overlay.entries, ...overlay.related.map((winner) => winner.entry)]) homes.set(entry, join(home, 'kernels'));
  }
  const runnable = (entry: WinnerEntry): boolean => isas.includes(entry.isa);
  const tunedHere = user.entries.filter(runnable);
  const entries = new Set([...tunedHere, ...shipped.entries.filter((entry) => runnable(entry) && !tunedHere.some((own) => sameProblem(own, entry)))]);
  const related = new Set([...user.related, ...shipped.related]);
  const warnings: string[] = [];
  const warn = (message: string): void => {
    if (warnings.includes(message)) return; // one damaged binary may be the winner of many problems
    warnings.push(message);
    options.onWarning?.(message);
  };
  [...user.warnings, ...shipped.warnings].forEach(warn);
  const tuned = new Map<WinnerEntry, Kernel>();
  const resolved = new Map<string, { problem: KernelProblem; answer: ResolvedKernel }>();

  /** Loads a winner, or drops it with a warning. */
  function load(entry: WinnerEntry): Kernel | null {
    const known = tuned.get(entry);
    if (known !== undefined) return known;
    try {
      const kernel = kernelOf(device, homes.get(entry) ?? '', entry);
      tuned.set(entry, kernel);
      return kernel;
    } catch (error) {
      entries.delete(entry);
      for (const winner of related) if (winner.entry === entry) related.delete(winner);
      warn(`${entry.kernelId} is skipped: ${(error as Error).message}`);
      return null;
    }
  }

  function find(problem: KernelProblem): ResolvedKernel {
    for (;;) {
      const choice = chooseWinner(problem, [...entries], isas, [...related]);
      if (choice.how === 'default') return { ...defaults(problem), how: 'default', detail: choice.detail };
      const kernel = load(choice.entry);
      if (kernel !== null) return { kernel, id: kernel.id, how: choice.how, detail: choice.detail };
    }
  }

  function resolve(problem: KernelProblem): ResolvedKernel {
    const key = JSON.stringify([problem.family, sorted(problem.params), sorted(problem.dims)]);
    const known = resolved.get(key);
    if (known !== undefined) return known.answer;
    const answer = find(problem);
    resolved.set(key, { problem, answer });
    return answer;
  }

  return {
    directory,
    warnings,
    get winners() {
      return entries.size;
    },
    resolve,
    kernel: (family, params, dims) => resolve({ family, params, dims }).kernel,
    linearFamily(params, dims) {
      const rows = dims['rows'] ?? 1;
      if (rows > MAX_GEMV_ROWS) return 'linear_gemm';
      const gemv = exactNs([...entries], 'linear_gemv', params, dims);
      const gemm = exactNs([...entries], 'linear_gemm', { ...params, layout: 'outin' }, dims);
      if (gemv !== null && gemm !== null) return gemv <= gemm ? 'linear_gemv' : 'linear_gemm';
      return rows <= GEMV_ROWS ? 'linear_gemv' : 'linear_gemm';
    },
    strategy: (problem) => chooseStrategy(problem, user.decisions) ?? chooseStrategy(problem, shipped.decisions) ?? { choice: 'gather', detail: 'nothing measured for this layer shape: gather' },
    resolutions: () => [...resolved.values()].map(({ problem, answer: { id, how, detail } }) => ({ problem, id, how, detail })),
  };
}

/** Loads a winner. Throws what is wrong with it. */
function kernelOf(device: Device, directory: string, entry: WinnerEntry): Kernel {
  if (entry.binary !== undefined) return device.loadKernels(verifiedBinary(directory, entry.binary), [`gk_${entry.kernelId}`])[0]!;
  const kernel = device.vendorKernel?.(entry.family, entry.params) ?? null;
  if (kernel === null) throw new LibraryError('cuBLASLt is not found on this machine, or has no such kernel', { remedy: 'install it, or set GRIFFIN_CUBLASLT to its path' });
  if (vendorHash(kernel.version) !== entry.sourceHash) {
    throw new LibraryError(`it was measured with another version of cuBLASLt than ${kernel.version}, which is here`, { remedy: 'griffin tune' });
  }
  return kernel;
}

/** Families that a device itself makes use of: for loading weights, for random ones, and for what a vendor's products take. */
const UTILITIES: readonly string[] = ['transpose', 'fill_random', 'split_bf16'];

/** Answers undefined for what is no utility or has no such form: the device then does that work on the host. */
function utilities(defaults: DefaultKernels): UtilityResolver {
  return (family, params) => {
    if (!UTILITIES.includes(family)) return undefined;
    try {
      return defaults({ family, params }).kernel;
    } catch (error) {
      if (error instanceof NoFormError) return undefined;
      throw error;
    }
  };
}

function exactNs(entries: readonly WinnerEntry[], family: string, params: Readonly<Record<string, string>>, dims: Readonly<Record<string, number>>): number | null {
  const found = entries.filter((entry) => entry.family === family && sameRecord(entry.params, params) && shapeDistance(dims, entry.dims) === 0);
  return found.length === 0 ? null : Math.min(...found.map((entry) => entry.medianNs));
}

function sameProblem(a: WinnerEntry, b: WinnerEntry): boolean {
  return a.family === b.family && sameRecord(a.params, b.params) && shapeDistance(a.dims, b.dims) === 0;
}

function sorted(record: Readonly<Record<string, string | number>>): [string, string | number][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

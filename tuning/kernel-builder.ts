/** Variants to binaries: renders, hashes, compiles in the background or at once, and remembers. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { formId, kernelId, type Form } from '../generator/ids.js';
import { renderKernel, sourceHash } from '../generator/render.js';
import { defaultVariant } from '../generator/space.js';
import { isCudaIsa, targetOf } from '../generator/targets.js';
import type { Family, Variant } from '../generator/types.js';
import { AbortedError } from '../runtime/errors.js';
import { createBuildQueue } from './build-queue.js';
import type { KernelSource } from './compile-pool.js';
import { untilLoud } from './compiler.js';
import { cpuCompiler, type CompiledKernel, type KernelCompiler } from './kernel-compilers.js';
import { codeBytesOf, ownMachineCode } from './machine-code.js';
import type { QuietGate } from './quiet.js';
import type { KernelBinary, KernelResources } from './types.js';

export type BuiltKernel =
  | {
      readonly ok: true;
      readonly binary: KernelBinary;
      /** Equal for kernels with the same code: they need to be timed once. Default kernels that were shipped compiled equal none. */
      readonly machineCode: string;
      readonly resources: KernelResources;
      /** Its share of the time that its unit took to compile, when it was: 0 for shipped kernels. */
      readonly compileMs: number;
    }
  /** `spills`: it compiles, but keeps registers in memory, and is not measured for that. */
  | { readonly ok: false; readonly reason?: 'compiler' | 'spills'; readonly message: string; readonly compileMs?: number };

export interface VariantOfFamily {
  readonly variant: Variant;
  readonly family: Family;
}

export interface KernelBuilder {
  /** First line of the compiler's version: part of the key of every measurement. */
  readonly compiler: string;
  /** SHA-256 of a variant's source. Throws a GeneratorError when it cannot be rendered. */
  sourceHash(variant: Variant, family: Family): string;
  /** SHA-256 of the default variant's source: tells the runtime when templates have changed since. */
  formHash(form: Form, family: Family): string;
  /** Whether there is a result for a kernel, good or bad; and for how many there is. */
  isBuilt(kernelId: string): boolean;
  builtCount(): number;
  /** The binary of a kernel that was built, or null. */
  pathOf(kernelId: string): string | null;
  /**
   * One result per variant, by kernel id; they go before everything that is queued. Rejects with AbortedError, CompilerError, FileError or
   * GeneratorError; a kernel that does not compile is a result. The signal stops all compilers, also those of the queue.
   */
  build(variants: readonly VariantOfFamily[], signal?: AbortSignal, onBuilt?: () => void): Promise<ReadonlyMap<string, BuiltKernel>>;
  /** Starts compiling in the background, in order. What is built, running or queued already is left as it is. */
  enqueue(variants: readonly VariantOfFamily[]): void;
  /**
   * The result of a kernel that was built or enqueued, as soon as it is there. Rejects as `build` does when compiling failed for a reason
   * that is not the kernel's, with an AbortedError when it was taken from the queue, and with a TuneError when nobody asked for it.
   */
  whenBuilt(kernelId: string): Promise<BuiltKernel>;
  /** Resolves when nothing is queued and no compiler runs, also after a failure. */
  idle(): Promise<void>;
  /** Forgets what has not started, and returns the ids. */
  cancelQueued(): readonly string[];
  /** The same, and ends the compilers that run. Resolves when they have ended. */
  stop(): Promise<void>;
}

export interface KernelBuilderOptions {
  /** Compilers stand still while it is paused, and give way to other work. Default: none, they run as they come. */
  readonly gate?: QuietGate;
  /** Compilers at a time. Default: the number of cores; in the background as many as the device leaves room for. */
  readonly jobs?: number;
}

/** Kernels in one translation unit: parsing the shared headers costs more than most kernels. */
const BATCH = 8;

/** Compiles into `directory`, where binaries of earlier runs are found again by their content hash; default kernels are taken from the build. */
export async function createKernelBuilder(directory: string, compiler?: KernelCompiler, options: KernelBuilderOptions = {}): Promise<KernelBuilder> {
  const { version, prebuilt, compile, backgroundJobs } = compiler ?? (await cpuCompiler());
  const { gate } = options;
  const jobs = options.jobs ?? availableParallelism();
  const hashes = new Map<string, string>();
  /** Of kernels that are not compiled yet: a long run has thousands. */
  const texts = new Map<string, string>();
  const built = new Map<string, BuiltKernel>();

  function textOf({ variant, family }: VariantOfFamily): string {
    const id = kernelId(variant, family);
    const text = texts.get(id) ?? renderKernel(variant, { family });
    if (!built.has(id)) texts.set(id, text);
    return text;
  }

  function hashOf(variant: Variant, family: Family): string {
    const id = kernelId(variant, family);
    const hash = hashes.get(id) ?? sourceHash(textOf({ variant, family }));
    hashes.set(id, hash);
    return hash;
  }

  const queue = createBuildQueue<VariantOfFamily, BuiltKernel>({
    jobs,
    backgroundJobs: Math.min(options.jobs ?? Infinity, backgroundJobs ?? jobs),
    batch: BATCH,
    groupOf: ({ variant }) => variant.isa,
    async run(items, settle, signal) {
      const context = { signal, ...(gate === undefined ? {} : { gate }) };
      const finish = (id: string, result: BuiltKernel): void => {
        built.set(id, result);
        texts.delete(id);
        settle(id, result);
      };
      const sources: KernelSource[] = [];
      const variants = new Map<string, VariantOfFamily>();
      for (const item of items) {
        await untilLoud(context); // rendering and looking up is work too
        const id = kernelId(item.variant, item.family);
        variants.set(id, item);
        const path = prebuilt(id, item.variant.isa);
        if (path === null) sources.push({ id, text: textOf(item) });
        else {
          const machineCode = ownMachineCode(id, hashOf(item.variant, item.family));
          finish(id, { ok: true, binary: { kernelId: id, path }, machineCode, resources: await codeBytesOf(id, path), compileMs: 0 });
        }
      }
      const isa = items[0]?.variant.isa;
      if (isa === undefined || sources.length === 0) return;
      const spillers = new Set([...variants].filter(([, item]) => maySpill(item)).map(([id]) => id));
      await compile(sources, isa, {
        ...context,
        directory,
        jobs: 1,
        maySpill: (id) => spillers.has(id),
        onResult: (result) => finish(result.id, builtKernel(result, variants.get(result.id))),
      });
    },
  });

  /** By kernel id, without those that have a result. */
  function missing(variants: readonly VariantOfFamily[]): ReadonlyMap<string, VariantOfFamily> {
    return new Map(variants.map((item) => [kernelId(item.variant, item.family), item] as const).filter(([id]) => !built.has(id)));
  }

  const formHashes = new Map<string, string>();
  return {
    compiler: version,
    sourceHash: hashOf,
    formHash(form, family) {
      const id = formId(form, family);
      const hash = formHashes.get(id) ?? hashOf(defaultVariant(form, { family }), family);
      formHashes.set(id, hash);
      return hash;
    },
    isBuilt: (id) => built.has(id),
    builtCount: () => built.size,
    pathOf(id) {
      const kernel = built.get(id);
      return kernel?.ok === true ? kernel.binary.path : null;
    },
    async build(variants, signal, onBuilt) {
      if (signal?.aborted === true) throw new AbortedError('compilation was stopped');
      const stop = (): void => void queue.stop();
      signal?.addEventListener('abort', stop, { once: true });
      try {
        await queue.now(missing(variants), () => onBuilt?.());
      } finally {
        signal?.removeEventListener('abort', stop);
      }
      return built;
    },
    enqueue: (variants) => queue.add(missing(variants)),
    whenBuilt(id) {
      const kernel = built.get(id);
      return kernel === undefined ? queue.when(id) : Promise.resolve(kernel);
    },
    idle: () => queue.idle(),
    cancelQueued: () => queue.cancelQueued(),
    stop: () => queue.stop(),
  };
}

function builtKernel(result: CompiledKernel, item: VariantOfFamily | undefined): BuiltKernel {
  if (!result.ok) {
    const { id: _id, ...rest } = result;
    return rest;
  }
  const { id, file, machineCode, compileMs } = result;
  const shared = item === undefined ? undefined : sharedBytes(item);
  const resources = shared === undefined ? result.resources : { ...result.resources, sharedBytes: Math.max(shared, result.resources.sharedBytes ?? 0) };
  return { ok: true, binary: { kernelId: id, path: file }, machineCode, resources, compileMs };
}

/** Static and dynamic shared memory as the family knows it; the compiler tells the static part alone. */
function sharedBytes({ variant, family }: VariantOfFamily): number | undefined {
  if (!isCudaIsa(variant.isa)) return undefined;
  return targetOf(family, variant.isa).sharedBytes?.({ isa: variant.isa, params: variant.params, axes: variant.axes });
}

function maySpill({ variant, family }: VariantOfFamily): boolean {
  if (!isCudaIsa(variant.isa)) return false;
  return targetOf(family, variant.isa).maySpill?.({ isa: variant.isa, params: variant.params, axes: variant.axes }) === true;
}

/** Where candidates are compiled: winners are copied from here into `kernels/`; the rest may be deleted at any time. */
export function candidateDirectory(library: string): string {
  return join(library, 'candidates');
}

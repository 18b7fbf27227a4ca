/**
 * `griffin verify`: every family × parameters × the default and sampled variants × ragged problems × seeds against the fp64 reference,
 * on one device, under each schedule that it has. Kernels run in worker processes: a crash, a hang or a fault costs one kernel.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formId, kernelId, parseKernelId } from '../generator/ids.js';
import { formsOf } from '../generator/forms.js';
import { FAMILIES } from '../generator/families/index.js';
import { defaultVariant, enumerate, sample } from '../generator/space.js';
import { isIsa } from '../generator/targets.js';
import type { Family, Isa, Params, Problem, Variant } from '../generator/types.js';
import type { DeviceIdentity } from '../runtime/device/types.js';
import { AbortedError, CompilerError, TuneError, UsageError } from '../runtime/errors.js';
import { DEVICE_ENVIRONMENT_URL } from './device-environment.js';
import { createKernelBuilder, type KernelBuilder } from './kernel-builder.js';
import { compilerFor, shippedOnly } from './kernel-compilers.js';
import { pool } from './compile-pool.js';
import type { CaseFailure } from './protocol.js';
import { seededRandom, seedFrom } from './statistics.js';
import type { KernelBinary } from './types.js';
import { parseVendorId, vendorVariant, withVendor, type VendorInfo } from './vendor.js';
import { withSchedule, type Schedule } from './verify-schedules.js';
import { createWorker, type TuningWorker } from './worker-client.js';

export interface VerifyOptions {
  /** A name as `openDevice` takes it. Default `cpu`. */
  readonly device?: string;
  /** Names of families. Default: all. */
  readonly families?: readonly string[];
  /** Sampled variants of each form beside the default one, or all there are. Default: see `defaultSample`. */
  readonly variants?: number | 'all';
  /** This kernel and no other. */
  readonly kernel?: string;
  /** Of contents and of the sample. Default 0. */
  readonly seed?: number;
  /** For `emulated`: orders in which its threads run. Default: all three. */
  readonly schedules?: readonly Schedule[];
  readonly threads?: number;
  /** Worker processes at a time. */
  readonly jobs?: number;
  /** Where kernels are compiled, to be found again by a later run. Default: a temporary directory. */
  readonly directory?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: VerifyProgress) => void;
  readonly parts?: Partial<VerifyParts>;
}

export interface VerifyParts {
  readonly families: readonly Family[];
  readonly environmentUrl: string;
  /** `note` is set where only shipped kernels can be verified. */
  readonly createBuilder: (directory: string, device: DeviceIdentity) => Promise<{ builder: KernelBuilder; note: string | null }>;
  /** A case is stopped after this long. */
  readonly caseLimitMs: number;
}

export interface VerifyProgress {
  readonly phase: 'compile' | 'run';
  readonly done: number;
  readonly total: number;
  readonly failures: number;
  /** What has just been finished. */
  readonly detail: string;
}

export interface VerifyFailure extends CaseFailure {
  readonly family: string;
  readonly kernelId: string;
  /** The device with its schedule. */
  readonly device: string;
  /** Runs this kernel's cases again. */
  readonly command: string;
}

export interface FamilyResult {
  readonly family: string;
  readonly forms: number;
  /** Kernels that were run, and those that are not there: not compiled because no compiler was found, or for spilling registers. */
  readonly variants: number;
  readonly skipped: number;
  readonly cases: number;
  readonly failures: number;
  /** Largest error as a share of its bound. */
  readonly worst: number;
  readonly elapsedMs: number;
}

export interface VerifyReport {
  readonly device: DeviceIdentity;
  /** The names under which it was opened: one per schedule. */
  readonly runs: readonly string[];
  readonly compiler: string;
  readonly seed: number;
  readonly variants: number | 'all';
  readonly families: readonly FamilyResult[];
  readonly failures: readonly VerifyFailure[];
  /** What was left out and why. */
  readonly notes: readonly string[];
  readonly elapsedMs: number;
}

/** Milliseconds for one case: an emulated thread is some thousand times slower than a real one. */
const CASE_LIMIT_MS: Readonly<Record<string, number>> = { emulated: 300_000 };
const DEFAULT_CASE_LIMIT_MS = 30_000;
/** Kernels whose verification failed are all counted; of their failures so many are kept in the report. */
const FAILURES_KEPT = 200;

/** Sampled variants per form where nothing is said: what takes minutes at most. */
export function defaultSample(kind: string): number {
  return kind === 'emulated' ? 1 : 3;
}

interface Task {
  readonly family: Family;
  readonly formId: string;
  readonly variant: Variant;
  readonly kernelId: string;
  readonly isDefault: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Verifies and resolves with the report, failures and all. Throws UsageError (options), DeviceError, FileError, AbortedError. */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const started = performance.now();
  const seed = options.seed ?? 0;
  const device = options.device ?? 'cpu';
  const families = chosenFamilies(options.parts?.families ?? FAMILIES, options);
  const runs = withSchedule(device, options.schedules);
  const workers = runs.map((run) => ({ run, pool: workerPool(run, options) }));
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'griffin-verify-'));
  try {
    const { identity, isa, vendor } = await workers[0]!.pool.info();
    const isas = isasToVerify(identity, isa);
    const variants = options.variants ?? defaultSample(identity.kind);
    const createBuilder = options.parts?.createBuilder ?? builderFor;
    const { builder: compiled, note } = await createBuilder(directory, identity);
    const builder = vendor === undefined ? compiled : withVendor(compiled, vendor);
    const tasks =
      options.kernel === undefined
        ? families.flatMap((family) => [...tasksOf(family, isas, identity, note === null ? variants : 0, seed), ...vendorTasks(family, vendor)])
        : [oneTask(options.kernel, families, vendor)];
    const results = new Map<string, Mutable<FamilyResult>>(
      families.map(({ name }) => [name, { family: name, forms: 0, variants: 0, skipped: 0, cases: 0, failures: 0, worst: 0, elapsedMs: 0 }]),
    );
    const failures: VerifyFailure[] = [];
    const fail = (task: Task, run: string, failure: CaseFailure): void => {
      if (failures.length < FAILURES_KEPT) failures.push({ ...failure, family: task.family.name, kernelId: task.kernelId, device: run, command: commandFor(task, run, seed) });
    };
    const failed = (): number => [...results.values()].reduce((sum, { failures: count }) => sum + count, 0);
    const progress = (phase: VerifyProgress['phase'], done: number, total: number, detail: string): void =>
      options.onProgress?.({ phase, done, total, detail, failures: failed() });

    const notes: string[] = note === null ? [] : [note];
    const binaries = await compile(tasks);
    let done = 0;
    for (const { run, pool: running } of workers) {
      const work = tasks.flatMap((task) => {
        const binary = binaries.get(task.kernelId);
        return binary === undefined ? [] : [{ task, binary }];
      });
      await pool(work, running.size, async ({ task, binary }) => {
        const result = results.get(task.family.name)!;
        const from = performance.now();
        const request = { family: task.family.name, params: task.variant.params, candidate: binary, problems: problemsOf(task), seed };
        const reply = await running.use((worker) => worker.verify(request, options.parts?.caseLimitMs ?? CASE_LIMIT_MS[identity.kind] ?? DEFAULT_CASE_LIMIT_MS));
        result.cases += reply.cases;
        result.failures += reply.failed;
        result.worst = Math.max(result.worst, reply.worst);
        result.elapsedMs += performance.now() - from;
        for (const failure of reply.failures) fail(task, run, failure);
        progress('run', ++done, work.length * runs.length, `${run}: ${task.kernelId}`);
      });
      await running.close();
    }
    return {
      device: identity,
      runs,
      compiler: builder.compiler,
      seed,
      variants: options.kernel === undefined ? variants : 0,
      families: [...results.values()].map((result) => ({ ...result, elapsedMs: Math.round(result.elapsedMs) })),
      failures,
      notes,
      elapsedMs: Math.round(performance.now() - started),
    };

    /** Compiles all at once; what does not compile is a failure, unless it is left out for a reason that is no fault. */
    async function compile(all: readonly Task[]): Promise<ReadonlyMap<string, KernelBinary>> {
      let count = 0;
      progress('compile', 0, all.length, 'kernels');
      const built = await builder.build(all, options.signal, () => progress('compile', ++count, all.length, 'kernels'));
      const found = new Map<string, KernelBinary>();
      let spilled = 0;
      let absent = 0;
      for (const task of all) {
        const result = results.get(task.family.name)!;
        const kernel = built.get(task.kernelId);
        if (kernel?.ok === true) {
          found.set(task.kernelId, kernel.binary);
          result.variants += 1;
          if (task.isDefault) result.forms += 1;
        } else if (kernel?.reason === 'spills' && !task.isDefault) {
          spilled += 1;
          result.skipped += 1;
        } else if (note !== null) {
          absent += 1;
          result.skipped += 1;
        } else {
          result.failures += 1;
          fail(task, device, { problem: task.formId, seed, state: kernel?.reason === 'spills' ? 'spills' : 'compile-failed', message: kernel?.message ?? 'was not compiled' });
        }
      }
      if (spilled > 0) notes.push(`${spilled} sampled variants spill registers on this device and were not run, as in tuning`);
      if (absent > 0) notes.push(`${absent} default kernels are not shipped for this device`);
      return found;
    }
  } finally {
    await Promise.all(workers.map(({ pool: running }) => running.close()));
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

async function builderFor(directory: string, device: DeviceIdentity): Promise<{ builder: KernelBuilder; note: string | null }> {
  try {
    return { builder: await createKernelBuilder(directory, await compilerFor(device)), note: null };
  } catch (error) {
    if (!(error instanceof CompilerError)) throw error;
    const note = `only the shipped default kernels were verified: ${error.message.split('\n')[0] ?? ''}`;
    return { builder: await createKernelBuilder(directory, shippedOnly(device, error)), note };
  }
}

function chosenFamilies(families: readonly Family[], { families: names, kernel }: VerifyOptions): readonly Family[] {
  const wanted = kernel === undefined ? names : [kernel.split('__')[0] ?? ''];
  if (wanted === undefined) return families;
  const unknown = wanted.filter((name) => !families.some((family) => family.name === name));
  if (unknown.length > 0) throw new UsageError(`unknown kernel family ${unknown.join(', ')}; there are: ${families.map(({ name }) => name).join(', ')}`);
  return families.filter(({ name }) => wanted.includes(name));
}

/** A GPU runs all of its sets; a CPU the one that its device stands for. */
function isasToVerify(identity: DeviceIdentity, isa: string): readonly Isa[] {
  const names = identity.gpu === undefined ? [isa] : identity.isas;
  const unknown = names.find((name) => !isIsa(name));
  if (unknown !== undefined) throw new TuneError(`the device runs kernels for "${unknown}", which the generator does not know`);
  return names.filter(isIsa);
}

function tasksOf(family: Family, isas: readonly Isa[], identity: DeviceIdentity, variants: number | 'all', seed: number): readonly Task[] {
  const space = { family, ...(identity.gpu === undefined ? {} : { capability: identity.gpu.capability }) };
  return formsOf(family, isas).flatMap((form) => {
    const id = formId(form, family);
    const standard = defaultVariant(form, space);
    const standardId = kernelId(standard, family);
    const random = seededRandom(seedFrom(id, seed));
    // One more than wanted, since the default may be drawn.
    const drawn = variants === 'all' ? [...enumerate(form, space)] : variants === 0 ? [] : sample(form, variants + 1, random, space);
    const others = drawn.filter((variant) => kernelId(variant, family) !== standardId).slice(0, variants === 'all' ? undefined : variants);
    return [standard, ...others].map((variant, i) => ({ family, formId: id, variant, kernelId: kernelId(variant, family), isDefault: i === 0 }));
  });
}

/** A vendor's kernels are one more variant each of what they stand in for. */
function vendorTasks(family: Family, vendor: VendorInfo | undefined): readonly Task[] {
  return (vendor?.kernelIds ?? []).flatMap((id) => {
    const form = parseVendorId(id, [family]);
    return form === null ? [] : [vendorTask(id, family, form.params)];
  });
}

function vendorTask(id: string, family: Family, params: Params): Task {
  const variant = vendorVariant(family, params);
  return { family, formId: formId(variant, family), variant, kernelId: id, isDefault: false };
}

function oneTask(id: string, families: readonly Family[], vendor: VendorInfo | undefined): Task {
  const theirs = parseVendorId(id, families);
  if (theirs !== null) {
    if (vendor?.kernelIds.includes(id) === true) return vendorTask(id, theirs.family, theirs.params);
    throw new UsageError(`${id}: this device has no such kernel: cuBLASLt is not found, or does not have it`, { remedy: 'set GRIFFIN_CUBLASLT to its path' });
  }
  let variant: Variant;
  try {
    variant = parseKernelId(id, families);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  const family = families.find(({ name }) => name === variant.family)!;
  return { family, formId: formId(variant, family), variant, kernelId: id, isDefault: true };
}

const problemsOf = ({ family, variant }: Task): readonly Problem[] => family.raggedProblems(variant.params);

function commandFor(task: Task, run: string, seed: number): string {
  return `griffin verify --device ${run} --kernel ${task.kernelId}${seed === 0 ? '' : ` --seed ${seed}`}`;
}

/** Worker processes of one device that take kernels in turn. */
function workerPool(run: string, options: VerifyOptions) {
  const size = Math.max(1, options.jobs ?? 1);
  const make = (): TuningWorker =>
    createWorker({
      environmentUrl: options.parts?.environmentUrl ?? DEVICE_ENVIRONMENT_URL,
      device: { device: run, ...(options.threads === undefined ? {} : { threads: options.threads }) },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  const all = Array.from({ length: size }, make);
  const idle = [...all];
  return {
    size,
    info: () => all[0]!.info(),
    async use<T>(work: (worker: TuningWorker) => Promise<T>): Promise<T> {
      if (options.signal?.aborted === true) throw new AbortedError('verification was stopped');
      const worker = idle.pop()!;
      try {
        return await work(worker);
      } finally {
        idle.push(worker);
      }
    },
    async close(): Promise<void> {
      await Promise.all(all.map((worker) => worker.close()));
    },
  };
}

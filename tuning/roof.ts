/** The machine's limits, measured with the same threads: how fast memory is read and how fast fused multiply-adds run. */
import { kernelId } from '../generator/ids.js';
import { defaultVariant } from '../generator/space.js';
import { isasOf } from '../generator/targets.js';
import type { Family, Isa, Problem } from '../generator/types.js';
import { isResident, tensorBytes } from './inputs.js';
import type { KernelBuilder } from './kernel-builder.js';
import type { ControlRequest, WorkerInfo } from './protocol.js';
import type { KernelBinary } from './types.js';
import type { TuningWorker } from './worker-client.js';

export interface Roof {
  /** GB/s. */
  readonly readBytesPerNs: number;
  /** GFLOP/s, or null where the machine's rate was not measured. */
  readonly flopsPerNs: number | null;
}

/** Numbers that one `probe_read` launch reads: on a CPU about a millisecond's worth, on a GPU a tenth of one, far more than its cache. */
const PROBE_FLOATS = 4 * 2 ** 20;
const GPU_PROBE_FLOATS = 64 * 2 ** 20;
const PROBE_ITERATIONS = 20_000;
/** Blocks of `probe_fma` per multiprocessor: as many as are resident, twice over, with fewer iterations each. */
const GPU_UNITS_PER_SM = 16;
const GPU_PROBE_ITERATIONS = 200;
const ROUNDS = 15;
const LIMIT_MS = 60_000;

export interface Probes {
  /** The control kernel for finals. */
  readonly control: ControlRequest | null;
  readonly roof: Roof | null;
  /** Bytes that a launch of the control reads. */
  readonly controlBytes: number;
}

/** Builds and measures the probes. Without the probe families there is no control and no roof. */
export async function measureRoof(worker: TuningWorker, builder: KernelBuilder, families: readonly Family[], isas: readonly Isa[], { identity, threads }: WorkerInfo, seed: number, signal?: AbortSignal): Promise<Probes> {
  // The emulated device shows that this works, not how fast: a small buffer will do.
  const real = identity.kind !== 'emulated';
  const gpu = identity.gpu !== undefined && real;
  const read = await probe('probe_read', { n: gpu ? GPU_PROBE_FLOATS : real ? PROBE_FLOATS : 2 ** 16 });
  if (read === null) return { control: null, roof: null, controlBytes: 0 };
  const control = { kernel: read.binary, problem: read.problem };
  const readNs = await launchNs(read);
  if (readNs === null) return { control: null, roof: null, controlBytes: 0 };
  const work = gpu ? { iterations: GPU_PROBE_ITERATIONS, units: identity.cores * GPU_UNITS_PER_SM } : { iterations: real ? PROBE_ITERATIONS : 10, units: threads * 4 };
  const fma = await probe('probe_fma', work);
  const fmaNs = fma === null ? null : await launchNs(fma);
  return {
    control,
    controlBytes: read.family.cost(read.problem).readBytes,
    roof: {
      readBytesPerNs: read.family.cost(read.problem).readBytes / readNs,
      flopsPerNs: fma === null || fmaNs === null ? null : fma.family.cost(fma.problem).flops / fmaNs,
    },
  };

  async function probe(name: string, dims: Readonly<Record<string, number>>) {
    const family = families.find((candidate) => candidate.name === name);
    const isa = isas.findLast((one) => family !== undefined && isasOf(family).includes(one));
    if (family === undefined || isa === undefined) return null;
    const variant = defaultVariant({ family: name, params: {}, isa }, { family });
    const built = (await builder.build([{ variant, family }], signal)).get(kernelId(variant, family));
    return built?.ok === true ? { family, binary: built.binary, problem: { family: name, params: {}, dims } satisfies Problem } : null;
  }

  async function launchNs(target: { binary: KernelBinary; problem: Problem }): Promise<number | null> {
    await worker.prepare(target.problem, seed);
    const outcome = await worker.final({ problem: target.problem, kernels: [target.binary], control: null, rounds: ROUNDS, seed, launch: 'rotation' }, LIMIT_MS);
    // A roof is what the machine can do: the best sample, not the typical one.
    return outcome.state === 'ok' ? Math.min(...(outcome.reply.samplesNs[0] ?? [])) : null;
  }
}

/**
 * The limits while a final ran. Memory bandwidth on a shared machine changes from minute to minute, so it comes from the control's launches
 * in the final's own rounds; the compute rate is the one measured at the start.
 */
export function roofDuring({ roof, controlBytes }: Probes, controlNs: number | null): Roof | null {
  return roof === null || controlNs === null ? roof : { ...roof, readBytesPerNs: controlBytes / controlNs };
}

/**
 * Share of the nearer limit: the time that the roof would take over the time taken. Memory counts what is cold (weights, caches,
 * indices): activations come from the kernel before and are in the cache.
 */
export function roofShare(family: Family, problem: Problem, medianNs: number, roof: Roof): number {
  const { readBytes, flops } = family.cost(problem);
  const cold = family.tensors.filter((tensor) => isResident(tensor, problem)).reduce((sum, tensor) => sum + tensorBytes(tensor, problem), 0);
  const memoryNs = Math.min(readBytes, cold) / roof.readBytesPerNs;
  const computeNs = roof.flopsPerNs === null ? 0 : flops / roof.flopsPerNs;
  return Math.max(memoryNs, computeNs) / medianNs;
}

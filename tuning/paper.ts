/**
 * What the gathered feed-forward kernels ask of a GPU, computed without one: bytes, registers, occupancy, and the bytes that a
 * multiprocessor has in flight, beside the bytes that Little's law asks for. A kernel that keeps fewer in flight cannot reach the
 * bandwidth, however little it computes; one that keeps more may.
 */
import { blocksThatFit, limitsOf } from '../generator/capabilities.js';
import { kernelId, parseKernelId, requireFamily } from '../generator/ids.js';
import { defaultVariant } from '../generator/space.js';
import { isCudaIsa, targetOf } from '../generator/targets.js';
import { CUDA_ISAS, type CudaIsa, type Family, type Problem, type Variant } from '../generator/types.js';
import type { ModelConfig } from '../runtime/checkpoint/types.js';
import { parseLaunchExpression } from '../runtime/device/launch-expression.js';
import type { GpuDataSheet } from './gpus.js';
import { isResident, tensorBytes } from './inputs.js';
import { dispatchDims, modelProblems } from './problems.js';

/** Time from a load's issue to its data when memory is busy: an assumption, of the order that is measured on these GPUs under load. */
export const LATENCY_NS = 700;

/** Of a kernel's entry, as ptxas reports it. */
export interface EntryNeeds {
  readonly registers: number;
  /** Static shared memory, bytes. */
  readonly shared: number;
  readonly spillBytes: number;
}

/** Answers what ptxas said of a kernel by phase, or null where nothing is known. */
export type StatisticsOf = (variant: Variant, family: Family) => Readonly<Record<string, EntryNeeds>> | null;

export interface PaperRow {
  readonly model: string;
  /** `gate/up` or `down`, and dense or k. */
  readonly problem: string;
  readonly kernelId: string;
  readonly origin: 'default' | 'winner';
  readonly isa: CudaIsa;
  /** Weight bytes that one launch reads. */
  readonly bytes: number;
  /** At the data sheet's bandwidth. */
  readonly roofNs: number;
  /** Null where the compiler's figures are not known. */
  readonly registers: number | null;
  readonly spillBytes: number | null;
  readonly threads: number;
  readonly sharedBytes: number;
  readonly blocks: number;
  /** Blocks that fit on a multiprocessor, and their share of its threads. */
  readonly blocksPerSm: number | null;
  readonly occupancy: number | null;
  /** Rounds of resident blocks that the grid takes. */
  readonly waves: number | null;
  readonly bytesPerThread: number | null;
  /** Bytes in flight of a multiprocessor with the blocks that the grid gives it. */
  readonly inFlight: number | null;
  readonly needed: number;
}

export interface PaperOptions {
  readonly gpu: GpuDataSheet;
  readonly density: number;
  readonly statistics: StatisticsOf;
  /** Kernel ids of winners for a problem, or none. */
  readonly winners?: (problem: Problem) => readonly string[];
}

const FF_FAMILIES = ['ff_gate_up_gather', 'ff_down_gather'];

/** Bytes that a multiprocessor must have in flight for the bandwidth: bandwidth × latency ÷ multiprocessors. */
export function neededInFlight(gpu: GpuDataSheet): number {
  return (gpu.bandwidth * LATENCY_NS * 1e-9) / gpu.multiprocessors;
}

/** Rows for a model: each feed-forward product, dense and at the density, by default variants of every instruction set and by winners. */
export function paperRows(model: string, config: ModelConfig, options: PaperOptions): readonly PaperRow[] {
  const { gpu, density } = options;
  return modelProblems(config, { density, isa: 'sm80' })
    .filter(({ problem }) => FF_FAMILIES.includes(problem.family))
    .sort((a, b) => order(a.problem) - order(b.problem))
    .flatMap(({ problem }) => {
      const family = requireFamily(problem.family);
      const isas = CUDA_ISAS.filter((isa) => family.cuda?.isas.includes(isa) === true && (isa === 'sm80' || (gpu.capability >= 90 && gpu.capability < 130)));
      const variants = isas.map((isa) => ({ variant: defaultVariant({ family: family.name, params: problem.params, isa }, { family }), origin: 'default' as const }));
      const winners = (options.winners?.(problem) ?? []).map((id) => ({ variant: parseKernelId(id), origin: 'winner' as const }));
      return [...variants, ...winners].map(({ variant, origin }) => rowOf(model, problem, family, variant, origin, options));
    });
}

/** Dense before sparse, gate/up before down. */
function order({ family, dims }: Problem): number {
  return (dims['dense'] === 1 ? 0 : 2) + FF_FAMILIES.indexOf(family);
}

function rowOf(model: string, problem: Problem, family: Family, variant: Variant, origin: PaperRow['origin'], { gpu, statistics }: PaperOptions): PaperRow {
  const { isa } = variant;
  if (!isCudaIsa(isa)) throw new RangeError(`${kernelId(variant, family)} is not a CUDA kernel`);
  const target = targetOf(family, isa);
  const context = { isa, params: variant.params, axes: variant.axes, dims: problem.dims, capability: gpu.capability };
  const names = { ...dispatchDims(family, problem), sms: gpu.multiprocessors };
  const evaluate = (text: string): number => parseLaunchExpression(text).evaluate(names);
  const [main] = target
    .launch(context)
    .phases.map((phase) => ({ phase, blocks: phase.grid.map(evaluate).reduce((a, b) => a * b, 1) }))
    .sort((a, b) => b.blocks - a.blocks);
  if (main === undefined) throw new RangeError(`${kernelId(variant, family)} has no phase`);
  const { phase, blocks } = main;
  const needs = statistics(variant, family)?.[phase.name] ?? null;
  const sharedBytes = evaluate(phase.sharedBytes) + (needs?.shared ?? 0);
  const limits = limitsOf(gpu.capability);
  const blocksPerSm = needs === null ? null : blocksThatFit({ threads: phase.block, registersPerThread: needs.registers, sharedBytes }, limits);
  const resident = blocksPerSm === null ? null : Math.min(blocksPerSm, Math.ceil(blocks / gpu.multiprocessors));
  const bytesPerThread = target.bytesInFlight?.(context) ?? null;
  const bytes = weightBytes(family, problem);
  return {
    model,
    problem: `${problem.family === 'ff_down_gather' ? 'down' : 'gate/up'} ${problem.dims['dense'] === 1 ? 'dense' : `k=${problem.dims['k'] ?? 0}`}`,
    kernelId: kernelId(variant, family),
    origin,
    isa,
    bytes,
    roofNs: (bytes / gpu.bandwidth) * 1e9,
    registers: needs?.registers ?? null,
    spillBytes: needs?.spillBytes ?? null,
    threads: phase.block,
    sharedBytes,
    blocks,
    blocksPerSm,
    occupancy: blocksPerSm === null ? null : (blocksPerSm * phase.block) / limits.threadsPerMultiprocessor,
    waves: blocksPerSm === null || blocksPerSm === 0 ? null : blocks / (blocksPerSm * gpu.multiprocessors),
    bytesPerThread,
    inFlight: resident === null || bytesPerThread === null ? null : resident * phase.block * bytesPerThread,
    needed: neededInFlight(gpu),
  };
}

/** Bytes of the kept rows: what the selection leaves of the weights, all of them in a dense problem. */
function weightBytes(family: Family, problem: Problem): number {
  const { k = 0, intermediate = 1 } = problem.dims;
  const weights = family.tensors.filter((tensor) => tensor.dtype(problem.params) === problem.params['dtype'] && isResident(tensor, problem));
  const all = weights.reduce((sum, tensor) => sum + tensorBytes(tensor, problem), 0);
  return problem.dims['dense'] === 1 ? all : (all * k) / intermediate;
}

/** The kernels of a row set that have no known figures, each once, to be compiled. */
export function variantsOf(configs: readonly ModelConfig[], gpu: GpuDataSheet, winners: readonly string[]): readonly { readonly variant: Variant; readonly family: Family }[] {
  const found = new Map<string, { variant: Variant; family: Family }>();
  const rows = configs.flatMap((config) => paperRows('', config, { gpu, density: 0.5, statistics: () => null }));
  for (const id of [...rows.map((row) => row.kernelId), ...winners]) {
    const variant = parseKernelId(id);
    found.set(id, { variant, family: requireFamily(variant.family) });
  }
  return [...found.values()];
}

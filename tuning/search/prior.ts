/**
 * What is expected of a variant before anything was measured, from what its axes mean: bytes in flight against those that Little's law
 * asks for, occupancy, registers, and distance from the default, which was chosen by hand. It orders what is tried first, and excludes nothing.
 */
import { blocksThatFit, limitsFor, REGISTERS_PER_THREAD } from '../../generator/capabilities.js';
import { defaultVariant } from '../../generator/space.js';
import { isCudaIsa, targetOf } from '../../generator/targets.js';
import type { AxisSpec, CudaTarget, Variant, VariantContext, CudaIsa } from '../../generator/types.js';
import { GPU_DATA_SHEETS } from '../gpus.js';
import { neededInFlight } from '../paper.js';
import type { SpaceDescription } from './search.js';

/** Relative cost that is expected, in log units up to a constant: lower is better. Only the order counts. */
export type Prior = (variant: Variant) => number;

/** One step away from the default on an axis of middling length costs about this: the default is a fair guess on every axis. */
const STEP = 0.04;
/** Bytes that a core should have on their way or prefetched: several lines per memory channel and bank, far above one latency times a core's bandwidth. */
const CORE_IN_FLIGHT = 32 * 1024;
/** A core has few line fill buffers for its level 1 and several times as many towards its level 2: prefetches there are dropped less often. */
const LEVEL1_PREFETCH = 0.1;

export function analyticalPrior(description: Pick<SpaceDescription, 'form' | 'family' | 'dims' | 'capability'>): Prior {
  const { form, family, dims, capability } = description;
  const target = targetOf(family, form.isa);
  const standard = defaultVariant(form, { family });
  const near = (variant: Variant): number => STEP * stepsFrom(standard, variant, target.axes);
  if (!isCudaIsa(form.isa)) {
    const names = new Set(target.axes.map(({ name }) => name));
    return (variant) => near(variant) + (names.has('ahead') ? streamingCost(variant) : 0) + (names.has('tilerows') ? tileCost(variant) : 0);
  }
  const isa = form.isa;
  return (variant) => near(variant) + gpuCost(target as unknown as CudaTarget, { isa, params: variant.params, axes: variant.axes, dims, ...(capability === undefined ? {} : { capability }) });
}

/** Steps on all axes; an axis with many values has smaller ones. */
function stepsFrom(standard: Variant, variant: Variant, axes: readonly AxisSpec[]): number {
  return axes.reduce((sum, { name, values }) => {
    const steps = Math.abs(values.indexOf(variant.axes[name] ?? 0) - values.indexOf(standard.axes[name] ?? 0));
    return sum + (steps === 0 ? 0 : 0.5 + (2 * steps) / values.length);
  }, 0);
}

/** CPU kernels that prefetch along selected rows: bytes on their way of all streams, and to which level. */
function streamingCost({ axes }: Variant): number {
  const streams = axes['streams'] ?? axes['neurons'] ?? 1;
  const ahead = axes['ahead'] ?? 0;
  if (ahead === 0) return 0.3;
  const flying = streams * ahead;
  const far = Math.log2(CORE_IN_FLIGHT / flying);
  return 0.05 * Math.max(0, far) + 0.02 * Math.max(0, -far) + (axes['hint'] === 1 ? 0 : LEVEL1_PREFETCH) + (axes['again'] === 0 ? 0.03 : 0);
}

/** CPU kernels with a register tile: operands that are loaded per multiply-add. */
function tileCost({ axes }: Variant): number {
  const [rows, vectors] = [axes['tilerows'] ?? 1, axes['tilevectors'] ?? 1];
  return (0.2 * (rows + vectors)) / (rows * vectors);
}

/** A GPU kernel: bytes in flight of a multiprocessor that is full, against what is needed; occupancy; registers near their limit. */
function gpuCost(target: CudaTarget, context: VariantContext<CudaIsa>): number {
  const limits = limitsFor(context.isa, context.capability);
  const phases = target.launch(context).phases;
  const threads = Math.max(...phases.map(({ block }) => block));
  const perThread = target.bytesInFlight?.(context) ?? 0;
  // Bytes that are loaded ahead live in registers unless they go to shared memory, which `sharedBytes` then shows.
  const shared = target.sharedBytes?.(context) ?? 0;
  const registers = Math.min(REGISTERS_PER_THREAD, 40 + (shared > 16 * 1024 ? 24 : perThread / 4));
  const blocks = blocksThatFit({ threads, registersPerThread: registers, sharedBytes: shared }, limits);
  if (blocks === 0) return 1;
  const occupancy = Math.min(1, (blocks * threads) / limits.threadsPerMultiprocessor);
  const gpu = GPU_DATA_SHEETS.find((sheet) => sheet.capability === limits.capability) ?? GPU_DATA_SHEETS[0]!;
  const short = perThread === 0 ? 0 : Math.log2(neededInFlight(gpu) / (blocks * threads * perThread));
  return 0.25 * Math.max(0, short) + 0.02 * Math.max(0, -short - 1) + 0.1 * (1 - occupancy) + (registers > 200 ? 0.1 : 0);
}

import { limitsFor } from '../../capabilities.js';
import type { AxisSpec, AxisValues, Constraint, CudaIsa, CudaLaunch, Expr, VariantContext } from '../../types.js';
import { axis } from '../common.js';

/** What the CUDA forms of the smaller families share: one-phase launches, the threads axis and the cache axis. */

type Context = VariantContext<CudaIsa>;

/** A launch of one phase called `main`, without workspace and counters unless given. */
export function mainPhase(
  grid: readonly [Expr, Expr, Expr],
  block: number,
  more: { readonly sharedBytes?: Expr; readonly workspaceBytes?: Expr; readonly counters?: Expr } = {},
): CudaLaunch {
  return {
    phases: [{ name: 'main', grid, block, sharedBytes: more.sharedBytes ?? '0' }],
    workspaceBytes: more.workspaceBytes ?? '0',
    counters: more.counters ?? '0',
  };
}

export function threadsAxis(values: readonly number[], doc: string): AxisSpec {
  return { name: 'threads', values, doc: `threads per block: ${doc}` };
}

/** CacheHint of device.cuh. */
export const CACHE_AXIS: AxisSpec = {
  name: 'hint',
  values: [0, 1, 2],
  doc: 'how streaming loads treat the caches: 0 as any load, 1 evict first, 2 past level 1',
};

/**
 * Kernels that are compiled with `1024 / threads` blocks per multiprocessor as their bound have 64 registers per thread; a variant whose estimate is
 * above that would spill.
 */
export function registerConstraint(estimate: (axes: AxisValues) => number): Constraint<CudaIsa> {
  return {
    name: 'registers',
    reason: 'Loads in flight and what is kept between passes must fit in the 64 registers that leave a multiprocessor 1024 threads.',
    holds: ({ axes, capability }) => {
      const perThread = limitsFor('sm80', capability).registersPerMultiprocessor / 1024;
      return estimate(axes) <= perThread;
    },
  };
}

/** One thread block must not be the only one of a multiprocessor when it waits at a barrier. */
export function residentBlocks(blocks: number, threads: (axes: AxisValues) => number): Constraint<CudaIsa> {
  return {
    name: 'resident-blocks',
    reason: `${blocks} blocks must fit on a multiprocessor at once, so that loads stay in flight while one of them waits at a barrier.`,
    holds: ({ axes, capability }) => blocks * threads(axes) <= limitsFor('sm80', capability).threadsPerMultiprocessor,
  };
}

/** The class of variants that give the same bits: those that agree in the axes which shape the order of sums. */
export function orderOf(...names: readonly string[]): (context: Context) => string {
  return ({ axes }) => names.map((name) => `${name}${axis(axes, name)}`).join('-');
}

import { blocksThatFit, limitsFor, REGISTERS_PER_THREAD } from '../../capabilities.js';
import type { AxisValues, CudaIsa, CudaTarget, Params, VariantContext } from '../../types.js';
import { axis, dtypeParam, weightBytes } from '../common.js';

type Context = Pick<VariantContext<CudaIsa>, 'params' | 'axes'>;

const threadsOf = (axes: AxisValues): number => 32 * axis(axes, 'warpsm') * axis(axes, 'warpsn');

/** 16-row and 8-output tiles of one warp. */
function warpTiles(axes: AxisValues): { readonly m: number; readonly n: number } {
  return { m: axis(axes, 'm') / axis(axes, 'warpsm') / 16, n: axis(axes, 'n') / axis(axes, 'warpsn') / 8 };
}

/** Shared memory of a block: the ring of tiles of x (f32) and w, rows padded as the template does. */
export function linearGemmSharedBytes({ params, axes }: Context): number {
  const [m, n, k] = [axis(axes, 'm'), axis(axes, 'n'), axis(axes, 'k')];
  const bytes = weightBytes(params);
  const weights = params['layout'] === 'inout' ? k * (n + (bytes === 4 ? 4 : 8)) : n * (k + 8);
  return axis(axes, 'stages') * (m * (k + 8) * 4 + weights * bytes);
}

/**
 * Registers of a thread: the sums, the fragments of w for all outputs of the warp, what each row tile takes of x, and addresses. Fitted to what ptxas
 * reports.
 */
export function linearGemmRegisters({ params, axes }: Context): number {
  const { m, n } = warpTiles(axes);
  const weights = dtypeParam(params) === 'bf16' ? 2 * n : 4 * n;
  return 4 * m * n + weights + 8 * m + 56;
}

function defaultTile(params: Params): AxisValues {
  const common = { m: 128, n: 128, k: 32, warpsm: 4, warpsn: 2, terms: 2, slices: 1, band: 16 };
  // Three stages of f32 tiles would not fit in the 99 KiB of capability 8.6.
  return dtypeParam(params) === 'f32' ? { ...common, stages: 2 } : { ...common, stages: 3 };
}

export const linearGemmCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    { name: 'm', values: [16, 32, 64, 128, 256], doc: 'rows of x in a tile of y: 16 for a few rows, 128 where there are many' },
    { name: 'n', values: [32, 64, 128, 256], doc: 'outputs in a tile of y; a tile of 128 × 128 uses every number that it loads 128 times' },
    { name: 'k', values: [16, 32, 64], doc: 'inputs per stage: deeper stages pass fewer barriers and take more shared memory' },
    { name: 'warpsm', values: [1, 2, 4, 8], doc: 'warps that share the rows of a tile; x is split into parts by every warp that reads it, so more of these and fewer of warpsn split less often' },
    { name: 'warpsn', values: [1, 2, 4, 8], doc: 'warps that share the outputs of a tile' },
    { name: 'stages', values: [2, 3, 4, 5], doc: 'stages in shared memory; all but one are on their way while one is multiplied' },
    { name: 'terms', values: [2, 3], doc: 'bf16 parts of x: 3 are exact, 2 carry 16 bits and cost two thirds (sums of fewer than 256 products always get 3)' },
    { name: 'slices', values: [1, 2, 4, 8], doc: 'pieces of the depth, each a block; 4 give a small y four times the blocks, for partial sums through memory' },
    { name: 'band', values: [4, 8, 16, 64], doc: 'row tiles that blocks run through before they go on to the next outputs: which tiles of x and w share level 2' },
  ],
  constraints: [
    {
      name: 'warp-tile',
      reason: 'A warp multiplies whole 16 × 16 tiles: two 8-output tiles come with one matrix load.',
      holds: ({ axes }) => axis(axes, 'm') % (16 * axis(axes, 'warpsm')) === 0 && axis(axes, 'n') % (16 * axis(axes, 'warpsn')) === 0,
    },
    {
      name: 'warps',
      reason: 'Fewer than 4 warps leave a quarter of a multiprocessor without work; more than 16 leave each fewer than 128 registers.',
      holds: ({ axes }) => threadsOf(axes) >= 128 && threadsOf(axes) <= 512,
    },
    {
      name: 'registers',
      reason: 'The sums and the fragments of one step must stay in the registers that a thread can have (255, or 65536 shared by the block).',
      holds: ({ params, axes, capability }) => {
        const needed = linearGemmRegisters({ params, axes });
        const limits = limitsFor('sm80', capability);
        return needed <= REGISTERS_PER_THREAD - 15 && needed * threadsOf(axes) <= limits.registersPerMultiprocessor;
      },
    },
    {
      name: 'shared-memory',
      reason: 'The stages must fit in the shared memory that a block may have (163 KiB on 8.0, 99 on 8.6, 8.9 and 12.0, 227 on 9.0 and 10.0).',
      holds: ({ params, axes, capability }) => linearGemmSharedBytes({ params, axes }) <= limitsFor('sm80', capability).sharedPerBlock,
    },
    {
      name: 'reuse',
      reason: 'A warp with one 16 × 16 tile loads as many fragments as it multiplies: where the block’s tile has more, warps must too.',
      holds: ({ axes }) => {
        const { m, n } = warpTiles(axes);
        return m * n >= Math.min(4, (axis(axes, 'm') * axis(axes, 'n')) / 128 / 4);
      },
    },
    {
      name: 'copies',
      reason: 'A stage with fewer 16-byte pieces of x and w than the block has threads leaves threads without a copy to start.',
      holds: ({ params, axes }) => (axis(axes, 'k') * (4 * axis(axes, 'm') + weightBytes(params) * axis(axes, 'n'))) / 16 >= threadsOf(axes),
    },
    {
      name: 'terms',
      reason: 'Parts are counted for bf16 weights only: f16 and f32 weights take x in two tf32 parts.',
      holds: ({ params, axes }) => axis(axes, 'terms') === 2 || dtypeParam(params) === 'bf16',
    },
    {
      name: 'slices',
      reason: 'Slices are for results with few tiles: with 128 × 128 tiles and more, partial sums would cost what they gain.',
      holds: ({ axes }) => axis(axes, 'slices') === 1 || axis(axes, 'm') * axis(axes, 'n') < 128 * 128,
    },
  ],
  template: 'cuda/linear_gemm.cu.hbs',
  defaults: ({ params }) => defaultTile(params),
  launch: ({ params, axes }) => {
    const [m, n, slices] = [axis(axes, 'm'), axis(axes, 'n'), axis(axes, 'slices')];
    const tiles = `ceilDiv(rows, ${m}) * ceilDiv(out, ${n})`;
    return {
      phases: [{ name: 'main', grid: [tiles, String(slices), '1'], block: threadsOf(axes), sharedBytes: String(linearGemmSharedBytes({ params, axes })) }],
      workspaceBytes: slices === 1 ? '0' : `${tiles} * ${slices * m * n * 4}`,
      counters: slices === 1 ? '0' : tiles,
    };
  },
  view: ({ params, axes }) => ({ threads: threadsOf(axes), minBlocks: minBlocks({ params, axes }) }),
  sharedBytes: linearGemmSharedBytes,
  // Each thread's share of the weights of all stages but the one that is multiplied.
  bytesInFlight: ({ params, axes }) => ((axis(axes, 'stages') - 1) * axis(axes, 'n') * axis(axes, 'k') * weightBytes(params)) / threadsOf(axes),
  // A sum runs over the inputs in steps of 16 (8 with tf32), whatever the tile; slices cut it at multiples of k.
  numericsClass: ({ params, axes }) => {
    const parts = dtypeParam(params) === 'bf16' ? `bf16x${axis(axes, 'terms')}` : 'tf32x2';
    return axis(axes, 'slices') === 1 ? parts : `${parts}-slices${axis(axes, 'slices')}-k${axis(axes, 'k')}`;
  },
};

/** What the register allocator aims at: as many blocks as the estimate allows, at most two; shared memory decides on the device. */
function minBlocks({ params, axes }: Context): number {
  const needs = { threads: threadsOf(axes), registersPerThread: linearGemmRegisters({ params, axes }), sharedBytes: 0 };
  return Math.max(1, Math.min(2, blocksThatFit(needs, limitsFor('sm80'))));
}

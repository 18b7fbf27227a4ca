import { limitsFor, REGISTERS_PER_THREAD } from '../../capabilities.js';
import type { AxisValues, CudaIsa, CudaTarget, VariantContext } from '../../types.js';
import { axis, ceilDiv, dimOr } from '../common.js';
import { LARGEST_HEAD_DIM } from './attention.js';

type Context = Pick<VariantContext<CudaIsa>, 'axes' | 'dims'>;

/** Longer heads take tiles of half as many keys: twice the numbers per key would not leave room for as many. */
const SHORT_HEAD = 128;

const threadsOf = (axes: AxisValues): number => (32 * axis(axes, 'queries')) / axis(axes, 'warprows');

const padded = (columns: number): number => ceilDiv(columns, 32) * 32;

/** Shared memory of a block for heads of `headDim` numbers: the queries, and the stages of keys and values, padded as the template does. */
function sharedBytesOf(axes: AxisValues, headDim: number): number {
  const stride = padded(headDim) + 8;
  const valueStride = padded(Math.min(headDim, axis(axes, 'width'))) + 4;
  const keys = headDim <= SHORT_HEAD ? axis(axes, 'keys') : axis(axes, 'keys') / 2;
  return 4 * (axis(axes, 'queries') * stride + axis(axes, 'stages') * keys * (stride + valueStride));
}

/** The most that a block takes for the problem's heads, or for any heads. */
export function attentionPrefillSharedBytes({ axes, dims }: Context): number {
  const headDim = dimOr(dims ?? {}, 'head_dim', 0);
  return headDim > 0 ? sharedBytesOf(axes, headDim) : Math.max(sharedBytesOf(axes, SHORT_HEAD), sharedBytesOf(axes, LARGEST_HEAD_DIM));
}

/** Registers of a thread: sums of 16 (or 32) rows of `width` numbers, scores of a tile, keys in two parts, addresses. Fitted to what ptxas reports. */
export function attentionPrefillRegisters(axes: AxisValues): number {
  return ((axis(axes, 'width') + axis(axes, 'keys')) / 2) * (axis(axes, 'warprows') / 16) + axis(axes, 'keys') / 2 + 79;
}

function sharedExpression(axes: AxisValues): string {
  const [queries, keys, stages] = [axis(axes, 'queries'), axis(axes, 'keys'), axis(axes, 'stages')];
  const dim = 'ceilDiv(head_dim, 32) * 32';
  const tile = `(${keys} - ${keys / 2} * min(1, head_dim / ${SHORT_HEAD + 1}))`;
  return `4 * (${queries} * (${dim} + 8) + ${stages} * ${tile} * (${dim} + min(${dim}, ${axis(axes, 'width')}) + 12))`;
}

export const attentionPrefillCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    { name: 'queries', values: [32, 64, 128], doc: 'rows of a block: 128 read each tile of keys half as often as 64 do, 32 give short prompts more blocks' },
    { name: 'warprows', values: [16, 32], doc: 'rows of a warp: 32 split every key and value into its parts half as often, for twice the registers' },
    { name: 'keys', values: [16, 32, 64], doc: 'keys of a tile, for heads of at most 128 numbers (half as many for longer ones); larger tiles pass fewer barriers' },
    { name: 'stages', values: [1, 2], doc: 'tiles of keys and values in shared memory: 2 fetch whole tiles ahead, 1 fetches values during scores and keys during sums, in half the memory' },
    { name: 'width', values: [64, 128, 256], doc: 'columns of the result that a block computes: heads of 256 take two blocks of 128, which both compute all scores, or one of 256 in more registers' },
  ],
  constraints: [
    {
      name: 'head-dim',
      reason: `Heads are at most ${LARGEST_HEAD_DIM} numbers long, and registers for columns past ${SHORT_HEAD} serve only heads that have them.`,
      holds: ({ axes, dims }) => {
        const headDim = dimOr(dims ?? {}, 'head_dim', LARGEST_HEAD_DIM);
        return headDim <= LARGEST_HEAD_DIM && (axis(axes, 'width') <= SHORT_HEAD || headDim > SHORT_HEAD);
      },
    },
    {
      name: 'registers',
      reason: `A warp keeps its rows of sums and the scores of a tile in registers: at most ${REGISTERS_PER_THREAD} per thread.`,
      holds: ({ axes }) => attentionPrefillRegisters(axes) <= REGISTERS_PER_THREAD,
    },
    {
      name: 'warps',
      reason: 'A multiprocessor has four schedulers: blocks of fewer than two warps could not give each of them one, with two or three blocks at a time.',
      holds: ({ axes }) => threadsOf(axes) >= 64,
    },
    {
      name: 'register-file',
      reason: 'All warps of a block share a multiprocessor’s 65536 registers.',
      holds: ({ axes, capability }) => attentionPrefillRegisters(axes) * threadsOf(axes) <= limitsFor('sm80', capability).registersPerMultiprocessor,
    },
    {
      name: 'shared-memory',
      reason: 'Queries and stages must fit in the shared memory that a block may have (163 KiB on 8.0, 99 on 8.6, 8.9 and 12.0, 227 on 9.0 and 10.0).',
      holds: ({ axes, dims, capability }) => attentionPrefillSharedBytes({ axes, ...(dims === undefined ? {} : { dims }) }) <= limitsFor('sm80', capability).sharedPerBlock,
    },
  ],
  template: 'cuda/attention_prefill.cu.hbs',
  defaults: () => ({ queries: 64, warprows: 16, keys: 32, stages: 1, width: 128 }),
  launch: ({ axes }) => ({
    phases: [
      { name: 'main', grid: ['heads', `ceilDiv(rows, ${axis(axes, 'queries')})`, `ceilDiv(head_dim, ${axis(axes, 'width')})`], block: threadsOf(axes), sharedBytes: sharedExpression(axes) },
    ],
    workspaceBytes: '0',
    counters: '0',
  }),
  view: ({ axes }) => ({ threads: threadsOf(axes), shortHead: SHORT_HEAD }),
  sharedBytes: attentionPrefillSharedBytes,
  // A running maximum per tile of keys: the tile's size decides how sums are scaled and in which order weights add up.
  numericsClass: ({ axes }) => `tf32x2-keys${axis(axes, 'keys')}`,
};

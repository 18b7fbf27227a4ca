import { limitsFor, REGISTERS_PER_THREAD, SHARED_WITHOUT_OPT_IN } from '../../capabilities.js';
import type { AxisValues, CudaIsa, CudaTarget, VariantContext } from '../../types.js';
import { axis, ceilDiv, dimOr } from '../common.js';
import { LARGEST_HEAD_DIM } from './attention.js';

type Context = VariantContext<CudaIsa>;

/** 16-byte vectors of a key that one lane holds, for the longest keys that the variant takes. */
function vectorsPerLane(axes: AxisValues): number {
  return ceilDiv(axis(axes, 'width'), 4 * axis(axes, 'lanes'));
}

/**
 * Registers of a thread: per query head its share of the query and of the weighted sum, the running maximum and total; keys and values in
 * flight; a score per query head and key, and addresses. Fitted to what ptxas reports.
 */
export function attentionDecodeRegisters(axes: AxisValues): number {
  const vectors = vectorsPerLane(axes);
  const [queries, keys] = [axis(axes, 'queries'), axis(axes, 'keys')];
  // Of heads that need half as many vectors, twice as many keys are in flight.
  const perQuery = vectors === 1 ? 8 + keys : Math.max(8 * vectors + keys, 4 * vectors + 2 * keys);
  return queries * (perQuery + 2) + 8 * vectors * keys + 46;
}

/** Shared memory of a block for heads of `headDim` numbers: the sums of every warp, and their scales. */
function sharedBytes(axes: AxisValues, headDim: number): number {
  const [warps, queries] = [axis(axes, 'warps'), axis(axes, 'queries')];
  return warps * queries * headDim * 4 + (2 * warps + Math.max(warps, axis(axes, 'splits'))) * queries * 4 + 16;
}

const registersOfBlock = ({ axes }: Context): number => Math.ceil(attentionDecodeRegisters(axes) / 8) * 8 * 32 * axis(axes, 'warps');

export const attentionDecodeCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    {
      name: 'splits',
      values: [1, 2, 4, 8, 16, 32, 64],
      doc: 'most pieces of a context, each a block: 16 pieces × 8 kv heads are 128 blocks; a short context is cut into fewer',
    },
    { name: 'warps', values: [2, 4, 8, 16], doc: 'warps of a block; they take turns at the keys of its piece' },
    { name: 'queries', values: [1, 2, 4, 8], doc: 'query heads of a block, all of one kv head: 4 read keys and values once for a group of 4; unused ones cost nothing' },
    { name: 'lanes', values: [8, 16, 32], doc: 'lanes that hold one key between them: 32 need the fewest registers, 8 the fewest shuffles per score' },
    { name: 'keys', values: [1, 2, 4, 8], doc: 'keys of `width` numbers, and as many values, that a lane group has in flight; of heads half as long or shorter, twice as many' },
    {
      name: 'ahead',
      values: [0, 1],
      doc: '1: the registers of keys and of values take the next batch as soon as they have served, so that loads are always on their way; 0: a batch is loaded, then used',
    },
    { name: 'hint', values: [0, 1, 2, 3], doc: 'cache treatment of keys and values: 0 none, 1 evict first, 2 past level 1, 3 past level 1 in 256 bytes of level 2' },
    { name: 'width', values: [64, 128, LARGEST_HEAD_DIM], doc: 'longest heads that the variant takes: registers are reserved for them; 128 serves 80 and 96 as well' },
  ],
  constraints: [
    {
      name: 'head-dim',
      reason: `Registers hold keys of at most \`width\` numbers; without a problem, any head_dim up to ${LARGEST_HEAD_DIM} may come.`,
      holds: ({ axes, dims }) => dimOr(dims ?? {}, 'head_dim', LARGEST_HEAD_DIM) <= axis(axes, 'width'),
    },
    {
      name: 'registers',
      reason: `Queries, sums and the loads in flight must stay in the ${REGISTERS_PER_THREAD} registers that a thread can have.`,
      holds: ({ axes }) => attentionDecodeRegisters(axes) <= REGISTERS_PER_THREAD - 15,
    },
    {
      name: 'register-file',
      reason: 'Two blocks must fit in a multiprocessor’s registers: while one merges its warps, the other keeps loads in flight.',
      holds: (context) => 2 * registersOfBlock(context) <= limitsFor('sm80', context.capability).registersPerMultiprocessor,
    },
    {
      name: 'bytes-in-flight',
      reason: 'A lane that waits for less than two 16-byte loads at a time leaves memory idle (Little’s law, at most 2048 threads).',
      holds: ({ axes }) => axis(axes, 'keys') * vectorsPerLane(axes) >= 2,
    },
    {
      name: 'shared-memory',
      reason: 'The sums of all warps must fit in the 48 KiB that every block may use: more would leave one block per multiprocessor.',
      holds: ({ axes, dims }) => sharedBytes(axes, dims === undefined ? axis(axes, 'width') : dimOr(dims, 'head_dim', axis(axes, 'width'))) <= SHARED_WITHOUT_OPT_IN,
    },
  ],
  template: 'cuda/attention_decode.cu.hbs',
  defaults: () => ({ splits: 16, warps: 4, queries: 4, lanes: 32, keys: 2, ahead: 1, hint: 2, width: LARGEST_HEAD_DIM }),
  launch: ({ axes }) => {
    const [splits, queries] = [axis(axes, 'splits'), axis(axes, 'queries')];
    const blocks = `kv_heads * ceilDiv(heads / kv_heads, ${queries})`;
    return {
      phases: [
        {
          name: 'main',
          grid: [String(splits), blocks, 'rows'],
          block: 32 * axis(axes, 'warps'),
          sharedBytes: `${axis(axes, 'warps') * queries * 4} * head_dim`,
        },
      ],
      workspaceBytes: splits === 1 ? '0' : `rows * heads * ${splits * 4} * (head_dim + 2)`,
      counters: splits === 1 ? '0' : `rows * ${blocks}`,
    };
  },
  view: ({ axes }) => ({ threads: 32 * axis(axes, 'warps'), minBlocks: 2 }),
  sharedBytes: ({ axes, dims }) => sharedBytes(axes, dims === undefined ? axis(axes, 'width') : dimOr(dims, 'head_dim', axis(axes, 'width'))),
  // Keys and values of the longest heads; shorter ones come close to the same.
  bytesInFlight: ({ axes }) => 2 * axis(axes, 'keys') * vectorsPerLane(axes) * 16,
  // Which keys a lane group sums, and in which order; how many heads share a block and when loads start changes no bit.
  numericsClass: ({ axes }) => `splits${axis(axes, 'splits')}-warps${axis(axes, 'warps')}-lanes${axis(axes, 'lanes')}-keys${axis(axes, 'keys')}-width${axis(axes, 'width')}`,
};

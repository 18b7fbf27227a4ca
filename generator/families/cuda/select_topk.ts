import { limitsFor, SHARED_WITHOUT_OPT_IN } from '../../capabilities.js';
import type { AxisValues, CudaTarget } from '../../types.js';
import { axis } from '../common.js';
import { mainPhase, threadsAxis } from './launches.js';

/** The keys that stay, the buckets that a thread sums, and what addresses and ballots need. */
export const selectTopkRegisters = (axes: AxisValues): number => axis(axes, 'held') + 2 ** axis(axes, 'bits') / axis(axes, 'threads') + 28;

function sharedBytes(axes: AxisValues): number {
  const warps = axis(axes, 'threads') / 32;
  return 4 * (2 ** axis(axes, 'bits') * axis(axes, 'copies') + 32 + warps + axis(axes, 'held') * warps + 4);
}

export const selectTopkCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    threadsAxis([256, 512, 1024], 'one block works on a row; 1024 threads × 14 scores are a row of 14336'),
    { name: 'held', values: [4, 8, 16, 24], doc: 'scores that a thread keeps in registers between passes; what a row has beyond threads·held is read again from level 2' },
    { name: 'bits', values: [8, 10, 11], doc: 'bits of the score that a pass looks at: 11 take three passes and 2048 counters, 8 four passes and 256' },
    { name: 'copies', values: [1, 4, 8, 32], doc: 'counters per bucket: with 4, eight lanes share one; with 32 none do' },
  ],
  constraints: [
    {
      name: 'shared-memory',
      reason: 'Counters and places must fit in the 48 KiB that a block has without opting in.',
      holds: ({ axes }) => sharedBytes(axes) <= SHARED_WITHOUT_OPT_IN,
    },
    {
      name: 'registers',
      reason: 'The scores must stay in the registers that a block of this many threads can have: 64 each with 1024 threads.',
      holds: ({ axes, capability }) => selectTopkRegisters(axes) * axis(axes, 'threads') <= limitsFor('sm80', capability).registersPerMultiprocessor,
    },
    {
      name: 'conflicts',
      reason: 'Where a pass looks at 8 bits, the sign-free exponent, most scores fall into a few buckets: without copies a warp’s additions would take turns.',
      holds: ({ axes }) => axis(axes, 'bits') > 8 || axis(axes, 'copies') >= 8,
    },
  ],
  template: 'cuda/select_topk.cu.hbs',
  defaults: () => ({ threads: 1024, held: 16, bits: 11, copies: 4 }),
  launch: ({ axes }) => mainPhase(['layers', '1', '1'], axis(axes, 'threads')),
  sharedBytes: ({ axes }) => sharedBytes(axes),
  numericsClass: () => 'exact',
};

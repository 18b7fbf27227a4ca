import type { AxisValues, CudaTarget } from '../../types.js';
import { axis } from '../common.js';
import { CACHE_AXIS, mainPhase, orderOf, registerConstraint, residentBlocks } from './launches.js';

const threads = (axes: AxisValues): number => 32 * axis(axes, 'across') * axis(axes, 'down');

/** The loads in flight, four sums, and addresses. */
export const flockStatisticRegisters = (axes: AxisValues): number => 4 * axis(axes, 'loads') + 30;

export const flockStatisticCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    { name: 'across', values: [1, 2, 4], doc: 'warps side by side in a row, 512 bytes each: 2 read a row in pieces of 1 KiB' },
    { name: 'down', values: [2, 4, 8, 16], doc: 'warps of a block that take rows in turn' },
    { name: 'tokens', values: [32, 64, 128, 256], doc: 'rows of a block: 64 cut 2048 × 11008 into 1376 blocks of 2 × 8 warps, whose 32 sums per column are added at the end' },
    { name: 'loads', values: [2, 4, 8], doc: 'rows that a thread loads before it uses the first' },
    CACHE_AXIS,
  ],
  constraints: [
    registerConstraint(flockStatisticRegisters),
    residentBlocks(2, threads),
    {
      name: 'block-size',
      reason: 'A block of 1024 threads leaves one block per multiprocessor, which would idle in its sum; fewer than 128 threads need too many blocks to fill it.',
      holds: ({ axes }) => threads(axes) >= 128 && threads(axes) <= 512,
    },
    {
      name: 'rows-per-thread',
      reason: 'A thread must find all its loads in flight in the rows of its block, and at most 32 rows keep the error of its sum small.',
      holds: ({ axes }) => {
        const rows = axis(axes, 'tokens') / axis(axes, 'down');
        return rows >= axis(axes, 'loads') && rows <= 32;
      },
    },
  ],
  template: 'cuda/flock_statistic.cu.hbs',
  defaults: () => ({ across: 2, down: 8, tokens: 64, loads: 4, hint: 0 }),
  launch: ({ axes }) => {
    const [columns, blocks] = [`ceilDiv(intermediate, ${128 * axis(axes, 'across')})`, `ceilDiv(rows, ${axis(axes, 'tokens')})`];
    return mainPhase([columns, blocks, '1'], threads(axes), { workspaceBytes: `${blocks} * intermediate * 4`, counters: columns });
  },
  view: ({ axes }) => ({ minBlocks: 1024 / threads(axes) }),
  sharedBytes: ({ axes }) => 16 * threads(axes) + 16,
  bytesInFlight: ({ axes }) => 16 * axis(axes, 'loads'),
  numericsClass: orderOf('down', 'tokens'),
};

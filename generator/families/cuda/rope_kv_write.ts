import type { CudaTarget } from '../../types.js';
import { axis } from '../common.js';
import { mainPhase, threadsAxis } from './launches.js';

export const ropeKvWriteCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    threadsAxis([64, 128, 256], 'a head of 128 is work for 16 of them'),
    { name: 'heads', values: [2, 4, 8, 16, 32], doc: 'heads per block, which share the sines and cosines of the row: few spread one row over more multiprocessors' },
  ],
  constraints: [
    {
      name: 'work-per-thread',
      reason: 'A thread rotates eight numbers of a head at a time; with more than 32 threads per head most would only wait at the barrier.',
      holds: ({ axes }) => axis(axes, 'threads') <= 32 * axis(axes, 'heads'),
    },
  ],
  template: 'cuda/rope_kv_write.cu.hbs',
  defaults: () => ({ threads: 128, heads: 8 }),
  launch: ({ axes }) =>
    mainPhase(['rows', `ceilDiv(heads + 2 * kv_heads, ${axis(axes, 'heads')})`, '1'], axis(axes, 'threads'), { sharedBytes: 'head_dim * 4' }),
  numericsClass: () => 'any',
};

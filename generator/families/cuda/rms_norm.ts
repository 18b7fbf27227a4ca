import { limitsFor } from '../../capabilities.js';
import type { AxisValues, CudaTarget } from '../../types.js';
import { axis } from '../common.js';
import { mainPhase, orderOf, threadsAxis } from './launches.js';

/** The row and what else is live while weights and addresses come and go, fitted to what ptxas reports. */
export const rmsNormRegisters = (axes: AxisValues): number => 4 * axis(axes, 'held') + 38;

export const rmsNormCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    threadsAxis([128, 256, 512, 1024], 'more shorten the one load that everything waits for, fewer the sum over warps'),
    { name: 'held', values: [1, 2, 4], doc: 'vectors of 16 bytes that a thread keeps: 512 threads × 4 hold a row of 8192; the rest of a longer row is read twice' },
  ],
  constraints: [
    {
      name: 'registers',
      reason: 'The row and its weights must stay in the registers that a block of this many threads can have: 64 each with 1024 threads.',
      holds: ({ axes, capability }) => rmsNormRegisters(axes) * axis(axes, 'threads') <= limitsFor('sm80', capability).registersPerMultiprocessor,
    },
  ],
  template: 'cuda/rms_norm.cu.hbs',
  defaults: () => ({ threads: 512, held: 4 }),
  launch: ({ axes }) => mainPhase(['rows', '1', '1'], axis(axes, 'threads')),
  // Which vectors a thread sums, and in which order, does not depend on how many of them it keeps.
  numericsClass: orderOf('threads'),
};

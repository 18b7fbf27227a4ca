import type { CudaTarget } from '../../types.js';
import { axis } from '../common.js';
import { mainPhase, threadsAxis } from './launches.js';

/** Fused multiply-adds per iteration and unit, as in the CPU's form. */
const WORK = 3072;

export const probeFmaCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    threadsAxis([128, 256, 512], 'one block is one unit'),
    { name: 'chains', values: [2, 4, 6, 8, 12, 24], doc: 'independent numbers per thread; 16 warps per scheduler hide a latency of 4 with one, few warps need more' },
  ],
  constraints: [
    {
      name: 'same-work',
      reason: `An iteration is ${WORK} multiply-adds for every variant: threads × chains must divide it.`,
      holds: ({ axes }) => WORK % (axis(axes, 'threads') * axis(axes, 'chains')) === 0,
    },
  ],
  template: 'cuda/probe_fma.cu.hbs',
  defaults: () => ({ threads: 256, chains: 6 }),
  launch: ({ axes }) => mainPhase(['units', '1', '1'], axis(axes, 'threads')),
  view: () => ({ work: WORK }),
  numericsClass: () => 'exact',
};

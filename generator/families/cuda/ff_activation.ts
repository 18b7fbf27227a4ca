import type { AxisValues, CudaTarget } from '../../types.js';
import { axis } from '../common.js';
import { CACHE_AXIS, mainPhase, orderOf, registerConstraint, threadsAxis } from './launches.js';

/** The loads in flight, and what activation functions, addresses and sums need. */
export const ffActivationRegisters = (axes: AxisValues): number => 4 * axis(axes, 'loads') + 30;

export const ffActivationCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    threadsAxis([128, 256, 512], 'the unit that shares the sum of a row'),
    { name: 'split', values: [1, 2, 4, 8], doc: 'blocks per row: 1 needs no second sum, 4 fill 132 multiprocessors with 64 rows' },
    { name: 'loads', values: [1, 2, 4, 8], doc: 'loads of 16 bytes that a thread issues before it uses the first' },
    CACHE_AXIS,
  ],
  constraints: [
    registerConstraint(ffActivationRegisters),
    {
      name: 'bytes-in-flight',
      reason: 'Memory needs some 32 KiB in flight per multiprocessor (Little: 3.35 TB/s × 700 ns ÷ 132); with 1024 threads a single load of 16 bytes each is half of that.',
      holds: ({ axes }) => axis(axes, 'loads') >= 2,
    },
  ],
  template: 'cuda/ff_activation.cu.hbs',
  defaults: () => ({ threads: 256, split: 2, loads: 4, hint: 0 }),
  launch: ({ axes }) => {
    const split = axis(axes, 'split');
    return mainPhase([String(split), 'rows', '1'], axis(axes, 'threads'), split === 1 ? {} : { workspaceBytes: `rows * ${split * 4}`, counters: 'rows' });
  },
  bytesInFlight: ({ axes }) => 16 * axis(axes, 'loads'),
  numericsClass: orderOf('threads', 'split'),
};

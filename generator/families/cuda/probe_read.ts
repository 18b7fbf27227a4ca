import type { AxisValues, CudaTarget } from '../../types.js';
import { axis } from '../common.js';
import { mainPhase, orderOf, registerConstraint, threadsAxis } from './launches.js';

/** Numbers per sum: what the CPU's form takes as one work unit. */
const SPAN = 65536;

/** The loads in flight, four sums and addresses. */
export const probeReadRegisters = (axes: AxisValues): number => 4 * axis(axes, 'loads') + 26;

export const probeReadCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    threadsAxis([128, 256, 512], '1024 fit on a multiprocessor whatever their grouping'),
    { name: 'split', values: [1, 2, 4, 8], doc: 'blocks per 256 KiB: 4 read 64 KiB each, so that the last blocks of a launch are short' },
    { name: 'loads', values: [2, 4, 8], doc: 'loads of 16 bytes that a thread issues before it uses the first' },
    { name: 'hint', values: [0, 1, 2, 3], doc: 'cache treatment: 0 none, 1 evict first, 2 past level 1, 3 past level 1 in 256 bytes of level 2' },
  ],
  constraints: [
    registerConstraint(probeReadRegisters),
    {
      name: 'whole-rounds',
      reason: 'A block reads its part in rounds of threads × loads × 16 bytes, at least one.',
      holds: ({ axes }) => SPAN / axis(axes, 'split') >= 4 * axis(axes, 'threads') * axis(axes, 'loads'),
    },
  ],
  template: 'cuda/probe_read.cu.hbs',
  defaults: () => ({ threads: 512, split: 4, loads: 8, hint: 2 }),
  launch: ({ axes }) => {
    const [split, stretches] = [axis(axes, 'split'), `ceilDiv(n, ${SPAN})`];
    return mainPhase(
      [String(split), stretches, '1'],
      axis(axes, 'threads'),
      split === 1 ? {} : { workspaceBytes: `${stretches} * ${split * 4}`, counters: stretches },
    );
  },
  view: () => ({ span: SPAN }),
  bytesInFlight: ({ axes }) => 16 * axis(axes, 'loads'),
  numericsClass: orderOf('threads', 'split'),
};

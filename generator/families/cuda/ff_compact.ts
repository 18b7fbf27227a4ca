import type { AxisValues, CudaTarget } from '../../types.js';
import { axis, dtypeParam, weightBytes } from '../common.js';

/** Registers of a thread: the loads in flight and 64-bit addresses; fitted to what ptxas reports. */
export function compactRegisters(axes: AxisValues): number {
  return 6 * axis(axes, 'loads') + 24;
}

/** CUDA forms of `ff_compact`: a gather copy at the speed of memory. */
export const ffCompactCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    { name: 'threads', values: [128, 256, 512], doc: 'threads per block' },
    { name: 'loads', values: [1, 2, 4, 8], doc: '16-byte loads of a thread on their way before the first is stored; 4 of 1024 threads are 64 KiB in flight' },
    { name: 'hint', values: [0, 1, 2, 3], doc: 'cache hint of the loads: 0 none, 1 evict first, 2 past level 1, 3 past level 1 and 256 bytes at once into level 2' },
  ],
  constraints: [
    {
      name: 'registers',
      reason: 'Loads on their way are registers of the thread: two blocks must fit into the 65536 of a multiprocessor, so that one loads while the other stores.',
      holds: ({ axes }) => 2 * axis(axes, 'threads') * compactRegisters(axes) <= 65536,
    },
  ],
  template: 'cuda/ff_compact.cu.hbs',
  defaults: () => ({ threads: 256, loads: 4, hint: 1 }),
  launch: ({ params, axes }) => {
    // A block per piece of 16-byte vectors, which is enough blocks for the element-wise path too.
    const piece = (axis(axes, 'threads') * axis(axes, 'loads') * 16) / weightBytes(params);
    return {
      phases: [{ name: 'main', grid: [`ceilDiv(k * width, ${piece})`, '1', '1'], block: axis(axes, 'threads'), sharedBytes: '0' }],
      workspaceBytes: '0',
      counters: '0',
    };
  },
  numericsClass: ({ params }) => `exact-${dtypeParam(params)}`,
  view: ({ axes }) => ({ minBlocks: Math.min(Math.floor(1536 / axis(axes, 'threads')), Math.floor(65536 / (axis(axes, 'threads') * compactRegisters(axes)))) }),
  sharedBytes: () => 0,
  bytesInFlight: ({ axes }) => 16 * axis(axes, 'loads'),
};

import type { CudaTarget } from '../../types.js';
import { axis } from '../common.js';
import { mainPhase, threadsAxis } from './launches.js';

export const splitBf16Cuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    threadsAxis([128, 256, 512], 'the pass is bound by memory, so any full multiprocessor does'),
    { name: 'vectors', values: [1, 2, 4], doc: 'loads of 16 bytes per thread, threads·16 bytes apart' },
  ],
  constraints: [],
  template: 'cuda/split_bf16.cu.hbs',
  defaults: () => ({ threads: 256, vectors: 2 }),
  launch: ({ axes }) => mainPhase([`ceilDiv(n, ${axis(axes, 'threads') * axis(axes, 'vectors') * 4})`, '1', '1'], axis(axes, 'threads')),
  bytesInFlight: ({ axes }) => 16 * axis(axes, 'vectors'),
  numericsClass: () => 'exact',
};

import type { CudaTarget } from '../../types.js';
import { axis, weightBytes } from '../common.js';
import { mainPhase, threadsAxis } from './launches.js';

export const fillRandomCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    threadsAxis([128, 256, 512], 'arithmetic, not memory, is the roof below 2 TB/s, so any full multiprocessor does'),
    { name: 'vectors', values: [1, 2, 4, 8], doc: 'stores of 16 bytes per thread, threads·16 bytes apart' },
  ],
  constraints: [],
  template: 'cuda/fill_random.cu.hbs',
  defaults: () => ({ threads: 256, vectors: 4 }),
  launch: ({ axes, params }) =>
    mainPhase([`ceilDiv(n, ${(axis(axes, 'threads') * axis(axes, 'vectors') * 16) / weightBytes(params)})`, '1', '1'], axis(axes, 'threads')),
  view: ({ params }) => ({ pack: params['dtype'] === 'f16' ? 'packF16' : 'packBf16' }),
  numericsClass: () => 'exact',
};

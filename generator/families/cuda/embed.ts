import type { CudaTarget } from '../../types.js';
import { axis } from '../common.js';
import { mainPhase, threadsAxis } from './launches.js';

export const embedCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [threadsAxis([32, 64, 128, 256, 512], '128 of them take 512 columns of a row')],
  constraints: [],
  template: 'cuda/embed.cu.hbs',
  defaults: () => ({ threads: 128 }),
  launch: ({ axes }) => mainPhase(['rows', `ceilDiv(hidden, ${4 * axis(axes, 'threads')})`, '1'], axis(axes, 'threads')),
  view: ({ params }) => ({ unpack: params['dtype'] === 'f16' ? 'unpackF16' : 'unpackBf16' }),
  numericsClass: () => 'exact',
};

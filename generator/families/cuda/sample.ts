import type { CudaTarget } from '../../types.js';
import { axis } from '../common.js';
import { threadsAxis } from './launches.js';

export const sampleCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    threadsAxis([256, 512, 1024], 'one block makes the choice alone, where 1024 shorten every pass over what is left'),
    { name: 'tokens', values: [1024, 2048, 4096], doc: 'tokens per block of the parallel passes: 4096 cut 128256 logits into 32 blocks' },
  ],
  constraints: [
    {
      name: 'tokens-per-thread',
      reason: 'A thread loads logits 16 bytes at a time: with fewer than four tokens each, threads would have nothing to load.',
      holds: ({ axes }) => axis(axes, 'tokens') >= 4 * axis(axes, 'threads'),
    },
    {
      name: 'sums-fit',
      reason: 'A block adds the lower and the upper 20 bits of its weights in 32-bit counters, which take 4096 of them.',
      holds: ({ axes }) => axis(axes, 'tokens') <= 4096,
    },
  ],
  template: 'cuda/sample.cu.hbs',
  defaults: () => ({ threads: 1024, tokens: 4096 }),
  launch: ({ axes }) => {
    const blocks = `ceilDiv(vocab, ${axis(axes, 'tokens')})`;
    const block = axis(axes, 'threads');
    return {
      phases: ['largest', 'choose'].map((name) => ({ name, grid: [blocks, '1', '1'], block, sharedBytes: '0' })),
      workspaceBytes: `${2048 * 12} + 16 * ${blocks} + 8 * vocab`,
      counters: '1',
    };
  },
  // Every sum is of whole numbers and therefore exact.
  numericsClass: () => 'exact',
};

import type { CudaTarget } from '../../types.js';
import { dotTarget } from './dot.js';

/** CUDA forms of `linear_gemv`: an item is an output. */
export const linearGemvCuda: CudaTarget = dotTarget('cuda/linear_gemv.cu.hbs', { items: 'out', columns: 'in' });

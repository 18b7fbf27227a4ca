import type { CudaTarget } from '../../types.js';
import { dotTarget } from './dot.js';

/** CUDA forms of `ff_gate_up_gather`: an item is a selected neuron. */
export const ffGateUpGatherCuda: CudaTarget = dotTarget('cuda/ff_gate_up_gather.cu.hbs', { items: 'k', columns: 'hidden' });

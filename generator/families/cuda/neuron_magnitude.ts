import type { AxisValues, CudaTarget } from '../../types.js';
import { axis } from '../common.js';
import { CACHE_AXIS, mainPhase, registerConstraint } from './launches.js';

/** The loads in flight, the sum and addresses. */
export const neuronMagnitudeRegisters = (axes: AxisValues): number => 4 * axis(axes, 'loads') + 24;

export const neuronMagnitudeCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    { name: 'warps', values: [4, 8, 16], doc: 'warps of a block, one neuron each' },
    { name: 'loads', values: [2, 4, 8], doc: 'loads of 16 bytes that a lane issues before it uses the first: 8 are a row of 2048 bf16' },
    CACHE_AXIS,
  ],
  constraints: [registerConstraint(neuronMagnitudeRegisters)],
  template: 'cuda/neuron_magnitude.cu.hbs',
  defaults: () => ({ warps: 8, loads: 4, hint: 2 }),
  launch: ({ axes }) => mainPhase([`ceilDiv(intermediate, ${axis(axes, 'warps')})`, '1', '1'], 32 * axis(axes, 'warps')),
  view: ({ params }) => ({ unpack: params['dtype'] === 'f16' ? 'unpackF16' : 'unpackBf16' }),
  bytesInFlight: ({ axes }) => 16 * axis(axes, 'loads'),
  // A lane takes its vectors in the order of the row, however many are in flight.
  numericsClass: () => 'any',
};

import type { AxisSpec, Constraint, CudaIsa } from '../../types.js';
import { axis, dimOr } from '../common.js';

/** What the CUDA forms of the two attention families share. */

/** The longest heads that any variant takes. */
export const LARGEST_HEAD_DIM = 256;

export const WIDTH_AXIS: AxisSpec = {
  name: 'width',
  values: [64, 128, LARGEST_HEAD_DIM],
  doc: 'longest heads that the variant takes, head_dim at most this: registers are reserved for them; 128 serves 80 and 96 as well',
};

export const HEAD_DIM_CONSTRAINT: Constraint<CudaIsa> = {
  name: 'head-dim',
  reason: 'Registers hold a query of at most `width` numbers, and without a problem any head_dim up to 256 may come.',
  holds: ({ axes, dims }) => dimOr(dims ?? {}, 'head_dim', LARGEST_HEAD_DIM) <= axis(axes, 'width'),
};

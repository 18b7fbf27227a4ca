import { SHARED_WITHOUT_OPT_IN } from '../../capabilities.js';
import type { CudaIsa, CudaTarget, VariantContext } from '../../types.js';
import { axis, dtypeParam } from '../common.js';
import { CACHE_AXIS, mainPhase, residentBlocks, threadsAxis } from './launches.js';

type Context = Pick<VariantContext<CudaIsa>, 'axes' | 'params'>;

/** Elements of a 32-bit word. */
const pair = ({ params }: Context): number => (dtypeParam(params) === 'f32' ? 1 : 2);
/** Columns and rows of a tile of the source. */
const tile = (context: Context): { readonly cols: number; readonly rows: number } => ({
  cols: 32 * pair(context),
  rows: 32 * pair(context) * axis(context.axes, 'tall'),
});
/** A column of padding moves every row of the tile to another bank. */
const sharedBytes = (context: Context): number => {
  const { cols, rows } = tile(context);
  return 4 * cols * (rows / pair(context) + 1);
};

export const transposeCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80'],
  axes: [
    threadsAxis([128, 256, 512], 'the words of a tile that are in flight at once'),
    { name: 'tall', values: [1, 2, 4], doc: 'a tile is one line of 128 bytes wide and this many lines tall: 2 write each target row in pieces of 256 bytes' },
    CACHE_AXIS,
  ],
  constraints: [
    {
      name: 'shared-memory',
      reason: 'The tile must fit in the 48 KiB that a block has without opting in.',
      holds: (context) => sharedBytes(context) <= SHARED_WITHOUT_OPT_IN,
    },
    {
      name: 'words-per-thread',
      reason: 'A thread keeps its words of the tile in registers before it stores the first: 4 to 32 of them are enough in flight and do not spill.',
      holds: (context) => {
        const words = (tile(context).cols * tile(context).rows) / pair(context) / axis(context.axes, 'threads');
        return words >= 4 && words <= 32;
      },
    },
    residentBlocks(2, (axes) => axis(axes, 'threads')),
  ],
  template: 'cuda/transpose.cu.hbs',
  defaults: () => ({ threads: 256, tall: 1, hint: 1 }),
  launch: (context) => mainPhase([`ceilDiv(cols, ${tile(context).cols})`, `ceilDiv(rows, ${tile(context).rows})`, '1'], axis(context.axes, 'threads')),
  sharedBytes,
  bytesInFlight: (context) => (4 * tile(context).cols * tile(context).rows) / pair(context) / axis(context.axes, 'threads'),
  numericsClass: () => 'exact',
};

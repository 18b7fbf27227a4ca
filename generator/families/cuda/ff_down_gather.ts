import { blocksThatFit, limitsFor, REGISTERS_PER_THREAD } from '../../capabilities.js';
import type { AxisSpec, AxisValues, Constraint, CudaIsa, CudaTarget, Expr, Params, VariantContext } from '../../types.js';
import { axis, dtypeParam, roundUp, weightBytes } from '../common.js';

/** CUDA forms of `ff_down_gather` (templates/cuda/down_*.cuh.hbs). */

type Context = Pick<VariantContext<CudaIsa>, 'isa' | 'params' | 'axes'>;
type Phase = 'rows' | 'tiles';

/** Values of the axis `form`. */
export const DOWN_FORMS = { rows: 0, tiles: 1, both: 2 } as const;

const AXES: readonly AxisSpec[] = [
  { name: 'form', values: [0, 1, 2], doc: '0: fused multiply-adds, a thread per 16 bytes of columns; 1: tensor cores, for batches; 2: form 0 where at most 2 rows of h are launched, else form 1' },
  { name: 'threads', values: [128, 256, 512], doc: 'threads per block' },
  { name: 'tile', values: [64, 128, 256, 512, 1024], doc: 'columns of a block: 256 of bf16 read 512 bytes of each neuron, wider tiles leave more threads to columns and fewer to neurons' },
  { name: 'slices', values: [1, 2, 4, 8, 16, 32, 64], doc: 'contiguous slices of the selection, a block each: more fill the device, each costs a write and a read of its share of y' },
  { name: 'loads', values: [4, 8, 16], doc: '16-byte loads per thread issued before the first is used' },
  { name: 'buffers', values: [1, 2], doc: 'batches of loads in registers; with 2 the next batch is on its way while one is multiplied' },
  { name: 'rows', values: [1, 2, 4, 8, 16, 32], doc: 'most rows of h per pass over the weights: 1 to 4 with multiply-adds, 8 to 32 on the tensor cores' },
  { name: 'join', values: [0, 1], doc: 'how slices meet: 0 through memory, added by the block that comes last; 1 in the shared memory of a cluster (9.0)' },
  { name: 'hint', values: [0, 1, 2, 3], doc: 'cache hint of weight loads: 0 none, 1 evict first, 2 past level 1, 3 past level 1 and 256 bytes at once into level 2' },
];

const formOf = (axes: AxisValues): number => axis(axes, 'form');
const usesRows = (axes: AxisValues): boolean => formOf(axes) !== DOWN_FORMS.tiles;
const usesTiles = (axes: AxisValues): boolean => formOf(axes) !== DOWN_FORMS.rows;
const phasesOf = (axes: AxisValues): readonly Phase[] => [...(usesRows(axes) ? (['rows'] as const) : []), ...(usesTiles(axes) ? (['tiles'] as const) : [])];

/** Most rows of h that the form `both` multiplies on the ordinary cores: 4 would cost one row a block's worth of registers. */
const ROWS_OF_BOTH = 2;

/** Most rows of h per pass of a phase. */
const phaseRows = (axes: AxisValues, phase: Phase): number => (phase === 'rows' && formOf(axes) === DOWN_FORMS.both ? ROWS_OF_BOTH : axis(axes, 'rows'));

/** bf16 parts of h on the tensor cores: exact, since the bound of a sum has no room for fewer. */
const TERMS = 3;

const vectorOf = (params: Params): number => 16 / weightBytes(params);
/** Groups of threads that share the columns of a tile. */
const groupsOf = ({ params, axes }: Context): number => (axis(axes, 'threads') * vectorOf(params)) / axis(axes, 'tile');
/** Columns of a warp on the tensor cores. */
const warpColumns = (params: Params): number => 16 * vectorOf(params);
/** Neurons per lane and matrix step. */
const lanePlaces = (params: Params): number => (dtypeParam(params) === 'bf16' ? 4 : 2);

/** Neurons that are staged at once. */
function chunkOf({ axes }: Context, phase: Phase): number {
  return phase === 'rows' ? 1024 : 4096 / axis(axes, 'rows');
}

/** Neurons of one batch of the whole block: a chunk is a multiple of it. */
function stepOf(context: Context, phase: Phase): number {
  const { params, axes } = context;
  if (phase === 'rows') return groupsOf(context) * axis(axes, 'loads');
  const groups = axis(axes, 'threads') / 32 / (axis(axes, 'tile') / warpColumns(params));
  return groups * 2 * axis(axes, 'loads');
}

/** Floats of h in shared memory, whose place the sums of groups take at the end. */
function stagedFloats(context: Context, phase: Phase): number {
  const { params, axes } = context;
  const rows = phaseRows(axes, phase);
  const exchange = axis(axes, 'threads') * vectorOf(params) * (phase === 'rows' ? 1 : 4);
  return Math.max(rows * (chunkOf(context, phase) + 16), exchange);
}

/** Shared memory of a phase: the neurons' numbers, h, and, for a cluster, the slice's sums. */
function phaseSharedBytes(context: Context, phase: Phase): number {
  const { axes } = context;
  const own = axis(axes, 'join') === 1 ? phaseRows(axes, phase) * axis(axes, 'tile') : 0;
  return 4 * (chunkOf(context, phase) + stagedFloats(context, phase) + own);
}

/** Registers of a thread, rounded up to what ptxas allots: loads, sums, addresses, and what the arithmetic needs; fitted to what ptxas reports. */
export function downRegisters({ params, axes }: Context, phase: Phase): number {
  const loads = 4 * axis(axes, 'loads') * axis(axes, 'buffers');
  const rows = phaseRows(axes, phase);
  if (phase === 'rows') return roundUp(loads + vectorOf(params) * rows + 4 * rows + 24, 8);
  const conversion = dtypeParam(params) === 'bf16' ? 24 : 40;
  return roundUp(loads + (vectorOf(params) * rows) / 2 + 32 + conversion, 8);
}

function minBlocks(context: Context, phase: Phase): number {
  const threads = axis(context.axes, 'threads');
  return Math.max(1, Math.min(Math.floor(1536 / threads), Math.floor(65536 / (threads * downRegisters(context, phase)))));
}

const CONSTRAINTS: readonly Constraint<CudaIsa>[] = [
  {
    name: 'form-of-isa',
    reason: 'Clusters exist from capability 9.0 on; a kernel without one is the same there as for 8.0 and is kept once.',
    holds: ({ isa, axes }) => (axis(axes, 'join') === 1) === (isa === 'sm90'),
  },
  {
    name: 'rows-of-form',
    reason: 'An instruction of the tensor cores takes 8 rows of h; more than 4 with multiply-adds would take more time than the weights.',
    holds: ({ axes }) => axis(axes, 'rows') >= 8 === usesTiles(axes),
  },
  {
    name: 'both-as-default',
    reason: 'Of two forms in one kernel a problem runs one: each is tuned by itself, and the pair is kept once, for sizes that nobody tuned.',
    holds: ({ isa, params, axes }) => formOf(axes) !== DOWN_FORMS.both || Object.entries(defaults({ isa, params })).every(([name, value]) => axis(axes, name) === value),
  },
  {
    name: 'tile-in-block',
    reason: 'Every column of a tile has a thread (a warp, on the tensor cores) of its own, and the block no thread without a column.',
    holds: (context) => {
      const { params, axes } = context;
      const [threads, tile] = [axis(axes, 'threads'), axis(axes, 'tile')];
      if (usesRows(axes) && (tile > threads * vectorOf(params) || tile < 4 * vectorOf(params))) return false;
      return !usesTiles(axes) || (tile % warpColumns(params) === 0 && tile / warpColumns(params) <= threads / 32);
    },
  },
  {
    name: 'loads-cover-step',
    reason: 'A matrix step takes its neurons at two places of the row, 8 loads of bf16 and 4 of the others; a step is loaded whole.',
    holds: ({ params, axes }) => !usesTiles(axes) || axis(axes, 'loads') % (2 * lanePlaces(params)) === 0,
  },
  {
    name: 'step-in-chunk',
    reason: 'The neurons of one batch of all groups are staged together.',
    holds: (context) => phasesOf(context.axes).every((phase) => stepOf(context, phase) <= chunkOf(context, phase) / 2),
  },
  {
    name: 'cluster-size',
    reason: 'A cluster has at most 8 blocks, and one of a single block joins nothing.',
    holds: ({ axes }) => axis(axes, 'join') === 0 || (axis(axes, 'slices') >= 2 && axis(axes, 'slices') <= 8),
  },
  {
    name: 'registers',
    reason: 'Loads in flight, sums and addresses must fit in the registers of a thread, and a block in those of a multiprocessor, or sums live in memory.',
    holds: (context) => phasesOf(context.axes).every((phase) => downRegisters(context, phase) <= Math.min(REGISTERS_PER_THREAD, 65536 / axis(context.axes, 'threads'))),
  },
  {
    name: 'occupancy',
    reason: 'A block must fit on a multiprocessor: its threads, its registers, and its shared memory.',
    holds: (context) => {
      const limits = limitsFor(context.isa, context.capability);
      const needs = (phase: Phase) => ({
        threads: axis(context.axes, 'threads'),
        registersPerThread: downRegisters(context, phase),
        sharedBytes: phaseSharedBytes(context, phase),
      });
      return phasesOf(context.axes).every((phase) => blocksThatFit(needs(phase), limits) >= 1);
    },
  },
];

/** 512 bytes of every neuron per block and 16 slices: 256 blocks for 4096 columns, all on the device at once. */
function defaults({ isa, params }: { readonly isa: CudaIsa; readonly params: Params }): AxisValues {
  const cluster = isa === 'sm90' ? { join: 1, slices: 8 } : { join: 0, slices: 16 };
  return { form: DOWN_FORMS.both, threads: 256, tile: 32 * vectorOf(params), loads: 8, buffers: 1, rows: 16, ...cluster, hint: 2 };
}

export const ffDownGatherCuda: CudaTarget = {
  kind: 'cuda',
  isas: ['sm80', 'sm90'],
  axes: AXES,
  constraints: CONSTRAINTS,
  template: 'cuda/ff_down_gather.cu.hbs',
  defaults,
  launch: (context) => {
    const { axes } = context;
    const [tile, slices] = [axis(axes, 'tile'), axis(axes, 'slices')];
    const tiles: Expr = `ceilDiv(hidden, ${tile})`;
    const beyond: Expr = `min(max(rows - ${phaseRows(axes, 'rows')}, 0), 1)`;
    const when: Readonly<Record<Phase, Expr>> = formOf(axes) === DOWN_FORMS.both ? { rows: ` * (1 - ${beyond})`, tiles: ` * ${beyond}` } : { rows: '', tiles: '' };
    const memory = axis(axes, 'join') === 0 && slices > 1;
    return {
      phases: phasesOf(axes).map((phase) => ({
        name: phase,
        grid: [`${tiles} * ${slices}${when[phase]}`, '1', '1'],
        block: axis(axes, 'threads'),
        sharedBytes: String(phaseSharedBytes(context, phase)),
        ...(axis(axes, 'join') === 1 ? { cluster: slices } : {}),
      })),
      workspaceBytes: memory ? `rows * hidden * ${4 * slices}` : '0',
      counters: memory ? tiles : '0',
    };
  },
  // A lane adds its neurons in the order of batches, groups and slices add theirs in order.
  numericsClass: (context) => {
    const { axes } = context;
    const rows = `fma-groups${groupsOf(context)}-loads${axis(axes, 'loads')}`;
    const tiles = `mma-terms${TERMS}-step${stepOf(context, 'tiles')}-loads${axis(axes, 'loads')}`;
    const sums = formOf(axes) === DOWN_FORMS.both ? `${rows}-or-${tiles}` : usesRows(axes) ? rows : tiles;
    return `${sums}-slices${axis(axes, 'slices')}`;
  },
  view: (context) => {
    const { params, axes } = context;
    const phase = (name: Phase) => (phasesOf(axes).includes(name) ? { minBlocks: minBlocks(context, name), rows: phaseRows(axes, name), chunk: chunkOf(context, name), ownAt: stagedFloats(context, name) } : null);
    return {
      unpack: dtypeParam(params) === 'f16' ? 'unpackF16' : 'unpackBf16',
      rowsForm: phase('rows'),
      tilesForm: phase('tiles'),
      terms: TERMS,
      batchGroups: [4, 2, 1].filter((groups) => 8 * groups <= axis(axes, 'rows')),
    };
  },
  sharedBytes: (context) => Math.max(...phasesOf(context.axes).map((phase) => phaseSharedBytes(context, phase))),
  bytesInFlight: ({ axes }) => 16 * axis(axes, 'loads') * axis(axes, 'buffers'),
};

import { blocksThatFit, limitsFor, REGISTERS_PER_THREAD } from '../../capabilities.js';
import type { AxisSpec, AxisValues, Constraint, CudaIsa, CudaLaunch, CudaTarget, Expr, Params, VariantContext } from '../../types.js';
import { axis, dimOr, dtypeParam, roundUp, weightBytes } from '../common.js';
import { partsOf } from '../dot_rows.js';

/**
 * The CUDA side of `linear_gemv` and `ff_gate_up_gather`: dot products of a list of weight rows with a few rows of x
 * (templates/cuda/dot_*.cuh.hbs). An **item** is one output: `parts` weight rows, 2 in a gated feed-forward block.
 */

type Context = Pick<VariantContext<CudaIsa>, 'isa' | 'params' | 'axes'>;

/** Values of the axis `form`. */
export const DOT_FORMS = { rows: 0, tiles: 1, both: 2, bulk: 3 } as const;

/** Weight rows and columns of a kernel's problem by the names of its int scalars. */
export interface DotNames {
  /** How many items, e.g. `k`. */
  readonly items: string;
  /** Length of a weight row, e.g. `hidden`. */
  readonly columns: string;
}

/**
 * Shared memory for x. With multiply-adds one row of 16384 columns or four of 4096 at once, longer rows in pieces; with bulk copies, which take the rest of the
 * shared memory, one of 8192, and no longer rows.
 */
const STAGE_BYTES = { rows: 64 * 1024, bulk: 32 * 1024 } as const;
/** Shared memory that warps exchange tiles of sums through. */
const EXCHANGE_BYTES = 32 * 1024;
/** Sums of a 16 × 8 tile. */
const TILE_BYTES = 512;

export const DOT_AXES: readonly AxisSpec[] = [
  { name: 'form', values: [0, 1, 2, 3], doc: '0: fused multiply-adds, a warp per few weight rows; 1: tensor cores, 16 weight rows by 8 rows of x; 2: form 0 where at most 2 rows of x are launched, else form 1; 3: bulk copies into a ring per warp (9.0)' },
  { name: 'warps', values: [2, 4, 8, 16], doc: 'warps per block; more share one staging of x, fewer balance multiprocessors better' },
  { name: 'items', values: [1, 2, 4], doc: 'form 0: outputs per warp, 2 use each load of x twice; form 1: tiles of 16 weight rows per block, likewise; form 3: KiB of a weight row per copy' },
  { name: 'loads', values: [4, 8, 16], doc: '16-byte loads per thread issued before the first is used, 8 of 1024 threads are 128 KiB in flight; form 3: copies in the ring of a warp' },
  { name: 'buffers', values: [1, 2], doc: 'batches of loads in registers; with 2 the next batch is on its way while one is multiplied' },
  { name: 'split', values: [1, 2, 4], doc: 'warps that share the columns of a weight row, for long rows and few outputs (form 0; in form 1 all warps of a block do)' },
  { name: 'rows', values: [1, 2, 4, 8, 16, 32, 64], doc: 'most rows of x per pass over the weights: 1 to 4 with multiply-adds, 8 to 64 on the tensor cores' },
  { name: 'terms', values: [2, 3], doc: 'bf16 parts of x on the tensor cores: 3 are exact, 2 carry 16 of 24 bits; f16 and f32 weights always take 2 tf32 parts' },
  { name: 'waves', values: [0, 1, 2], doc: 'blocks per multiprocessor that run through all outputs, staging x once; 0: a block per group of outputs' },
  { name: 'hint', values: [0, 1, 2, 3], doc: 'cache hint of weight loads: 0 none, 1 evict first, 2 past level 1, 3 past level 1 and 256 bytes at once into level 2; bulk copies know 0 and 1' },
];

const formOf = (axes: AxisValues): number => axis(axes, 'form');
const usesRows = (axes: AxisValues): boolean => formOf(axes) === DOT_FORMS.rows || formOf(axes) === DOT_FORMS.both;
const usesTiles = (axes: AxisValues): boolean => formOf(axes) === DOT_FORMS.tiles || formOf(axes) === DOT_FORMS.both;
const usesBulk = (axes: AxisValues): boolean => formOf(axes) === DOT_FORMS.bulk;

/** Entries of a kernel: multiply-adds, tensor cores, bulk copies. */
type DotPhase = 'rows' | 'tiles' | 'bulk';

function phasesOf(axes: AxisValues): readonly DotPhase[] {
  if (usesBulk(axes)) return ['bulk'];
  return [...(usesRows(axes) ? (['rows'] as const) : []), ...(usesTiles(axes) ? (['tiles'] as const) : [])];
}

/** Most rows of x that the form `both` multiplies on the ordinary cores: 4 would cost one row a block's worth of registers. */
const ROWS_OF_BOTH = 2;

/** Most rows of x per pass of a phase. */
function phaseRows(axes: AxisValues, phase: DotPhase): number {
  return phase === 'rows' && formOf(axes) === DOT_FORMS.both ? ROWS_OF_BOTH : axis(axes, 'rows');
}

/** Elements of a 16-byte load. */
const vectorOf = (params: Params): number => 16 / weightBytes(params);
/** Weight rows of a warp. */
const linesOf = ({ params, axes }: Context): number => axis(axes, 'items') * partsOf(params);

/** Columns of one batch of the warps that share a weight row (kBatch in the template). */
function batchColumns(context: Context): number {
  return (32 * vectorOf(context.params) * axis(context.axes, 'loads') * axis(context.axes, 'split')) / linesOf(context);
}

/** Outputs of a block of a phase. */
function blockItems({ params, axes }: Context, phase: DotPhase): number {
  if (phase === 'tiles') return (16 * axis(axes, 'items')) / partsOf(params);
  return phase === 'rows' ? (axis(axes, 'warps') / axis(axes, 'split')) * axis(axes, 'items') : axis(axes, 'warps');
}

/** Tiles of sums that warps exchange at once. */
function exchangeRound(axes: AxisValues): number {
  return Math.min((axis(axes, 'items') * axis(axes, 'rows')) / 8, EXCHANGE_BYTES / TILE_BYTES / axis(axes, 'warps'));
}

/** Bytes of a weight row per bulk copy. */
const pieceBytes = (axes: AxisValues): number => 1024 * axis(axes, 'items');

/** Bytes of the rings of the bulk form. */
function ringPieces({ params, axes }: Context): number {
  return axis(axes, 'warps') * axis(axes, 'loads') * pieceBytes(axes) * partsOf(params);
}

/** The same with a barrier per piece. */
function ringBytes(context: Context): number {
  return ringPieces(context) + 8 * axis(context.axes, 'warps') * axis(context.axes, 'loads');
}

/** Registers of a thread, rounded up to what ptxas allots: loads, sums, addresses, and what the arithmetic needs; fitted to what ptxas reports. */
export function dotRegisters(context: Context, phase: DotPhase): number {
  const { params, axes } = context;
  const loads = 4 * axis(axes, 'loads') * axis(axes, 'buffers');
  const lines = linesOf(context);
  const rows = phaseRows(axes, phase);
  switch (phase) {
    case 'rows':
      return roundUp(loads + lines * (rows + 2) + Math.min(8, 4 * rows) + 24 + (axis(axes, 'waves') > 0 ? 8 : 0) + (axis(axes, 'split') > 1 ? 8 : 0), 8);
    case 'tiles': {
      const tiles = axis(axes, 'items');
      const weights = { bf16: 0, f16: 16, f32: 16 }[dtypeParam(params)] * tiles;
      return roundUp(loads + (tiles * rows) / 2 + 4 * tiles + weights + 52, 8);
    }
    case 'bulk':
      return roundUp(partsOf(params) * rows + 64, 8);
  }
}

/** Shared memory of a block of a phase for x of any width. */
function phaseSharedBytes(context: Context, phase: DotPhase): number {
  const { axes } = context;
  if (phase === 'tiles') return exchangeRound(axes) * axis(axes, 'warps') * TILE_BYTES;
  if (phase === 'bulk') return STAGE_BYTES.bulk + ringBytes(context);
  return STAGE_BYTES.rows + (axis(axes, 'split') > 1 ? axis(axes, 'warps') * linesOf(context) * phaseRows(axes, phase) * 4 : 0);
}

/** Shared memory of a block, of the phase that takes most. */
export function dotSharedBytes(context: Context): number {
  return Math.max(...phasesOf(context.axes).map((phase) => phaseSharedBytes(context, phase)));
}

const threadsOf = (axes: AxisValues): number => 32 * axis(axes, 'warps');

/** Blocks per multiprocessor that the registers allow, at most the 1536 threads that every capability has room for. */
function minBlocks(context: Context, phase: DotPhase): number {
  const threads = threadsOf(context.axes);
  return Math.max(1, Math.min(Math.floor(1536 / threads), Math.floor(65536 / (threads * dotRegisters(context, phase)))));
}

/** Axes that a form does not look at, which stay at their first value. */
function unused(axes: AxisValues): readonly string[] {
  switch (formOf(axes)) {
    case DOT_FORMS.rows:
      return ['terms'];
    case DOT_FORMS.tiles:
      return ['split', 'waves'];
    case DOT_FORMS.both:
      return [];
    default:
      return ['buffers', 'split', 'terms'];
  }
}

const firstValue = (name: string): number => DOT_AXES.find((spec) => spec.name === name)?.values[0] ?? 0;

export const DOT_CONSTRAINTS: readonly Constraint<CudaIsa>[] = [
  {
    name: 'form-of-isa',
    reason: 'Bulk copies exist from capability 9.0 on; the other forms are the same kernel there as for 8.0 and are kept once.',
    holds: ({ isa, axes }) => usesBulk(axes) === (isa === 'sm90'),
  },
  {
    name: 'unused-axes',
    reason: 'An axis that a form does not look at would only repeat the same kernel: its first value is kept.',
    holds: ({ axes }) => unused(axes).every((name) => axis(axes, name) === firstValue(name)),
  },
  {
    name: 'both-as-default',
    reason: 'Of two forms in one kernel a problem runs one: each is tuned by itself, and the pair is kept once, for sizes that nobody tuned.',
    holds: ({ isa, params, axes }) => formOf(axes) !== DOT_FORMS.both || Object.entries(dotDefaults({ isa, params })).every(([name, value]) => axis(axes, name) === value),
  },
  {
    name: 'loads-cover-lines',
    reason: 'A batch takes the same columns of every weight row of the warp, so loads are a multiple of those rows.',
    holds: (context) => {
      const loads = axis(context.axes, 'loads');
      if (usesRows(context.axes) && loads % linesOf(context) !== 0) return false;
      return !usesTiles(context.axes) || loads % (2 * axis(context.axes, 'items')) === 0;
    },
  },
  {
    name: 'rows-of-form',
    reason: 'An instruction of the tensor cores takes 8 rows of x; more than 4 with multiply-adds would take more time than the weights.',
    holds: ({ axes }) => axis(axes, 'rows') >= 8 === usesTiles(axes),
  },
  {
    name: 'split-in-block',
    reason: 'Warps that share a weight row meet in shared memory, so they are of one block.',
    holds: ({ axes }) => axis(axes, 'split') <= axis(axes, 'warps'),
  },
  {
    name: 'stage-holds-batch',
    reason: 'x for one batch of columns must fit in the 64 KiB of shared memory set aside for it.',
    holds: (context) => !usesRows(context.axes) || batchColumns(context) * phaseRows(context.axes, 'rows') * 4 <= STAGE_BYTES.rows,
  },
  {
    name: 'batch-in-row',
    reason: 'A batch of more than 4096 columns reads past the rows of most models for nothing.',
    holds: (context) => !usesRows(context.axes) || batchColumns(context) <= 4096,
  },
  {
    name: 'terms-need-bf16',
    reason: 'Only bf16 weights meet x as bf16 parts; the others go through tf32 with two parts.',
    holds: ({ params, axes }) => axis(axes, 'terms') === 2 || dtypeParam(params) === 'bf16',
  },
  {
    name: 'bulk-row-in-stage',
    reason: 'Beside the rings of bulk copies there is room for 8192 columns of x; a longer row would take the plain loop.',
    holds: ({ axes, dims }) => !usesBulk(axes) || dims === undefined || dimOr(dims, 'hidden', dimOr(dims, 'in', 0)) * 4 <= STAGE_BYTES.bulk,
  },
  {
    name: 'bulk-hints',
    reason: 'Bulk copies go past level 1 anyway: they are marked evict-first or not at all.',
    holds: ({ axes }) => !usesBulk(axes) || axis(axes, 'hint') <= 1,
  },
  {
    name: 'registers',
    reason: 'Loads in flight, sums and addresses must fit in the registers of a thread, and a block in those of a multiprocessor, or sums live in memory.',
    holds: (context) => phasesOf(context.axes).every((phase) => dotRegisters(context, phase) <= Math.min(REGISTERS_PER_THREAD, 65536 / threadsOf(context.axes))),
  },
  {
    name: 'occupancy',
    reason: 'A block must fit on a multiprocessor: its threads, its registers, and its shared memory.',
    holds: (context) => {
      const limits = limitsFor(context.isa, context.capability);
      const needs = (phase: DotPhase) => ({
        threads: threadsOf(context.axes),
        registersPerThread: dotRegisters(context, phase),
        sharedBytes: phaseSharedBytes(context, phase),
      });
      return phasesOf(context.axes).every((phase) => blocksThatFit(needs(phase), limits) >= 1);
    },
  },
];

export function dotDefaults(form: { readonly isa: CudaIsa; readonly params: Params }): AxisValues {
  const gated = partsOf(form.params) === 2;
  const common = { warps: 8, buffers: 1, split: 1 };
  if (form.isa === 'sm90') return { ...common, form: DOT_FORMS.bulk, items: gated ? 1 : 2, loads: 4, rows: 4, terms: 2, waves: 2, hint: 1 };
  const terms = dtypeParam(form.params) === 'bf16' ? 3 : 2;
  return { ...common, form: DOT_FORMS.both, items: gated ? 1 : 2, loads: 8, rows: 16, terms, waves: 0, hint: 2 };
}

/** Order of additions, form by form. Loads in flight and staging do not change it: a lane adds its columns in ascending order. */
export function dotNumericsClass(context: VariantContext<CudaIsa>): string {
  const { axes } = context;
  const split = axis(axes, 'split');
  const rows = split === 1 ? 'fma' : `fma-split${split}-batch${batchColumns(context)}`;
  const tiles = `mma-terms${axis(axes, 'terms')}-warps${axis(axes, 'warps')}-quads${axis(axes, 'loads') / (2 * axis(axes, 'items'))}`;
  if (usesBulk(axes)) return 'fma';
  if (formOf(axes) === DOT_FORMS.both) return `${rows}-or-${tiles}`;
  return usesRows(axes) ? rows : tiles;
}

export function dotView(context: VariantContext<CudaIsa>): Readonly<Record<string, unknown>> {
  const { params, axes } = context;
  const phase = (name: DotPhase) => (phasesOf(axes).includes(name) ? { minBlocks: minBlocks(context, name), rows: phaseRows(axes, name), piece: pieceBytes(axes) } : null);
  return {
    parts: partsOf(params),
    unpack: dtypeParam(params) === 'f16' ? 'unpackF16' : 'unpackBf16',
    rowsForm: phase('rows'),
    tilesForm: phase('tiles'),
    bulkForm: phase('bulk'),
    stageBytes: usesBulk(axes) ? STAGE_BYTES.bulk : STAGE_BYTES.rows,
    terms: axis(axes, 'terms'),
    round: exchangeRound(axes),
    batchGroups: [8, 4, 2, 1].filter((groups) => 8 * groups <= axis(axes, 'rows')),
  };
}

/** 1, 2 or 4 rows of x are staged for `rows` of them; never fewer for more, since a dynamic int counts with its largest value. */
function stagedRows(most: number): Expr {
  if (most === 1) return 'min(rows, 1)';
  return most === 2 ? 'min(rows, 2)' : '(min(rows, 2) + min(max(rows - 2, 0), 1) * 2)';
}

function phaseShared(context: Context, phase: DotPhase, names: DotNames): Expr {
  const { axes } = context;
  if (phase === 'tiles') {
    return `min(${exchangeRound(axes)}, ${axis(axes, 'items')} * ceilDiv(min(rows, ${axis(axes, 'rows')}), 8)) * ${axis(axes, 'warps') * TILE_BYTES}`;
  }
  const step = phase === 'bulk' ? pieceBytes(axes) / weightBytes(context.params) : batchColumns(context);
  const stage = `min(${STAGE_BYTES[phase]}, ceilDiv(${names.columns}, ${step}) * ${step} * 4 * ${stagedRows(phaseRows(axes, phase))})`;
  return phase === 'bulk' ? `${ringPieces(context)} + ${stage}` : stage;
}

/**
 * One phase, or for form `both` the one of two whose grid is not zero: up to ROWS_OF_BOTH rows of x `rows`, beyond `tiles` (which takes fewer rows too: a dynamic number
 * of rows counts with its largest value).
 */
export function dotLaunch(context: VariantContext<CudaIsa>, names: DotNames): CudaLaunch {
  const { axes } = context;
  const beyond = `min(max(rows - ${phaseRows(axes, 'rows')}, 0), 1)`;
  const when: Readonly<Record<DotPhase, Expr>> = formOf(axes) === DOT_FORMS.both ? { rows: ` * (1 - ${beyond})`, tiles: ` * ${beyond}`, bulk: '' } : { rows: '', tiles: '', bulk: '' };
  return {
    phases: phasesOf(axes).map((phase) => {
      const tasks = `ceilDiv(${names.items}, ${blockItems(context, phase)})`;
      const waves = phase === 'tiles' ? 0 : axis(axes, 'waves');
      return {
        name: phase,
        grid: [`${waves === 0 ? tasks : `min(${tasks}, sms * ${waves})`}${when[phase]}`, '1', '1'],
        block: threadsOf(axes),
        sharedBytes: phaseShared(context, phase, names),
      };
    }),
    workspaceBytes: '0',
    counters: '0',
  };
}

/** The CUDA target of a family of dot products. */
export function dotTarget(template: string, names: DotNames): CudaTarget {
  return {
    kind: 'cuda',
    isas: ['sm80', 'sm90'],
    axes: DOT_AXES,
    constraints: DOT_CONSTRAINTS,
    template,
    defaults: dotDefaults,
    numericsClass: dotNumericsClass,
    view: dotView,
    launch: (context) => dotLaunch(context, names),
    sharedBytes: dotSharedBytes,
    bytesInFlight: ({ params, axes }) => (usesBulk(axes) ? (axis(axes, 'loads') * pieceBytes(axes) * partsOf(params)) / 32 : 16 * axis(axes, 'loads') * axis(axes, 'buffers')),
  };
}

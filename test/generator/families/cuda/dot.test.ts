import { describe, expect, it } from 'vitest';
import { CAPABILITIES } from '../../../../generator/capabilities.js';
import { DOT_FORMS, dotDefaults, dotNumericsClass, dotRegisters, dotSharedBytes, dotTarget } from '../../../../generator/families/cuda/dot.js';
import { ffGateUpGather } from '../../../../generator/families/ff_gate_up_gather.js';
import { linearGemv } from '../../../../generator/families/linear_gemv.js';
import { paramSets } from '../../../../generator/forms.js';
import { renderKernel } from '../../../../generator/render.js';
import { count, defaultVariant, sample, validate } from '../../../../generator/space.js';
import type { AxisValues, CudaIsa, Dims, Params } from '../../../../generator/types.js';
import { parseLaunchExpression } from '../../../../runtime/device/launch-expression.js';
import { seededRandom } from '../../../support/random.js';

const gated: Params = { dtype: 'bf16', gated: 'gated' };
const rowsForm: AxisValues = { form: DOT_FORMS.rows, warps: 8, items: 1, loads: 8, buffers: 1, split: 1, rows: 4, terms: 2, waves: 0, hint: 2 };
const tilesForm: AxisValues = { ...rowsForm, form: DOT_FORMS.tiles, rows: 16 };
const bulkForm: AxisValues = { ...rowsForm, form: DOT_FORMS.bulk, loads: 4, hint: 1 };

function wrong(axes: AxisValues, options: { readonly isa?: CudaIsa; readonly params?: Params; readonly capability?: number; readonly dims?: Dims } = {}): string[] {
  const { isa = 'sm80', params = gated, ...rest } = options;
  return validate({ family: 'ff_gate_up_gather', params, isa, axes }, rest).map(({ name }) => name);
}

function launched(axes: AxisValues, values: Record<string, number>, isa: CudaIsa = 'sm80') {
  const launch = dotTarget('cuda/ff_gate_up_gather.cu.hbs', { items: 'k', columns: 'hidden' }).launch({ isa, params: gated, axes });
  const evaluate = (text: string): number => parseLaunchExpression(text).evaluate({ sms: 132, ...values });
  return Object.fromEntries(launch.phases.map((phase) => [phase.name, { grid: phase.grid.map(evaluate), block: phase.block, shared: evaluate(phase.sharedBytes) }]));
}

const llama = { rows: 1, hidden: 4096, k: 5504 };

describe('dot products on CUDA', () => {
  it.each([...paramSets(ffGateUpGather).map((p) => ['ff_gate_up_gather', p] as const), ...paramSets(linearGemv).map((p) => ['linear_gemv', p] as const)])(
    'has defaults that every capability takes: %s %j',
    (family, params) => {
      for (const isa of ['sm80', 'sm90'] as const) {
        const variant = defaultVariant({ family, params, isa });
        expect(variant.axes).toEqual(dotDefaults({ isa, params }));
        for (const { capability } of CAPABILITIES) {
          if (isa === 'sm90' && capability < 90) continue;
          expect(validate(variant, { capability, dims: { rows: 64, hidden: 4096, in: 4096 } })).toEqual([]);
        }
      }
    },
  );

  it('refuses what a form cannot do, by name', () => {
    expect(wrong(rowsForm)).toEqual([]);
    expect(wrong(tilesForm)).toEqual([]);
    expect(wrong(bulkForm, { isa: 'sm90' })).toEqual([]);
    expect(wrong(bulkForm)).toEqual(['form-of-isa']);
    expect(wrong(rowsForm, { isa: 'sm90' })).toEqual(['form-of-isa']);
    expect(wrong({ ...rowsForm, terms: 3 })).toEqual(['unused-axes']);
    expect(wrong({ ...tilesForm, waves: 1 })).toEqual(['unused-axes']);
    expect(wrong({ ...tilesForm, rows: 4 })).toEqual(['rows-of-form']);
    expect(wrong({ ...rowsForm, items: 4, loads: 4 })).toEqual(['loads-cover-lines']);
    expect(wrong({ ...tilesForm, items: 4, loads: 4 })).toEqual(['loads-cover-lines']);
    expect(wrong({ ...rowsForm, warps: 2, split: 4 })).toEqual(['split-in-block']);
    expect(wrong({ ...rowsForm, loads: 16, split: 4 })).toEqual(['stage-holds-batch', 'batch-in-row']);
    expect(wrong({ ...tilesForm, terms: 3 }, { params: { dtype: 'f16', gated: 'gated' } })).toEqual(['terms-need-bf16']);
    expect(wrong({ ...bulkForm, hint: 2 }, { isa: 'sm90' })).toEqual(['bulk-hints']);
    expect(wrong({ ...tilesForm, rows: 64, items: 4, loads: 16, buffers: 2 })).toContain('registers');
    expect(wrong({ ...dotDefaults({ isa: 'sm80', params: gated }), warps: 4 })).toEqual(['both-as-default']);
  });

  it('lets bulk rings grow with the shared memory of the device', () => {
    const wide = { ...bulkForm, loads: 8 };
    expect(dotSharedBytes({ isa: 'sm90', params: gated, axes: wide })).toBe(32 * 1024 + 8 * 8 * (2 * 1024 + 8));
    expect(wrong(wide, { isa: 'sm90', capability: 90 })).toEqual([]);
    expect(wrong(wide, { isa: 'sm90', capability: 120 })).toEqual(['occupancy']);
    expect(wrong(wide, { isa: 'sm90' })).toEqual(['occupancy']);
    expect(wrong(bulkForm, { isa: 'sm90', dims: { hidden: 8200 } })).toEqual(['bulk-row-in-stage']);
  });

  it('launches a block per group of neurons and stages the rows that there can be', () => {
    expect(launched(rowsForm, llama)).toEqual({ rows: { grid: [688, 1, 1], block: 256, shared: 4096 * 4 } });
    expect(launched(rowsForm, { ...llama, rows: 3 }).rows?.shared).toBe(4 * 4096 * 4);
    expect(launched(rowsForm, { ...llama, rows: 64, hidden: 8192 }).rows?.shared).toBe(64 * 1024);
    expect(launched({ ...rowsForm, waves: 2 }, llama).rows?.grid).toEqual([264, 1, 1]);
    expect(launched({ ...rowsForm, split: 2 }, { ...llama, k: 9 }).rows?.grid).toEqual([3, 1, 1]);
    expect(launched(tilesForm, { ...llama, rows: 64 })).toEqual({ tiles: { grid: [688, 1, 1], block: 256, shared: 2 * 8 * 512 } });
    expect(launched({ ...bulkForm, waves: 1 }, llama, 'sm90').bulk).toEqual({ grid: [132, 1, 1], block: 256, shared: 64 * 1024 + 4096 * 4 });
  });

  it('launches one of both forms, by the rows', () => {
    const both = dotDefaults({ isa: 'sm80', params: gated });
    for (const [rows, which, other] of [[0, 'rows', 'tiles'], [1, 'rows', 'tiles'], [2, 'rows', 'tiles'], [3, 'tiles', 'rows'], [64, 'tiles', 'rows']] as const) {
      const phases = launched(both, { ...llama, rows });
      expect(phases[which]?.grid).toEqual([688, 1, 1]);
      expect(phases[other]?.grid[0]).toBe(0);
    }
  });

  it('never stages less for more rows: a dynamic number of rows counts with its largest value', () => {
    for (const axes of [rowsForm, { ...rowsForm, rows: 2 }, tilesForm]) {
      let before = 0;
      for (let rows = 0; rows <= 64; rows++) {
        const now = Object.values(launched(axes, { ...llama, rows }))[0]?.shared ?? NaN;
        expect(now).toBeGreaterThanOrEqual(before);
        before = now;
      }
    }
  });

  it('gives every number of loads and items the same bits, but not every split', () => {
    const classOf = (axes: AxisValues): string => dotNumericsClass({ isa: 'sm80', params: gated, axes });
    expect(classOf({ ...rowsForm, loads: 16, items: 2, warps: 4, waves: 1, hint: 0 })).toBe(classOf(rowsForm));
    expect(dotNumericsClass({ isa: 'sm90', params: gated, axes: bulkForm })).toBe(classOf(rowsForm));
    expect(classOf({ ...rowsForm, split: 2 })).not.toBe(classOf(rowsForm));
    expect(classOf({ ...tilesForm, warps: 4 })).not.toBe(classOf(tilesForm));
    expect(classOf({ ...tilesForm, terms: 3 })).not.toBe(classOf(tilesForm));
    expect(classOf({ ...tilesForm, rows: 64, hint: 0 })).toBe(classOf(tilesForm));
  });

  it('has a rich space whose variants fit', () => {
    const form = { family: 'ff_gate_up_gather', params: gated, isa: 'sm80' } as const;
    expect(count(form)).toBeGreaterThan(5000);
    for (const { axes } of sample(form, 200, seededRandom(3), { capability: 86 })) {
      expect(dotSharedBytes({ isa: 'sm80', params: gated, axes })).toBeLessThanOrEqual(99 * 1024);
      const phase = axes['form'] === DOT_FORMS.tiles ? 'tiles' : 'rows';
      expect(dotRegisters({ isa: 'sm80', params: gated, axes }, phase) * 32 * (axes['warps'] ?? NaN)).toBeLessThanOrEqual(65536);
    }
    expect(count({ ...form, isa: 'sm90' }, { capability: 90 })).toBeGreaterThan(count({ ...form, isa: 'sm90' }));
  });

  it('renders only the entries that a form has', () => {
    const entries = (isa: CudaIsa, axes: AxisValues): string[] =>
      [...renderKernel({ family: 'ff_gate_up_gather', params: gated, isa, axes }).matchAll(/^GK_KERNEL\(\w+__(\w+),/gm)].map((match) => match[1] ?? '');
    expect(entries('sm80', rowsForm)).toEqual(['rows']);
    expect(entries('sm80', tilesForm)).toEqual(['tiles']);
    expect(entries('sm80', dotDefaults({ isa: 'sm80', params: gated }))).toEqual(['rows', 'tiles']);
    expect(entries('sm90', bulkForm)).toEqual(['bulk']);
  });
});

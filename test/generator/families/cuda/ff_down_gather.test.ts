import { describe, expect, it } from 'vitest';
import { CAPABILITIES } from '../../../../generator/capabilities.js';
import { DOWN_FORMS, downRegisters, ffDownGatherCuda } from '../../../../generator/families/cuda/ff_down_gather.js';
import { ffDownGather } from '../../../../generator/families/ff_down_gather.js';
import { paramSets } from '../../../../generator/forms.js';
import { renderKernel } from '../../../../generator/render.js';
import { count, defaultVariant, sample, validate } from '../../../../generator/space.js';
import type { AxisValues, CudaIsa, Params } from '../../../../generator/types.js';
import { parseLaunchExpression } from '../../../../runtime/device/launch-expression.js';
import { seededRandom } from '../../../support/random.js';

const bf16: Params = { dtype: 'bf16' };
const rowsForm: AxisValues = { form: DOWN_FORMS.rows, threads: 256, tile: 256, slices: 16, loads: 8, buffers: 1, rows: 4, join: 0, hint: 2 };
const tilesForm: AxisValues = { ...rowsForm, form: DOWN_FORMS.tiles, rows: 16 };

const wrong = (axes: AxisValues, isa: CudaIsa = 'sm80', params = bf16): string[] => validate({ family: 'ff_down_gather', params, isa, axes }).map(({ name }) => name);

function launched(axes: AxisValues, values: Record<string, number>, isa: CudaIsa = 'sm80') {
  const launch = ffDownGatherCuda.launch({ isa, params: bf16, axes });
  const evaluate = (text: string): number => parseLaunchExpression(text).evaluate({ sms: 132, intermediate: 11008, ...values });
  return {
    grids: Object.fromEntries(launch.phases.map((phase) => [phase.name, evaluate(phase.grid[0])])),
    clusters: launch.phases.map((phase) => phase.cluster ?? 1),
    shared: launch.phases.map((phase) => evaluate(phase.sharedBytes)),
    workspace: evaluate(launch.workspaceBytes),
    counters: evaluate(launch.counters),
  };
}

describe('ff_down_gather on CUDA', () => {
  it.each(paramSets(ffDownGather))('has defaults that every capability takes: %j', (params) => {
    for (const isa of ['sm80', 'sm90'] as const) {
      const variant = defaultVariant({ family: 'ff_down_gather', params, isa });
      expect(variant.axes).toEqual(ffDownGatherCuda.defaults({ isa, params }));
      for (const { capability } of CAPABILITIES) {
        if (isa === 'sm80' || capability >= 90) expect(validate(variant, { capability })).toEqual([]);
      }
    }
  });

  it('refuses what cannot work, by name', () => {
    expect(wrong(rowsForm)).toEqual([]);
    expect(wrong(tilesForm)).toEqual([]);
    expect(wrong({ ...rowsForm, join: 1, slices: 8 }, 'sm90')).toEqual([]);
    expect(wrong({ ...rowsForm, join: 1, slices: 8 })).toEqual(['form-of-isa']);
    expect(wrong({ ...rowsForm, join: 1 }, 'sm90')).toEqual(['cluster-size']);
    expect(wrong({ ...rowsForm, rows: 8 })).toEqual(['rows-of-form']);
    expect(wrong({ ...tilesForm, rows: 4 })).toEqual(['rows-of-form']);
    expect(wrong({ ...tilesForm, tile: 64 })).toContain('tile-in-block');
    expect(wrong({ ...tilesForm, tile: 64 }, 'sm80', { dtype: 'f32' })).toEqual([]);
    expect(wrong({ ...rowsForm, threads: 128, tile: 1024 }, 'sm80', { dtype: 'f32' })).toContain('tile-in-block');
    expect(wrong({ ...tilesForm, loads: 4 })).toEqual(['loads-cover-step']);
    expect(wrong({ ...tilesForm, threads: 512, tile: 128, loads: 16 })).toContain('step-in-chunk');
    expect(wrong({ ...rowsForm, threads: 512, loads: 16, buffers: 2 })).toContain('registers');
    expect(wrong({ ...ffDownGatherCuda.defaults({ isa: 'sm80', params: bf16 }), slices: 32 })).toEqual(['both-as-default']);
  });

  it('launches a block per tile and slice; partial sums have a place of their own', () => {
    expect(launched(rowsForm, { rows: 1, hidden: 4096, k: 5504 })).toEqual({
      grids: { rows: 256 },
      clusters: [1],
      shared: [4 * 1024 + 4 * (1024 + 16) * 4],
      workspace: 16 * 4096 * 4,
      counters: 16,
    });
    expect(launched({ ...rowsForm, slices: 1 }, { rows: 3, hidden: 300, k: 7 })).toMatchObject({ grids: { rows: 2 }, workspace: 0, counters: 0 });
    expect(launched(rowsForm, { rows: 1, hidden: 64, k: 0 }).grids).toEqual({ rows: 16 });
  });

  it('joins a cluster of slices without memory', () => {
    const cluster = launched({ ...rowsForm, join: 1, slices: 8 }, { rows: 2, hidden: 4096, k: 5504 }, 'sm90');
    expect(cluster).toMatchObject({ grids: { rows: 128 }, clusters: [8], workspace: 0, counters: 0 });
    expect(cluster.shared[0]).toBe(4 * 1024 + 4 * (1024 + 16) * 4 + 4 * 256 * 4);
  });

  it('launches one of both forms, by the rows', () => {
    const both = ffDownGatherCuda.defaults({ isa: 'sm80', params: bf16 });
    expect(launched(both, { rows: 2, hidden: 4096, k: 5504 }).grids).toEqual({ rows: 256, tiles: 0 });
    expect(launched(both, { rows: 3, hidden: 4096, k: 5504 }).grids).toEqual({ rows: 0, tiles: 256 });
    expect(launched(both, { rows: 1, hidden: 4096, k: 0 }).grids).toEqual({ rows: 256, tiles: 0 });
  });

  it('orders sums by slices, groups and loads, not by caches or buffers', () => {
    const classOf = (axes: AxisValues): string => ffDownGatherCuda.numericsClass({ isa: 'sm80', params: bf16, axes });
    expect(classOf({ ...rowsForm, hint: 0, buffers: 2, rows: 1 })).toBe(classOf(rowsForm));
    expect(classOf({ ...rowsForm, threads: 512, tile: 512 })).toBe(classOf(rowsForm));
    expect(classOf({ ...rowsForm, slices: 8 })).not.toBe(classOf(rowsForm));
    expect(classOf({ ...rowsForm, tile: 512 })).not.toBe(classOf(rowsForm));
    expect(classOf(tilesForm)).not.toBe(classOf(rowsForm));
  });

  it('has a rich space whose variants fit', () => {
    const form = { family: 'ff_down_gather', params: bf16, isa: 'sm80' } as const;
    expect(count(form)).toBeGreaterThan(5000);
    for (const variant of sample(form, 200, seededRandom(3), { capability: 86 })) {
      const { axes } = variant;
      expect(ffDownGatherCuda.sharedBytes?.({ isa: 'sm80', params: bf16, axes })).toBeLessThanOrEqual(99 * 1024);
      const phase = axes['form'] === DOWN_FORMS.tiles ? 'tiles' : 'rows';
      expect(downRegisters({ isa: 'sm80', params: bf16, axes }, phase) * (axes['threads'] ?? NaN)).toBeLessThanOrEqual(65536);
    }
  });

  it('renders the workspace only where slices meet in memory', () => {
    const text = (isa: CudaIsa, axes: AxisValues): string => renderKernel({ family: 'ff_down_gather', params: bf16, isa, axes });
    expect(text('sm80', rowsForm)).toContain('joinSlices(params, share, rowCount);');
    expect(text('sm80', { ...rowsForm, slices: 1 })).not.toContain('joinSlices');
    const cluster = text('sm90', { ...rowsForm, join: 1, slices: 4 });
    expect(cluster).not.toContain('joinSlices');
    expect(cluster).toContain('joinCluster(params, share, N, rowCount);');
  });
});

import { describe, expect, it } from 'vitest';
import { CAPABILITIES } from '../../../../generator/capabilities.js';
import { linearGemmCuda, linearGemmRegisters, linearGemmSharedBytes } from '../../../../generator/families/cuda/linear_gemm.js';
import { linearGemm } from '../../../../generator/families/linear_gemm.js';
import { paramSets } from '../../../../generator/forms.js';
import { count, defaultVariant, sample, validate } from '../../../../generator/space.js';
import type { AxisValues, Params, Variant } from '../../../../generator/types.js';
import { parseLaunchExpression } from '../../../../runtime/device/launch-expression.js';
import { seededRandom } from '../../../support/random.js';

const bf16: Params = { dtype: 'bf16', layout: 'outin' };
const formOf = (params: Params) => ({ family: 'linear_gemm', params, isa: 'sm80' }) as const;
const standardOf = (params: Params): AxisValues => linearGemmCuda.defaults(formOf(params));
const names = (params: Params, axes: AxisValues, capability?: number): string[] => {
  const variant: Variant = { ...formOf(params), axes: { ...standardOf(params), ...axes } };
  return validate(variant, capability === undefined ? {} : { capability }).map(({ name }) => name);
};

function launchNumbers(params: Params, axes: AxisValues, values: Record<string, number>) {
  const launch = linearGemmCuda.launch({ ...formOf(params), axes });
  const evaluate = (text: string): number => parseLaunchExpression(text).evaluate({ sms: 132, ...values });
  const [phase] = launch.phases;
  return { grid: phase!.grid.map(evaluate), block: phase!.block, shared: evaluate(phase!.sharedBytes), workspace: evaluate(launch.workspaceBytes), counters: evaluate(launch.counters) };
}

describe('linear_gemm on CUDA', () => {
  it.each(paramSets(linearGemm))('has a default that every capability takes: %j', (params) => {
    expect(defaultVariant(formOf(params)).axes).toEqual(standardOf(params));
    for (const { capability } of CAPABILITIES) expect(names(params, {}, capability)).toEqual([]);
  });

  it('counts shared memory as the template lays it out', () => {
    // 3 stages of 128 rows of 32 + 8 floats, and of 128 rows of 32 + 8 bf16 (outin) or 32 rows of 128 + 8 (inout).
    expect(linearGemmSharedBytes({ params: bf16, axes: standardOf(bf16) })).toBe(3 * (128 * 40 * 4 + 128 * 40 * 2));
    expect(linearGemmSharedBytes({ params: { ...bf16, layout: 'inout' }, axes: standardOf(bf16) })).toBe(3 * (128 * 40 * 4 + 32 * 136 * 2));
    const f32 = { dtype: 'f32', layout: 'inout' };
    expect(linearGemmSharedBytes({ params: f32, axes: standardOf(f32) })).toBe(2 * (128 * 40 * 4 + 32 * 132 * 4));
  });

  it('refuses tiles that do not fit', () => {
    expect(names(bf16, { stages: 5 }, 90)).toEqual([]);
    expect(names(bf16, { stages: 5 }, 86)).toEqual(['shared-memory']);
    expect(names(bf16, { m: 32 })).toContain('warp-tile');
    expect(names(bf16, { warpsm: 1, warpsn: 1 })).toContain('warps');
    expect(names(bf16, { m: 256, n: 256, warpsm: 2, stages: 2 }, 90)).toContain('registers');
    expect(names(bf16, { slices: 2 })).toEqual(['slices']);
    expect(names(bf16, { m: 16, n: 32, k: 16, warpsm: 1, warpsn: 2 })).toContain('warps');
    expect(names({ dtype: 'f16', layout: 'outin' }, { terms: 3 })).toEqual(['terms']);
    expect(names(bf16, { terms: 3 })).toEqual([]);
  });

  it('launches a block per tile of y and slice of the depth', () => {
    const axes = { ...standardOf(bf16), m: 64, n: 64, slices: 4 };
    const { grid, block, workspace, counters } = launchNumbers(bf16, axes, { rows: 130, in: 4096, out: 100 });
    expect(grid).toEqual([3 * 2, 4, 1]);
    expect(block).toBe(256);
    expect(workspace).toBe(6 * 4 * 64 * 64 * 4);
    expect(counters).toBe(6);
    const whole = launchNumbers(bf16, standardOf(bf16), { rows: 2048, in: 4096, out: 11008 });
    expect(whole.grid).toEqual([16 * 86, 1, 1]);
    expect([whole.workspace, whole.counters]).toEqual([0, 0]);
  });

  it('gives every tile the same bits, but not every number of parts or slices', () => {
    const classOf = (axes: AxisValues): string => linearGemmCuda.numericsClass({ ...formOf(bf16), axes: { ...standardOf(bf16), ...axes } });
    expect(classOf({ m: 64, n: 64, k: 16, stages: 5, band: 4 })).toBe(classOf({}));
    expect(classOf({ terms: 3 })).not.toBe(classOf({}));
    expect(classOf({ m: 64, n: 64, slices: 2 })).not.toBe(classOf({}));
    expect(classOf({ m: 64, n: 64, slices: 2, k: 16 })).not.toBe(classOf({ m: 64, n: 64, slices: 2 }));
  });

  it('has a rich space on every capability; what it holds fits', () => {
    for (const { capability, sharedPerBlock } of CAPABILITIES) {
      expect(count(formOf(bf16), { capability })).toBeGreaterThan(1000);
      for (const { axes } of sample(formOf(bf16), 200, seededRandom(3), { capability })) {
        expect(linearGemmSharedBytes({ params: bf16, axes })).toBeLessThanOrEqual(sharedPerBlock);
        expect(linearGemmRegisters({ params: bf16, axes })).toBeLessThanOrEqual(255);
      }
    }
  });
});

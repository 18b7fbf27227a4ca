import { describe, expect, it } from 'vitest';
import { chooseStrategy, chooseWinner, shapeDistance, type KernelProblem } from '../../../runtime/library/dispatch.js';
import type { FfStrategyDecision } from '../../../runtime/library/schema.js';
import { entry } from './support.js';

const problem: KernelProblem = { family: 'linear_gemv', params: { dtype: 'bf16' }, dims: { rows: 1, in: 256, out: 1024 } };
const isas = ['portable', 'avx2', 'avx512'];

describe('chooseWinner', () => {
  it('prefers the exact shape, whatever the order', () => {
    const exact = entry({ dims: { out: 1024, in: 256, rows: 1 }, kernelId: 'exact' });
    const near = entry({ dims: { rows: 1, in: 256, out: 1025 }, kernelId: 'near' });
    for (const entries of [[exact, near], [near, exact]]) expect(chooseWinner(problem, entries, isas)).toMatchObject({ how: 'exact', entry: { kernelId: 'exact' } });
  });

  it('takes the nearest measured shape by ratio, not by difference', () => {
    const half = entry({ dims: { rows: 1, in: 256, out: 700 }, kernelId: 'half' });
    const far = entry({ dims: { rows: 1, in: 32, out: 1024 }, kernelId: 'far' });
    const choice = chooseWinner(problem, [far, half], isas);
    expect(choice).toMatchObject({ how: 'nearest', entry: { kernelId: 'half' } });
    expect(choice.detail).toContain('out=700');
  });

  it('takes a vendor kernel for the very shape that it was measured with, and for no other', () => {
    const gemm: KernelProblem = { family: 'linear_gemm', params: { dtype: 'bf16', layout: 'outin' }, dims: { rows: 256, in: 4096, out: 4096 } };
    const vendor = entry({ family: gemm.family, params: gemm.params, dims: gemm.dims, isa: 'cublaslt', kernelId: 'vendor' });
    const own = entry({ family: gemm.family, params: gemm.params, dims: { rows: 512, in: 4096, out: 4096 }, isa: 'sm80', kernelId: 'own' });
    expect(chooseWinner(gemm, [own, vendor], ['sm80', 'cublaslt'])).toMatchObject({ how: 'exact', entry: { kernelId: 'vendor' } });
    const wider = { ...gemm, dims: { rows: 256, in: 4096, out: 4097 } };
    expect(chooseWinner(wider, [own, vendor], ['sm80', 'cublaslt'])).toMatchObject({ how: 'nearest', entry: { kernelId: 'own' } });
    expect(chooseWinner(wider, [vendor], ['sm80', 'cublaslt'])).toMatchObject({ how: 'default' });
  });

  it('never crosses family, parameters or what the machine can run', () => {
    const others = [
      entry({ family: 'linear_gemm' }),
      entry({ params: { dtype: 'f32' } }),
      entry({ params: { dtype: 'bf16', layout: 'outin' } }),
      entry({ isa: 'avx512bf16' }),
    ];
    for (const other of others) expect(chooseWinner(problem, [other], isas).how).toBe('default');
    expect(chooseWinner(problem, [], isas)).toMatchObject({ how: 'default', detail: 'nothing measured for linear_gemv(dtype=bf16) on this device' });
  });

  it('asks devices of the same architecture only where this one has nothing of the form, and says whose winner it is', () => {
    const far = entry({ dims: { rows: 1, in: 32, out: 1024 }, kernelId: 'far' });
    const theirs = { entry: entry({ kernelId: 'theirs', deviceKey: 'other' }), device: 'Other CPU' };
    const theirFar = { entry: { ...far, kernelId: 'their_far' }, device: 'Far CPU' };
    expect(chooseWinner(problem, [far], isas, [theirs])).toMatchObject({ how: 'nearest', entry: { kernelId: 'far' } });
    const choice = chooseWinner(problem, [], isas, [theirFar, theirs]);
    expect(choice).toMatchObject({ how: 'architecture', entry: { kernelId: 'theirs' } });
    expect(choice.detail).toContain('Other CPU');
    expect(choice.detail).toContain('nothing measured for linear_gemv(dtype=bf16) on this device');
    expect(chooseWinner({ ...problem, params: { dtype: 'f32' } }, [], isas, [theirs]).how).toBe('default');
  });

  it('takes the faster of two winners for one shape', () => {
    const slow = entry({ kernelId: 'slow', medianNs: 20, isa: 'avx2' });
    const fast = entry({ kernelId: 'fast', medianNs: 10, isa: 'avx512' });
    expect(chooseWinner(problem, [slow, fast], isas)).toMatchObject({ entry: { kernelId: 'fast' } });
    expect(chooseWinner(problem, [fast, slow], isas)).toMatchObject({ entry: { kernelId: 'fast' } });
  });
});

describe('shapeDistance', () => {
  it('is zero for equal shapes, symmetric, and treats a missing size as 0', () => {
    expect(shapeDistance({ a: 3, b: 4 }, { b: 4, a: 3 })).toBe(0);
    expect(shapeDistance({ a: 3, bias: 0 }, { a: 3 })).toBe(0);
    expect(shapeDistance({ a: 3, bias: 1 }, { a: 3 })).toBeGreaterThan(0);
    expect(shapeDistance({ a: 10 }, { a: 20 })).toBeCloseTo(shapeDistance({ a: 20 }, { a: 10 }), 12);
  });
});

describe('chooseStrategy', () => {
  const decision = (k: number, figures: Partial<FfStrategyDecision>): FfStrategyDecision => ({
    kind: 'ff_strategy',
    dims: { hidden: 64, intermediate: 256, k },
    dtype: 'bf16',
    choice: 'compact',
    gatherNs: 100,
    compactNs: 100,
    compactionNs: 1000,
    ...figures,
  });
  const layer = { hidden: 64, intermediate: 256, k: 128, dtype: 'bf16' };

  it('weighs the cost of packing against the steps that it serves', () => {
    const decisions = [decision(128, { gatherNs: 110, compactNs: 100, compactionNs: 1000 })];
    expect(chooseStrategy({ ...layer, steps: 100 }, decisions)?.choice).toBe('gather');
    expect(chooseStrategy({ ...layer, steps: 101 }, decisions)?.choice).toBe('compact');
  });

  it('uses the nearest k of the same layer shape and dtype', () => {
    const decisions = [decision(64, { compactNs: 1, compactionNs: 0 }), decision(192, { compactNs: 200 })];
    expect(chooseStrategy({ ...layer, k: 100, steps: 10 }, decisions)?.choice).toBe('compact');
    expect(chooseStrategy({ ...layer, k: 180, steps: 10 }, decisions)?.choice).toBe('gather');
  });

  it('gathers where the tuner found packed weights not clearly faster', () => {
    expect(chooseStrategy({ ...layer, steps: 1e6 }, [decision(128, { choice: 'gather', compactNs: 99 })])?.choice).toBe('gather');
  });

  it('knows nothing of other layers', () => {
    expect(chooseStrategy({ ...layer, hidden: 65, steps: 10 }, [decision(128, {})])).toBeNull();
    expect(chooseStrategy({ ...layer, dtype: 'f32', steps: 10 }, [decision(128, {})])).toBeNull();
    expect(chooseStrategy({ ...layer, steps: 10 }, [])).toBeNull();
  });
});

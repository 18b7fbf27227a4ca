import { describe, expect, it } from 'vitest';
import { CAPABILITIES } from '../../../../generator/capabilities.js';
import { attentionDecode } from '../../../../generator/families/attention_decode.js';
import { attentionDecodeCuda, attentionDecodeRegisters } from '../../../../generator/families/cuda/attention_decode.js';
import { count, defaultVariant, enumerate, validate } from '../../../../generator/space.js';
import type { AxisValues, Variant } from '../../../../generator/types.js';
import { parseLaunchExpression } from '../../../../runtime/device/launch-expression.js';

const form = { family: 'attention_decode', params: {}, isa: 'sm80' } as const;
const standard = attentionDecodeCuda.defaults(form);
const withAxes = (axes: AxisValues): Variant => ({ ...form, axes: { ...standard, ...axes } });
const names = (axes: AxisValues, dims?: Record<string, number>): string[] => validate(withAxes(axes), dims === undefined ? {} : { dims }).map(({ name }) => name);
const llama3 = { rows: 1, position: 4095, heads: 32, kv_heads: 8, head_dim: 128, capacity: 4096, window: 0 };

function launchNumbers(axes: AxisValues, values: Record<string, number>) {
  const launch = attentionDecodeCuda.launch({ ...form, axes });
  const evaluate = (text: string): number => parseLaunchExpression(text).evaluate({ sms: 132, ...values });
  const [phase] = launch.phases;
  return { grid: phase!.grid.map(evaluate), block: phase!.block, shared: evaluate(phase!.sharedBytes), workspace: evaluate(launch.workspaceBytes), counters: evaluate(launch.counters) };
}

describe('attention_decode on CUDA', () => {
  it('has a default that every capability takes, for any heads', () => {
    expect(defaultVariant(form).axes).toEqual(standard);
    for (const { capability } of CAPABILITIES) expect(validate(withAxes({}), { capability })).toEqual([]);
    for (const head_dim of [2, 20, 64, 80, 96, 128, 256]) expect(names({}, { ...llama3, head_dim })).toEqual([]);
  });

  it('takes longer heads only where registers are reserved for them', () => {
    expect(names({ width: 128 })).toEqual(['head-dim']);
    expect(names({ width: 128 }, llama3)).toEqual([]);
    expect(names({ width: 64 }, llama3)).toEqual(['head-dim']);
  });

  it('refuses what does not fit in registers, shared memory or lanes', () => {
    expect(names({ queries: 8, lanes: 16 })).toContain('registers');
    expect(names({ warps: 16 })).toContain('register-file');
    expect(names({ queries: 1, keys: 1, width: 128 }, llama3)).toEqual(['bytes-in-flight']);
    expect(names({ queries: 8, warps: 16, keys: 2, width: 128 }, llama3)).toContain('shared-memory');
    expect(attentionDecodeRegisters({ ...standard, queries: 1 })).toBeLessThan(attentionDecodeRegisters(standard));
  });

  it('launches a block per piece, part of a kv head and row', () => {
    const { grid, block, shared, workspace, counters } = launchNumbers(standard, { ...llama3, rows: 3 });
    expect(grid).toEqual([16, 8, 3]);
    expect(block).toBe(128);
    expect(shared).toBe(4 * 4 * 128 * 4);
    expect(workspace).toBe(3 * 32 * 16 * (128 + 2) * 4);
    expect(counters).toBe(3 * 8);
  });

  it('covers a group of query heads that its blocks do not divide', () => {
    expect(launchNumbers(standard, { ...llama3, heads: 7, kv_heads: 1 }).grid).toEqual([16, 2, 1]);
    expect(launchNumbers({ ...standard, queries: 1 }, { ...llama3, heads: 6, kv_heads: 2 }).grid).toEqual([16, 6, 1]);
  });

  it('needs neither workspace nor counters for one piece', () => {
    const one = launchNumbers({ ...standard, splits: 1 }, llama3);
    expect([one.workspace, one.counters]).toEqual([0, 0]);
  });

  it('counts heads per block and when loads start out of the numerics class', () => {
    const classOf = (axes: AxisValues): string => attentionDecodeCuda.numericsClass({ ...form, axes: { ...standard, ...axes } });
    expect(classOf({ queries: 1, hint: 0, ahead: 0 })).toBe(classOf({}));
    for (const axes of [{ splits: 8 }, { warps: 8 }, { lanes: 16 }, { keys: 4 }, { width: 128 }]) expect(classOf(axes)).not.toBe(classOf({}));
  });

  it('has a rich space on every capability, all of it within shared memory', () => {
    for (const { capability, sharedPerBlock } of CAPABILITIES) expect(count(form, { dims: llama3, capability, family: attentionDecode }), `${capability} with ${sharedPerBlock}`).toBeGreaterThan(1000);
    for (const variant of enumerate(form, { dims: llama3 })) {
      expect(attentionDecodeCuda.sharedBytes!({ ...form, axes: variant.axes, dims: llama3 })).toBeLessThanOrEqual(48 * 1024);
    }
  });

  it('answers the bytes that a lane has in flight', () => {
    // 2 keys and 2 values of 256 numbers, shared by 32 lanes.
    expect(attentionDecodeCuda.bytesInFlight!({ ...form, axes: standard })).toBe(4 * 2 * 16);
  });
});

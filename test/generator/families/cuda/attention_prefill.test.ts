import { describe, expect, it } from 'vitest';
import { CAPABILITIES } from '../../../../generator/capabilities.js';
import { attentionPrefillCuda, attentionPrefillRegisters, attentionPrefillSharedBytes } from '../../../../generator/families/cuda/attention_prefill.js';
import { count, defaultVariant, enumerate, validate } from '../../../../generator/space.js';
import type { AxisValues, Variant } from '../../../../generator/types.js';
import { parseLaunchExpression } from '../../../../runtime/device/launch-expression.js';

const form = { family: 'attention_prefill', params: {}, isa: 'sm80' } as const;
const standard = attentionPrefillCuda.defaults(form);
const withAxes = (axes: AxisValues): Variant => ({ ...form, axes: { ...standard, ...axes } });
const names = (axes: AxisValues, dims?: Record<string, number>, capability?: number): string[] =>
  validate(withAxes(axes), { ...(dims === undefined ? {} : { dims }), ...(capability === undefined ? {} : { capability }) }).map(({ name }) => name);
const prompt = { rows: 2048, position: 0, heads: 32, kv_heads: 8, head_dim: 128, capacity: 4096, window: 0 };

describe('attention_prefill on CUDA', () => {
  it('has a default that every capability takes, whatever the heads', () => {
    expect(defaultVariant(form).axes).toEqual(standard);
    for (const { capability } of CAPABILITIES) expect(names({}, undefined, capability)).toEqual([]);
  });

  it('computes longer heads in ranges of columns, and reserves no columns in vain', () => {
    const grid = (width: number, head_dim: number): number[] =>
      attentionPrefillCuda.launch({ ...form, axes: { ...standard, width } }).phases[0]!.grid.map((text) => parseLaunchExpression(text).evaluate({ ...prompt, head_dim, sms: 132 }));
    expect([grid(128, 256)[2], grid(256, 256)[2], grid(64, 80)[2]]).toEqual([2, 1, 2]);
    expect(names({ width: 256 }, prompt)).toEqual(['head-dim']);
    for (const head_dim of [1, 20, 64, 80, 96, 128, 160, 256]) expect(names({}, { ...prompt, head_dim })).toEqual([]);
    expect(names({ width: 64 }, { ...prompt, head_dim: 20 })).toEqual([]);
    expect(names({}, { ...prompt, head_dim: 257 })).toContain('head-dim');
  });

  it('refuses what does not fit in registers or in the shared memory of a capability', () => {
    expect(names({ warprows: 32, keys: 64 })).toContain('registers');
    expect(names({ warprows: 32, queries: 32, width: 64 }, { ...prompt, head_dim: 64 })).toEqual(['warps']);
    const two = { queries: 128, stages: 2, width: 128 };
    expect(names(two, prompt, 90)).toEqual([]);
    expect(names(two, prompt, 86)).toEqual(['shared-memory']);
    expect(names({ warprows: 32, width: 256 })).toContain('registers');
    expect(attentionPrefillRegisters({ ...standard, width: 64 })).toBeLessThan(attentionPrefillRegisters(standard));
  });

  it('asks for the shared memory that its constraint counts, for every head_dim', () => {
    for (const axes of [standard, { ...standard, queries: 128, keys: 64, stages: 2 }, { ...standard, width: 64, keys: 64 }, { ...standard, width: 256 }]) {
      const { phases } = attentionPrefillCuda.launch({ ...form, axes });
      const shared = parseLaunchExpression(phases[0]!.sharedBytes);
      for (let head_dim = 1; head_dim <= 256; head_dim++) {
        const dims = { ...prompt, head_dim };
        expect(shared.evaluate({ ...dims, sms: 132 }), String(head_dim)).toBe(attentionPrefillSharedBytes({ axes, dims }));
        expect(attentionPrefillSharedBytes({ axes })).toBeGreaterThanOrEqual(attentionPrefillSharedBytes({ axes, dims }));
      }
    }
  });

  it('launches a block per head and tile of queries', () => {
    const { phases, workspaceBytes, counters } = attentionPrefillCuda.launch({ ...form, axes: { ...standard, warprows: 32, queries: 128 } });
    const [phase] = phases;
    expect(phase!.grid.map((text) => parseLaunchExpression(text).evaluate({ ...prompt, rows: 300, sms: 132 }))).toEqual([32, 3, 1]);
    expect(phase!.block).toBe(128);
    expect([workspaceBytes, counters]).toEqual(['0', '0']);
  });

  it('counts only the tile of keys in the numerics class', () => {
    const classOf = (axes: AxisValues): string => attentionPrefillCuda.numericsClass({ ...form, axes: { ...standard, ...axes } });
    expect(classOf({ queries: 128, stages: 2, warprows: 32, width: 128 })).toBe(classOf({}));
    expect(classOf({ keys: 64 })).not.toBe(classOf({}));
  });

  it('has variants for heads of 64, 128 and 256 numbers on every capability', () => {
    for (const { capability, sharedPerBlock } of CAPABILITIES) {
      for (const head_dim of [64, 128, 256]) {
        const dims = { ...prompt, head_dim };
        expect(count(form, { dims, capability }), `${head_dim} on ${capability}`).toBeGreaterThan(5);
        for (const { axes } of enumerate(form, { dims, capability })) expect(attentionPrefillSharedBytes({ axes, dims })).toBeLessThanOrEqual(sharedPerBlock);
      }
    }
  });
});

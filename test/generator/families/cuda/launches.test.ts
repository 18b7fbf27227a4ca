import { describe, expect, it } from 'vitest';
import { mainPhase, orderOf, registerConstraint, residentBlocks } from '../../../../generator/families/cuda/launches.js';

const context = (axes: Record<string, number>, capability?: number) => ({ isa: 'sm80' as const, params: {}, axes, ...(capability === undefined ? {} : { capability }) });

describe('launches of the smaller CUDA families', () => {
  it('describe one phase, without memory unless it is asked for', () => {
    expect(mainPhase(['rows', '1', '1'], 128)).toEqual({ phases: [{ name: 'main', grid: ['rows', '1', '1'], block: 128, sharedBytes: '0' }], workspaceBytes: '0', counters: '0' });
    expect(mainPhase(['1', '1', '1'], 32, { workspaceBytes: 'n * 4', counters: 'n' })).toMatchObject({ workspaceBytes: 'n * 4', counters: 'n' });
  });

  it('allow 64 registers per thread', () => {
    const constraint = registerConstraint((axes) => axes['need'] ?? 0);
    expect(constraint.holds(context({ need: 64 }))).toBe(true);
    expect(constraint.holds(context({ need: 65 }))).toBe(false);
  });

  it('count blocks against the threads of a capability', () => {
    const constraint = residentBlocks(2, (axes) => axes['threads'] ?? 0);
    expect(constraint.holds(context({ threads: 1024 }, 90))).toBe(true);
    expect(constraint.holds(context({ threads: 1024 }, 86))).toBe(false);
    expect(constraint.holds(context({ threads: 1024 }))).toBe(false);
    expect(constraint.holds(context({ threads: 768 }))).toBe(true);
  });

  it('name the axes that shape the order of sums', () => {
    expect(orderOf('threads', 'split')(context({ threads: 128, split: 2, hint: 1 }))).toBe('threads128-split2');
    expect(() => orderOf('down')(context({ threads: 128 }))).toThrow(RangeError);
  });
});

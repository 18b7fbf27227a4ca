import { describe, expect, it } from 'vitest';
import { AHEAD_AXIS, aheadConstraints, HINT_AXIS, HINTS } from '../../../generator/families/ahead.js';

/** Names of the constraints that a point violates; `neurons` counts its streams. */
function violated(axes: { neurons: number; ahead: number; again: number; hint: number }): string[] {
  return aheadConstraints('neurons').filter((constraint) => !constraint.holds({ isa: 'avx512', params: {}, axes })).map(({ name }) => name);
}

describe('prefetch along a selection', () => {
  it('has a function for every hint', () => {
    expect(HINT_AXIS.values.map((value) => HINTS[value])).toEqual(['t0', 't1', 'nta']);
  });

  it('keeps only hint 0 without prefetching', () => {
    expect(violated({ neurons: 8, ahead: 0, again: 0, hint: 0 })).toEqual([]);
    expect(violated({ neurons: 8, ahead: 0, again: 0, hint: 1 })).toEqual(['hint-needs-prefetch']);
  });

  it('wants the second prefetch nearer than the first', () => {
    expect(violated({ neurons: 1, ahead: 4096, again: 2048, hint: 1 })).toEqual([]);
    expect(violated({ neurons: 1, ahead: 4096, again: 4096, hint: 1 })).toEqual(['again-is-nearer']);
  });

  it('counts the bytes of all streams against the cache that the hint names', () => {
    const ahead = Math.max(...AHEAD_AXIS.values);
    expect(violated({ neurons: 8, ahead, again: 0, hint: 1 })).toEqual([]);
    expect(violated({ neurons: 8, ahead, again: 0, hint: 0 })).toEqual(['prefetch-survives']);
    expect(violated({ neurons: 2, ahead, again: 0, hint: 0 })).toEqual([]);
  });

  it('names the axis that is missing', () => {
    expect(() => aheadConstraints('streams').map((constraint) => constraint.holds({ isa: 'avx512', params: {}, axes: { ahead: 1, again: 0, hint: 1 } }))).toThrow(/no axis "streams"/);
  });
});

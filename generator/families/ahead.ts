import type { AxisSpec, CpuIsa, Constraint } from '../types.js';
import { axis } from './common.js';
import { L1_BYTES, L2_BYTES } from './registers.js';

/** Software prefetch along a selection of weight rows: what the families that include templates/cpu/ahead.h.hbs share. */

export const AHEAD_AXIS: AxisSpec = {
  name: 'ahead',
  values: [0, 512, 1024, 2048, 4096, 8192, 16384],
  doc: 'bytes ahead in each stream that weights are prefetched, across rows into the next selected ones; 0 leaves it to the hardware',
};

export const AGAIN_AXIS: AxisSpec = {
  name: 'again',
  values: [0, 1024, 2048, 4096],
  doc: 'bytes ahead of a second prefetch of the same line: a core drops prefetches while too many are under way, and this one brings what was dropped; 0 for none',
};

export const HINT_AXIS: AxisSpec = {
  name: 'hint',
  values: [0, 1, 2],
  doc: 'where prefetched lines go: 0 level 1, 1 level 2, 2 level 1 past the outer levels (non-temporal)',
};

/** The suffix of the SIMD layer's prefetch function, by value of `hint`. */
export const HINTS = ['t0', 't1', 'nta'] as const;

export const HINT_NEEDS_PREFETCH: Constraint = {
  name: 'hint-needs-prefetch',
  reason: 'Without prefetching the hint changes nothing: only 0 is kept.',
  holds: ({ axes }) => axis(axes, 'ahead') > 0 || axis(axes, 'hint') === 0,
};

/** `streams` names the axis that counts the weight rows read side by side. */
export function aheadConstraints(streams: string): readonly Constraint<CpuIsa>[] {
  return [
    HINT_NEEDS_PREFETCH,
    {
      name: 'again-is-nearer',
      reason: 'A second prefetch must come after the first, so from nearer, or it is the first one.',
      holds: ({ axes }) => axis(axes, 'again') === 0 || axis(axes, 'again') < axis(axes, 'ahead'),
    },
    {
      name: 'prefetch-survives',
      reason: 'What is prefetched in all streams must still be cached when it is read: at most a 32 KiB level 1, or a quarter of a 512 KiB level 2 for hint 1.',
      holds: ({ axes }) => axis(axes, streams) * axis(axes, 'ahead') <= (axis(axes, 'hint') === 1 ? L2_BYTES / 4 : L1_BYTES),
    },
  ];
}

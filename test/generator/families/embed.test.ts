import { describe, expect, it } from 'vitest';
import { embed } from '../../../generator/families/embed.js';
import { describeKernels } from '../../support/run-kernel.js';

describe('embed reference', () => {
  it('gives zeros for ids outside the table', () => {
    const problem = { family: 'embed', params: { dtype: 'f32' }, dims: { rows: 3, hidden: 2, vocab: 2 } };
    const { x } = embed.reference(problem, { tokens: Int32Array.of(1, -1, 2), table: Float64Array.of(1, 2, 3, 4) });
    expect(x?.values).toEqual(Float64Array.of(3, 4, 0, 0, 0, 0));
  });
});

describeKernels(embed, { samples: 0 });

import { describe, expect, it } from 'vitest';
import { selectTopk, topk } from '../../../generator/families/select_topk.js';
import { describeKernels } from '../../support/run-kernel.js';

describe('select_topk reference', () => {
  it('breaks ties by index and answers ascending indices', () => {
    expect(topk([1, 5, 3, 5, 5], 2)).toEqual(Int32Array.of(1, 3));
    expect(topk([0, 0, 0], 2)).toEqual(Int32Array.of(0, 1));
    expect(topk([1, 2], 0)).toEqual(new Int32Array(0));
    expect(topk([1, 2], 2)).toEqual(Int32Array.of(0, 1));
  });

  it('counts what is negative or not a number as zero', () => {
    expect(topk([-1, NaN, -0, 0, 2 ** -149], 2)).toEqual(Int32Array.of(0, 4));
    expect(topk([NaN, Infinity, -Infinity], 2)).toEqual(Int32Array.of(0, 1));
  });
});

describeKernels(selectTopk, { samples: 3 });

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selectTopk, topk } from '../../../generator/families/select_topk.js';
import { describeKernels } from '../../support/run-kernel.js';
import { openKernels, type KernelBench } from '../../support/launch-kernel.js';

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

describe('properties of the select_topk kernel', () => {
  let bench: KernelBench;
  beforeAll(async () => {
    bench = await openKernels(selectTopk);
  });
  afterAll(() => bench.dispose());

  // Any bits at all, and numbers of which many are equal, zero, denormal or large.
  const anyBits = fc.integer().map((bits) => new Float32Array(Int32Array.of(bits).buffer)[0] ?? 0);
  const score = fc.oneof(
    { arbitrary: fc.float({ min: 0, noNaN: true }), weight: 4 },
    { arbitrary: fc.constantFrom(0, -0, 1, 0.5, 2 ** -149, 2 ** -126, Infinity), weight: 3 },
    anyBits,
  );
  const rows = fc
    .record({ intermediate: fc.integer({ min: 1, max: 90 }), layers: fc.integer({ min: 1, max: 4 }), share: fc.double({ min: 0, max: 1, noNaN: true }) })
    .chain(({ intermediate, layers, share }) =>
      fc.record({
        dims: fc.constant({ intermediate, layers, k: Math.round(share * intermediate) }),
        scores: fc.array(score, { minLength: layers * intermediate, maxLength: layers * intermediate }),
      }),
    );

  it('equals a stable sort for any scores, and writes the first k of a row only', async () => {
    await fc.assert(
      fc.asyncProperty(rows, async ({ dims, scores }) => {
        const problem = { family: 'select_topk', params: {}, dims };
        const inputs = { scores: Float64Array.from(scores), experts: new Int32Array(scores.length).fill(-7) };
        const expected = selectTopk.reference(problem, inputs)['experts']?.values;
        for (const kernel of bench.kernels) expect((await kernel.run(problem, inputs))['experts'], kernel.isa).toEqual(expected);
      }),
      { numRuns: 150, seed: 3 },
    );
  });

  it('takes k outside 0…F for the nearest bound', async () => {
    const inputs = { scores: Float64Array.of(3, 1, 2), experts: new Int32Array(3).fill(-7) };
    for (const kernel of bench.kernels) {
      for (const [k, expected] of [[-1, [-7, -7, -7]], [4, [0, 1, 2]]] as const) {
        const problem = { family: 'select_topk', params: {}, dims: { layers: 1, intermediate: 3, k } };
        expect([...((await kernel.run(problem, inputs))['experts'] ?? [])], kernel.isa).toEqual(expected);
      }
    }
  });
});

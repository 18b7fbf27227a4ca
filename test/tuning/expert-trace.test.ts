import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findFamily } from '../../generator/families/index.js';
import type { Family, Problem } from '../../generator/types.js';
import { adaptList, expertTraceFits, recordedLists, type ExpertTrace } from '../../tuning/expert-trace.js';
import { createWorkload } from '../../tuning/inputs.js';
import { seededRandom } from '../../tuning/statistics.js';
import { createFakeDevice } from './support/fake-device.js';

const trace: ExpertTrace = {
  path: 't', model: 'm', layers: 2, intermediate: 16,
  generations: [
    { k: 4, layers: [[0, 1, 2, 3], [4, 5, 6, 7]] },
    { k: 4, layers: [[8, 9, 10, 11], [0, 5, 10, 15]] },
  ],
};
const all = trace.generations.flatMap(({ layers }) => layers.map(String));

describe('adaptList', () => {
  it('gives k ascending different indices, of the list as far as it goes', () => {
    const cases = fc.integer({ min: 1, max: 80 }).chain((count) =>
      fc.tuple(fc.constant(count), fc.uniqueArray(fc.integer({ min: 0, max: count - 1 })).map((list) => list.sort((a, b) => a - b)), fc.integer({ min: 0, max: count }), fc.integer()),
    );
    fc.assert(
      fc.property(cases, ([count, list, k, seed]) => {
        const adapted = [...adaptList(list, count, k, seededRandom(seed))];
        expect(adapted).toHaveLength(k);
        expect(adapted.every((index, i) => index < count && index > (adapted[i - 1] ?? -1))).toBe(true);
        expect(adapted.filter((index) => list.includes(index))).toHaveLength(Math.min(k, list.length));
      }),
    );
  });

  it('drops evenly', () => {
    expect([...adaptList([0, 1, 2, 3, 4, 5, 6, 7], 8, 4, seededRandom(1))]).toEqual([0, 2, 4, 6]);
  });

  it('refuses more than there are', () => {
    expect(() => adaptList([0], 3, 4, seededRandom(1))).toThrow('cannot choose 4 of 3');
  });
});

describe('recordedLists', () => {
  it('are all of the trace before any again, in an order by seed', () => {
    const lists = recordedLists(trace, 1);
    const drawn = Array.from({ length: 8 }, (_, i) => lists(i, 4).join(','));
    expect([...drawn.slice(0, 4)].sort()).toEqual([...all].sort());
    expect(drawn.slice(4)).toEqual(drawn.slice(0, 4));
    expect(Array.from({ length: 8 }, (_, i) => recordedLists(trace, 1)(i, 4).join(','))).toEqual(drawn);
    expect(new Set([1, 2, 3, 4, 5].map((seed) => Array.from({ length: 4 }, (_, i) => recordedLists(trace, seed)(i, 4).join(',')).join(' '))).size).toBeGreaterThan(1);
  });
});

const gateUp = (dims: Problem['dims']): Problem => ({ family: 'ff_gate_up_gather', params: { dtype: 'f32', gated: 'gated' }, dims: { rows: 1, hidden: 8, activation: 0, bias: 0, ...dims } });

describe('expertTraceFits', () => {
  it('goes by the neurons of the model, where lists are read', () => {
    expect(expertTraceFits(trace, gateUp({ intermediate: 16, k: 8, dense: 0 }))).toBe(true);
    expect(expertTraceFits(trace, gateUp({ intermediate: 32, k: 8, dense: 0 }))).toBe(false);
    expect(expertTraceFits(trace, gateUp({ intermediate: 16, k: 16, dense: 1 }))).toBe(false);
    expect(expertTraceFits(trace, { family: 'ff_compact', params: {}, dims: { width: 8, intermediate: 16, k: 8 } })).toBe(true);
    expect(expertTraceFits(trace, { family: 'select_topk', params: {}, dims: { layers: 2, intermediate: 16, k: 8 } })).toBe(false);
    expect(expertTraceFits(trace, { family: 'linear_gemv', params: {}, dims: { rows: 1, in: 16, out: 16 } })).toBe(false);
  });
});

describe('a workload', () => {
  const family = findFamily('ff_gate_up_gather') as Family;
  const at = family.tensors.findIndex(({ name }) => name === 'experts');
  const listsOf = async (problem: Problem, seed: number, experts: ExpertTrace | null) => {
    const workload = await createWorkload(createFakeDevice(1), family, problem, { seed, coldBytes: 10_000, experts });
    expect(workload.period).toBe(2);
    expect(workload.sets % 2).toBe(0);
    return Array.from({ length: workload.sets }, (_, set) => {
      const bytes = workload.buffers(set)[at]?.read() ?? new Uint8Array();
      return new Int32Array(bytes.buffer).slice(0, problem.dims['k']).join(',');
    });
  };

  it('alternates recorded lists with uniform ones', async () => {
    const lists = await listsOf(gateUp({ intermediate: 16, k: 4, dense: 0 }), 1, trace);
    const recorded = lists.filter((_, set) => set % 2 === 0);
    expect(recorded.every((list) => all.includes(list))).toBe(true);
    expect(new Set(recorded.slice(0, 4)).size).toBe(Math.min(4, recorded.length));
    expect(lists.filter((_, set) => set % 2 === 1).every((list) => all.includes(list))).toBe(false);
  });

  it('has other lists for another seed, and the same for the same', async () => {
    const problem = gateUp({ intermediate: 16, k: 6, dense: 0 });
    for (const experts of [trace, null]) {
      const lists = await listsOf(problem, 1, experts);
      expect(await listsOf(problem, 1, experts)).toEqual(lists);
      expect(await listsOf(problem, 2, experts)).not.toEqual(lists);
    }
  });

  it('leaves a trace of another shape alone', async () => {
    const problem = gateUp({ intermediate: 24, k: 6, dense: 0 });
    expect(await listsOf(problem, 1, trace)).toEqual(await listsOf(problem, 1, null));
  });
});

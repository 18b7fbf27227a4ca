import { describe, expect, it } from 'vitest';
import { findFamily } from '../../generator/families/index.js';
import type { Family, Problem } from '../../generator/types.js';
import { syntheticConfig } from '../../runtime/checkpoint/synthetic.js';
import { decideFfStrategy } from '../../tuning/ff-strategy.js';
import { modelProblems } from '../../tuning/problems.js';
import type { FinalRequest } from '../../tuning/protocol.js';
import { createProblemState, type ProblemState } from '../../tuning/problem-state.js';
import type { TuningWorker } from '../../tuning/worker-client.js';

/** States with finished finals; `ff_compact` takes 1000 ns per matrix. */
function states(): ProblemState[] {
  return modelProblems(syntheticConfig('tinyllama-1.1b'))
    .filter(({ problem }) => problem.family.startsWith('ff_'))
    .map((tuning) => {
      const state = createProblemState(tuning, findFamily(tuning.problem.family) as Family, 'portable', { seed: 0, strategy: 'random', effort: 'quick' });
      const ratio = { median: 1, low: 1, high: 1 };
      const decision = { winnerId: state.defaultId, medianNs: 1000, defaultNs: 1000, ratio, tied: [], reason: '', standings: [] };
      state.final = { decision, winner: state.search.defaultVariant, finalists: 1, roof: null, dirty: false };
      return state;
    });
}

/** Answers finals with times by problem; the control drifts with `drift`. */
function worker(time: (problem: Problem) => number, drift: (problem: Problem) => number, asked: FinalRequest[] = []): TuningWorker {
  return {
    prepare: () => Promise.resolve(),
    final: (request: FinalRequest) => {
      const { problem } = request;
      asked.push(request);
      const factor = drift(problem);
      return Promise.resolve({ state: 'ok', reply: { samplesNs: [[time(problem) * factor]], controlNs: [500 * factor] } });
    },
  } as unknown as TuningWorker;
}

const isPacked = ({ dims }: Problem): boolean => dims['intermediate'] === dims['k'];
const options = (of: TuningWorker) => ({
  worker: of,
  control: { kernel: { kernelId: 'probe', path: 'p' }, problem: { family: 'probe_read', params: {}, dims: {} } },
  seed: 0,
  limitMs: 1,
  winnerBinary: (state: ProblemState) => Promise.resolve({ kernelId: state.defaultId, path: 'p' }),
});

describe('decideFfStrategy', () => {
  it('times both halves in place and packed: a dense problem of k neurons', async () => {
    const asked: FinalRequest[] = [];
    const decision = await decideFfStrategy(states(), options(worker((problem) => (isPacked(problem) ? 90 : 100), () => 1, asked)));
    expect(decision).toEqual({
      kind: 'ff_strategy', dims: { hidden: 2048, intermediate: 5632, k: 2816 }, dtype: 'bf16', choice: 'compact', gatherNs: 200, compactNs: 180, compactionNs: 2000,
    });
    expect(asked.map(({ problem: { family, dims } }) => [family, dims['intermediate'], dims['k'], dims['dense']])).toEqual([
      ['ff_gate_up_gather', 5632, 2816, 0],
      ['ff_gate_up_gather', 2816, 2816, 1],
      ['ff_down_gather', 5632, 2816, 0],
      ['ff_down_gather', 2816, 2816, 1],
    ]);
    expect(asked.every(({ launch }) => launch === 'replay')).toBe(true);
  });

  it('gathers unless packing wins by more than two percent', async () => {
    expect((await decideFfStrategy(states(), options(worker((problem) => (isPacked(problem) ? 99 : 100), () => 1))))?.choice).toBe('gather');
  });

  it('takes drift of the machine out by the control', async () => {
    const drifting = worker(() => 100, (problem) => (isPacked(problem) ? 1.5 : 1));
    expect(await decideFfStrategy(states(), options(drifting))).toMatchObject({ choice: 'gather', gatherNs: 200, compactNs: 200 });
  });

  it('waits for every winner that it rests on', async () => {
    const unfinished = states();
    const compact = unfinished.find((state) => state.family.name === 'ff_compact') as ProblemState;
    compact.final = null;
    expect(await decideFfStrategy(unfinished, options(worker(() => 1, () => 1)))).toBeNull();
  });
});

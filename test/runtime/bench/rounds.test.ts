import { describe, expect, it } from 'vitest';
import { measureInterleaved, median, pairedRatio } from '../../../runtime/bench/rounds.js';

/** A clock that only moves when a task says so, and two tasks that log when they run. */
function simulated() {
  let clock = 0;
  const log: string[] = [];
  return {
    log,
    nowMs: () => clock,
    task: (name: string, ms: (call: number) => number) => {
      let call = 0;
      return {
        name,
        prepare: () => {
          clock += 1000; // preparation must stay outside the measured interval
        },
        run: async () => {
          log.push(name);
          await new Promise((resolve) => setTimeout(resolve, 0));
          clock += ms(call++);
        },
      };
    },
  };
}

describe('measureInterleaved', () => {
  it('runs the tasks in turn, round by round, and measures only their own time on the given clock', async () => {
    const machine = simulated();
    const progress: number[] = [];
    const results = await measureInterleaved(
      [machine.task('a', (call) => 10 + call), machine.task('b', () => 3), machine.task('c', () => 7)],
      { rounds: 4, warmup: 1, nowMs: machine.nowMs, onRound: (done) => progress.push(done) },
    );
    expect(machine.log).toEqual(Array.from({ length: 5 }, () => ['a', 'b', 'c']).flat());
    expect(progress).toEqual([1, 2, 3, 4, 5]);
    expect(results.map((result) => result.name)).toEqual(['a', 'b', 'c']);
    expect(results[0]?.byRound).toEqual([11, 12, 13, 14]);
    expect(results[0]?.ms).toMatchObject({ median: 12.5, min: 11, max: 14, samples: 4 });
    expect(results[1]?.ms).toMatchObject({ median: 3, mad: 0 });
  });

  it('rejects with the first failure instead of waiting for a turn that never comes', async () => {
    const machine = simulated();
    let calls = 0;
    const broken = {
      name: 'broken',
      run: () => {
        calls += 1;
        return calls === 3 ? Promise.reject(new Error('third call')) : Promise.resolve();
      },
    };
    await expect(measureInterleaved([machine.task('a', () => 1), broken], { rounds: 5, nowMs: machine.nowMs })).rejects.toThrow('third call');
    expect(calls).toBe(3);
  });

  it('rejects when a preparation fails', async () => {
    const task = { name: 'a', prepare: () => Promise.reject(new Error('no memory')), run: () => Promise.resolve() };
    await expect(measureInterleaved([task], { rounds: 2, nowMs: () => 0 })).rejects.toThrow('no memory');
  });

  it('stops when the signal is aborted', async () => {
    const machine = simulated();
    const controller = new AbortController();
    const stopper = { name: 's', run: () => Promise.resolve(controller.abort()) };
    await expect(
      measureInterleaved([stopper, machine.task('b', () => 1)], { rounds: 50, nowMs: machine.nowMs, signal: controller.signal }),
    ).rejects.toMatchObject({ code: 'ABORTED' });
    expect(machine.log.length).toBe(0);
  });
});

describe('pairedRatio', () => {
  it('cancels a drift that hits both sides', () => {
    const drift = [1, 1.3, 0.8, 2];
    const ratio = pairedRatio(drift.map((d) => 14 * d), drift.map((d) => 10 * d));
    expect(ratio.median).toBeCloseTo(1.4, 12);
    expect(ratio.mad).toBeCloseTo(0, 12);
  });

  it('takes the middle of an even number of values as their mean', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });
});

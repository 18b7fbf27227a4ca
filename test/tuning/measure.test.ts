import { describe, expect, it } from 'vitest';
import type { Kernel } from '../../runtime/device/types.js';
import { createGauge } from '../../tuning/calm.js';
import { compareWithDefault, createRotation, interleave, launchesFor, replayRotation, SAMPLE_NS, type Control, type Timer } from '../../tuning/measure.js';
import { isResident, setCount } from '../../tuning/inputs.js';
import { toyFamily, toyProblem } from './support/toy-family.js';

const kernel = (id: string): Kernel => ({ id, phases: 1, scratchBytes: 0 });
function timer(id: string, times: readonly number[], log: string[] = []): Timer {
  let at = 0;
  return {
    kernel: kernel(id),
    sample() {
      log.push(id);
      return Promise.resolve(times[Math.min(at++, times.length - 1)] ?? 0);
    },
    dispose() {},
    [Symbol.dispose]() {},
  };
}

describe('rotation', () => {
  it('visits every chunk before any again, whoever asks', () => {
    const rotation = createRotation(10, 3);
    expect(rotation.chunks).toBe(4);
    expect(Array.from({ length: 8 }, () => rotation.next())).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  });

  it('takes as many launches as make a sample, at least one, at most all sets', () => {
    expect(launchesFor(SAMPLE_NS / 10, 100)).toBe(10);
    expect(launchesFor(SAMPLE_NS * 10, 100)).toBe(1);
    expect(launchesFor(1, 100)).toBe(100);
  });

  it('takes whole periods of index lists', () => {
    expect(launchesFor(SAMPLE_NS / 7, 100, 2)).toBe(6);
    expect(launchesFor(SAMPLE_NS * 10, 4, 2)).toBe(2);
  });

  it('is one chunk when a plan is replayed whole, and long parts where the whole would take too long', () => {
    const rotation = replayRotation(12, createRotation(12, 2));
    expect(rotation).toMatchObject({ chunks: 1, launchesPerSample: 12 });
    expect([rotation.next(), rotation.next()]).toEqual([0, 0]);
    expect(replayRotation(500, createRotation(500, 2))).toMatchObject({ launchesPerSample: 16, chunks: 32 });
  });

  it('leaves the cache behind, with at least three sets and not too many', () => {
    expect(setCount(10, 10, 1000)).toBe(100);
    expect(setCount(900, 900, 1000)).toBe(3);
    expect(setCount(1, 1, 1e9)).toBe(512);
    expect(setCount(0, 0, 1000)).toBe(512);
  });

  it('counts what a gather touches, within the memory for what it holds', () => {
    expect(setCount(50, 100, 1000)).toBe(20);
    expect(setCount(1, 1000, 1000)).toBe(6);
    expect(setCount(1, 1e6, 1000)).toBe(3);
  });

  it('rotates what does not grow with the rows', () => {
    const resident = toyFamily.tensors.filter((tensor) => isResident(tensor, toyProblem)).map(({ name }) => name);
    expect(resident).toEqual(['w']);
  });
});

const control = (timer_: Timer | null = null): Control => ({ timer: timer_, gauge: createGauge() });

describe('compareWithDefault', () => {
  it('warms everything up and takes samples in turn, the control after each pair', async () => {
    const log: string[] = [];
    const { samplesNs, referenceNs } = await compareWithDefault(timer('c', [99, 8], log), timer('d', [77, 10], log), control(timer('k', [55, 5], log)), { samples: 7, bestRatio: null });
    expect(log.slice(0, 10)).toEqual(['d', 'c', 'k', 'k', 'd', 'c', 'k', 'd', 'c', 'k']);
    expect(samplesNs).toEqual(Array(7).fill(8));
    expect(referenceNs).toEqual(Array(7).fill(10));
  });

  it('takes pairs again beside which the control was slow', async () => {
    const outcome = await compareWithDefault(timer('c', [0, 8, 16, 16, 8]), timer('d', [0, 10, 20, 20, 10]), control(timer('k', [0, 5, 5, 10, 5])), { samples: 3, bestRatio: null });
    expect(outcome).toEqual({ samplesNs: [8, 8, 8], referenceNs: [10, 10, 10], hopeless: false, retaken: 2, dirty: false });
  });

  it('goes by the default where there is no control', async () => {
    const outcome = await compareWithDefault(timer('c', [0, 16, 9, 8]), timer('d', [0, 10, 20, 10]), control(), { samples: 3, bestRatio: null });
    expect(outcome).toMatchObject({ samplesNs: [8, 8, 8], retaken: 2 });
  });

  it('gives up only when every first sample is hopeless', async () => {
    const hopeless = async (times: readonly number[], bestRatio: number | null) =>
      (await compareWithDefault(timer('c', times), timer('d', [10]), control(), { samples: 7, bestRatio })).hopeless;
    expect(await hopeless([0, 14, 12, 12], 1)).toBe(false);
    expect(await hopeless([0, 14], 1)).toBe(true);
    expect(await hopeless([0, 14], null)).toBe(false);
  });
});

describe('finals', () => {
  it('alternate their direction', async () => {
    const log: string[] = [];
    const samples = await interleave([timer('a', [1], log), timer('b', [2], log)], control(timer('control', [3], log)), 2);
    expect(log).toEqual(['a', 'b', 'control', 'control', 'a', 'b', 'control', 'b', 'a', 'control']);
    expect(samples).toEqual({ samplesNs: [[1, 1], [2, 2]], controlNs: [3, 3], retaken: 0, dirty: false });
  });

  it('run rounds again in which the control was slow', async () => {
    const restless = control(timer('control', [0, 10, 10, 30, 10]));
    expect(await interleave([timer('a', [0, 1, 2, 3, 4, 5])], restless, 3)).toEqual({ samplesNs: [[1, 4, 5]], controlNs: [10, 10, 10], retaken: 2, dirty: false });
  });

  it('go by the default where there is no control', async () => {
    expect(await interleave([timer('a', [0, 30, 10, 10]), timer('b', [0, 5, 6, 7, 8])], control(), 2)).toMatchObject({ samplesNs: [[10, 10], [6, 7]], controlNs: [], retaken: 1 });
  });
});

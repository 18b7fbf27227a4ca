import { describe, expect, it } from 'vitest';
import type { Kernel } from '../../runtime/device/types.js';
import { calmRounds, compareWithDefault, createRotation, interleave, launchesFor, SAMPLE_NS, type Timer } from '../../tuning/measure.js';
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

describe('compareWithDefault', () => {
  it('warms the candidate up and takes samples in turn', async () => {
    const log: string[] = [];
    const { samplesNs, referenceNs } = await compareWithDefault(timer('c', [99, 8], log), timer('d', [10], log), null);
    expect(log.slice(0, 5)).toEqual(['c', 'd', 'c', 'd', 'c']);
    expect(samplesNs).toEqual(Array(7).fill(8));
    expect(referenceNs).toEqual(Array(7).fill(10));
  });

  it('gives up only when every first sample is hopeless', async () => {
    expect((await compareWithDefault(timer('c', [0, 14, 12, 12]), timer('d', [10]), 1)).hopeless).toBe(false);
    expect((await compareWithDefault(timer('c', [0, 14]), timer('d', [10]), 1)).hopeless).toBe(true);
    expect((await compareWithDefault(timer('c', [0, 14]), timer('d', [10]), null)).hopeless).toBe(false);
  });
});

describe('finals', () => {
  it('alternate their direction', async () => {
    const log: string[] = [];
    const samples = await interleave([timer('a', [1], log), timer('b', [2], log)], timer('control', [3], log), 2);
    expect(log.slice(3)).toEqual(['a', 'b', 'control', 'b', 'a', 'control']);
    expect(samples).toEqual({ samplesNs: [[1, 1], [2, 2]], controlNs: [3, 3] });
  });

  it('drop the rounds in which the control was slow, if enough are left', () => {
    const samplesNs = [[1, 2, 3, 4, 5, 6, 7]];
    expect(calmRounds({ samplesNs, controlNs: [10, 10, 30, 10, 10, 11, 50] })).toEqual({ samplesNs: [[1, 2, 4, 5, 6]], controlNs: [10, 10, 10, 10, 11] });
    const restless = { samplesNs, controlNs: [10, 50, 30, 10, 10, 60, 50] };
    expect(calmRounds(restless)).toBe(restless);
    const uncontrolled = { samplesNs, controlNs: [] };
    expect(calmRounds(uncontrolled)).toBe(uncontrolled);
  });
});

import { describe, expect, it } from 'vitest';
import { confirms, decide, type Finalist } from '../../tuning/decide.js';
import { seededRandom, seedFrom } from '../../tuning/statistics.js';
import type { KernelResources } from '../../tuning/types.js';

/** A final without noise to speak of: the default takes 100 ns in a machine that drifts by a percent per round. */
function final(times: Readonly<Record<string, number>>, resources: Readonly<Record<string, KernelResources>> = {}, rounds = 9): Finalist[] {
  const wobble = (id: string, round: number): number => 1 + 0.0005 * Math.sin(round * 7 + id.charCodeAt(0)) + 0.01 * round;
  const referenceNs = Array.from({ length: rounds }, (_, round) => 100 * wobble('d', round));
  return Object.entries({ d: 100, ...times }).map(([kernelId, ns]) => ({
    kernelId,
    samplesNs: kernelId === 'd' ? referenceNs : referenceNs.map((_, round) => ns * wobble(kernelId, round)),
    referenceNs,
    ...(resources[kernelId] === undefined ? {} : { resources: resources[kernelId] }),
  }));
}

describe('decide', () => {
  it('takes the fastest that beats the default, and says by how much', () => {
    const decision = decide(final({ a: 90, b: 80 }), 'd');
    expect(decision.winnerId).toBe('b');
    expect(decision.ratio.median).toBeCloseTo(0.8, 3);
    expect(decision.ratio.low).toBeLessThanOrEqual(decision.ratio.median);
    expect(decision.ratio.high).toBeGreaterThanOrEqual(decision.ratio.median);
    expect(decision.medianNs / decision.defaultNs).toBeCloseTo(0.8, 2);
    expect(decision.tied).toEqual([]);
    expect(decision.reason).toMatch(/^20\.0 % faster than the default \(95 % interval \d+\.\d % to 20\.\d %\)$/);
    expect(decision.standings.map(({ kernelId, beatsDefault }) => [kernelId, beatsDefault])).toEqual([['b', true], ['a', true], ['d', false]]);
  });

  it('keeps the default where the gain is below one percent, and reports the tie', () => {
    const decision = decide(final({ a: 99.5 }), 'd');
    expect(decision).toMatchObject({ winnerId: 'd', ratio: { median: 1, low: 1, high: 1 }, tied: [{ kernelId: 'a' }] });
    expect(decision.reason).toBe('no variant beats the default beyond noise');
  });

  it('keeps the default where the gain may be noise', () => {
    const referenceNs = Array.from({ length: 11 }, () => 100);
    const noisy = { kernelId: 'a', samplesNs: [70, 120, 80, 130, 75, 118, 82, 121, 79, 90, 111], referenceNs };
    const decision = decide([noisy, { kernelId: 'd', samplesNs: referenceNs, referenceNs }], 'd');
    expect(decision.standings[0]?.ratio.median).toBeLessThan(0.99);
    expect(decision).toMatchObject({ winnerId: 'd', tied: [{ kernelId: 'a' }] });
  });

  it('never takes a slower one', () => {
    const decision = decide(final({ a: 103 }), 'd');
    expect(decision).toMatchObject({ winnerId: 'd', tied: [] });
  });

  it('takes the one with the fewest resources of those within a percent of the best, then the smallest id, in any order', () => {
    const times = { c: 80, b: 80.5, a: 82 };
    const resources = { b: { sharedBytes: 1024, registers: 40 }, c: { sharedBytes: 1024, registers: 64 }, a: {} };
    for (const finalists of [final(times, resources), final(times, resources).reverse()]) {
      const decision = decide(finalists, 'd');
      expect(decision).toMatchObject({ winnerId: 'b', tied: [{ kernelId: 'c' }] });
      expect(decision.reason).toMatch(/of 2 within 1 % of the fastest the one that takes the fewest resources/);
    }
    expect(decide(final(times), 'd').winnerId).toBe('b');
    expect(decide(final(times, { b: { registers: 1 } }), 'd').winnerId).toBe('c');
  });

  it('decides for a lone default', () => {
    expect(decide(final({}), 'd')).toMatchObject({ winnerId: 'd', reason: 'there is no challenger', tied: [] });
  });

  it('refuses a final without the default and samples that are not paired', () => {
    expect(() => decide([{ kernelId: 'a', samplesNs: [1], referenceNs: [1] }], 'd')).toThrow(/default variant d is not among the finalists \(a\)/);
    expect(() => decide([{ kernelId: 'a', samplesNs: [1], referenceNs: [1, 2] }], 'd')).toThrow(/1 samples cannot be paired with 2/);
  });
});

describe('confirms', () => {
  it('asks for an interval below 1', () => {
    const [, faster, same] = final({ f: 95, s: 100.01 });
    expect(confirms(faster!.samplesNs, faster!.referenceNs)).toBe(true);
    expect(confirms(same!.samplesNs, same!.referenceNs)).toBe(false);
  });
});

/**
 * A machine as it is under tuning: log-normal noise of 3 % on every sample, one sample in twenty an outlier of up to twice the time, and a speed that
 * wanders by a percent per round.
 */
function noisyFinal(truth: Readonly<Record<string, number>>, rounds: number, seed: number): Finalist[] {
  const random = seededRandom(seed);
  const gauss = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const samples = new Map(Object.keys(truth).map((id) => [id, [] as number[]]));
  let speed = 1;
  for (let round = 0; round < rounds; round++) {
    speed *= Math.exp(0.01 * gauss());
    for (const [id, ns] of Object.entries(truth)) samples.get(id)?.push(ns * speed * Math.exp(0.03 * gauss()) * (random() < 0.05 ? 1 + random() : 1));
  }
  const referenceNs = samples.get('default') ?? [];
  return [...samples].map(([kernelId, samplesNs]) => ({ kernelId, samplesNs, referenceNs }));
}

describe('decisions on a noisy machine', () => {
  const REPEATS = 400;
  const shareOfWins = (slower: number): number => {
    let wins = 0;
    for (let i = 0; i < REPEATS; i++) if (decide(noisyFinal({ default: 1000, other: 1000 * slower }, 15, seedFrom(`wins ${i}`)), 'default').winnerId === 'other') wins++;
    return wins / REPEATS;
  };

  it('hardly ever takes a challenger that is 3 % slower, and nearly always one that is 5 % faster', () => {
    expect(shareOfWins(1.03)).toBeLessThan(0.01);
    expect(shareOfWins(0.95)).toBeGreaterThan(0.95);
  });

  it('agrees with itself or reports the tie', () => {
    let agreed = 0;
    let same = 0;
    let all = 0;
    for (let problem = 0; problem < 20; problem++) {
      const random = seededRandom(seedFrom(`problem ${problem}`));
      const truth = { default: 1000, ...Object.fromEntries([1, 2, 3].map((i) => [`kernel${i}`, 1000 * (0.8 + 0.25 * random())])) };
      for (let repeat = 0; repeat < 200; repeat++) {
        const [a, b] = [0, 1].map((run) => decide(noisyFinal(truth, 15, seedFrom(`problem ${problem} ${repeat} run ${run}`)), 'default')) as [ReturnType<typeof decide>, ReturnType<typeof decide>];
        all++;
        if (a.winnerId === b.winnerId) same++;
        const names = (one: typeof a, other: typeof a): boolean => one.tied.some(({ kernelId }) => kernelId === other.winnerId);
        if (a.winnerId === b.winnerId || names(a, b) || names(b, a)) agreed++;
      }
    }
    expect(agreed / all).toBeGreaterThanOrEqual(0.95);
    // Not by calling everything a tie.
    expect(same / all).toBeGreaterThan(0.6);
  });
});

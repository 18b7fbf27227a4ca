import { describe, expect, it } from 'vitest';
import { decide } from '../../tuning/decide.js';

const finalist = (kernelId: string, ...samplesNs: number[]) => ({ kernelId, samplesNs });

describe('decide', () => {
  it('takes the fastest that beats the default', () => {
    const decision = decide([finalist('d', 100, 101, 99), finalist('a', 90, 91, 89), finalist('b', 80, 81, 79)], 'd');
    expect(decision).toMatchObject({ winner: { kernelId: 'b' }, medianNs: 80, defaultNs: 100 });
  });

  it('keeps the default where the gain is below one percent and within the noise', () => {
    const decision = decide([finalist('d', 100, 102, 98), finalist('a', 99.5, 101.5, 97.5)], 'd');
    expect(decision).toMatchObject({ winner: { kernelId: 'd' }, medianNs: 100 });
  });

  it('believes a gain below one percent when the interquartile ranges are disjoint', () => {
    const decision = decide([finalist('d', 100, 100.1, 99.9), finalist('a', 99.5, 99.6, 99.4)], 'd');
    expect(decision.winner.kernelId).toBe('a');
  });

  it('never takes a slower one', () => {
    expect(decide([finalist('d', 100, 100, 100), finalist('a', 101, 101, 101)], 'd').winner.kernelId).toBe('d');
  });

  it('breaks ties by id, in any order of the finalists', () => {
    const finalists = [finalist('d', 100, 100, 100), finalist('c', 80, 80, 80), finalist('b', 80.5, 80.5, 80.5), finalist('a', 82, 82, 82)];
    expect(decide(finalists, 'd').winner.kernelId).toBe('b');
    expect(decide([...finalists].reverse(), 'd').winner.kernelId).toBe('b');
  });

  it('refuses a final without the default', () => {
    expect(() => decide([finalist('a', 1)], 'd')).toThrow(/default variant d is not among/);
  });
});

import { describe, expect, it } from 'vitest';
import { createGauge, DISTURBED, RETAKE_LIMIT, takeCalm, type Gauge } from '../../tuning/calm.js';

/** Takes 0, 1, 2, …; the gauge reads `values[i]` after item i, its last value ever after, and `before` at first. */
function series(wanted: number, values: readonly number[], { gauge = createGauge(), before }: { gauge?: Gauge; before?: number } = {}) {
  const take = (i: number) => Promise.resolve({ item: i, gaugeNs: values[Math.min(i, values.length - 1)] ?? 0 });
  return takeCalm<number>(wanted, { gauge, take, ...(before === undefined ? {} : { before }) });
}

describe('takeCalm', () => {
  it('takes what is wanted where nothing disturbs', async () => {
    expect(await series(4, [10, 11, 10, 12], { before: 10 })).toEqual({ kept: [0, 1, 2, 3], retaken: 0, dirty: false, stopped: false });
  });

  it('takes those again that have a slow gauge on either side', async () => {
    expect(await series(4, [10, 30, 10, 10, 10, 10], { before: 10 })).toEqual({ kept: [0, 3, 4, 5], retaken: 2, dirty: false, stopped: false });
    expect(await series(4, [10, 10, 10, 10, 10], { before: 30 })).toMatchObject({ kept: [1, 2, 3, 4], retaken: 1 });
  });

  it('looks at the next one too where the gauge comes first', async () => {
    expect(await series(4, [10, 10, 30, 10, 10, 10, 10])).toMatchObject({ kept: [0, 3, 4, 5], retaken: 2 });
  });

  it('finds a disturbance at the start when it has ended', async () => {
    expect(await series(4, [20, 10, 10, 10, 10, 10], { before: 20 })).toMatchObject({ kept: [2, 3, 4, 5], retaken: 2 });
  });

  it('knows from before what is normal, and gives up on a machine that does not come to rest', async () => {
    const gauge = createGauge();
    for (let i = 0; i < 60; i++) gauge.add(10);
    expect(await series(4, [40, 20, 20, 20, 30], { gauge })).toEqual({ kept: [1, 2, 3, 4], retaken: 4 * RETAKE_LIMIT - 4, dirty: true, stopped: false });
  });

  it('takes a lasting change for the new normal', async () => {
    const gauge = createGauge();
    for (let i = 0; i < 101; i++) gauge.add(10);
    const dirty: boolean[] = [];
    for (let i = 0; i < 12; i++) dirty.push((await series(4, [20], { gauge })).dirty);
    expect(dirty[0]).toBe(true);
    expect(dirty.at(-1)).toBe(false);
  });

  it('stops when told to, on calm ones alone', async () => {
    const seen: number[][] = [];
    const take = (i: number) => Promise.resolve({ item: i, gaugeNs: i === 2 ? 30 : 10 });
    const stop = (calm: readonly number[]) => {
      seen.push([...calm]);
      return calm.length === 3;
    };
    expect(await takeCalm<number>(5, { gauge: createGauge(), take, before: 10, stop })).toEqual({ kept: [0, 1, 4], retaken: 2, dirty: false, stopped: true });
    expect(seen).toEqual([[0], [0, 1], [0, 1], [0, 1], [0, 1, 4]]);
  });
});

describe('gauge', () => {
  it('has no opinion before its first sample', () => {
    expect(createGauge().limit()).toBe(Number.POSITIVE_INFINITY);
  });

  it('forgets what is long ago', () => {
    const gauge = createGauge();
    for (let i = 0; i < 500; i++) gauge.add(10);
    for (let i = 0; i < 101; i++) gauge.add(4);
    expect(gauge.limit()).toBe(4 * DISTURBED);
  });
});

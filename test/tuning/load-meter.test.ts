import { describe, expect, it } from 'vitest';
import { createLoadMeter } from '../../tuning/load-meter.js';

describe('load meter', () => {
  it('says nothing before it has seen enough', () => {
    const meter = createLoadMeter(2);
    meter.add({ otherShare: 1 }, 100);
    expect(meter.loaded()).toBe(false);
    meter.add({ otherShare: 1 }, 100);
    expect(meter.loaded()).toBe(true);
  });

  it('adds up what others and the hypervisor take', () => {
    const meter = createLoadMeter(2);
    meter.add({ otherShare: 0.15, stealShare: 0.1 }, 300);
    expect(meter.loaded()).toBe(true);
    const calm = createLoadMeter(2);
    calm.add({ otherShare: 0.1, stealShare: 0.05 }, 300);
    expect(calm.loaded()).toBe(false);
  });

  it('does not fall for one coarse reading', () => {
    const meter = createLoadMeter(2);
    for (let i = 0; i < 20; i++) meter.add({ otherShare: i === 15 ? 0.5 : 0 }, 40);
    expect(meter.loaded()).toBe(false);
  });

  it('takes most of one processor for too much, however many there are', () => {
    const meter = createLoadMeter(32);
    meter.add({ otherShare: 1 / 32 }, 300);
    expect(meter.loaded()).toBe(true);
    const small = createLoadMeter(2);
    small.add({ otherShare: 1 / 32 }, 300);
    expect(small.loaded()).toBe(false);
  });

  it('forgets', () => {
    const meter = createLoadMeter(2);
    meter.add({ otherShare: 0.9 }, 500);
    for (let i = 0; i < 40; i++) meter.add({ otherShare: 0 }, 50);
    expect(meter.loaded()).toBe(false);
  });

  it('leaves out what could not be read', () => {
    const meter = createLoadMeter(2);
    meter.add({ otherShare: 1 }, 300);
    meter.add({ cpuMhz: 2000 }, 100_000);
    expect(meter.loaded()).toBe(true);
  });
});

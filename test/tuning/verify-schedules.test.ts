import { describe, expect, it } from 'vitest';
import { withSchedule } from '../../tuning/verify-schedules.js';

describe('withSchedule', () => {
  it('opens the emulated device once per schedule', () => {
    expect(withSchedule('emulated', undefined)).toEqual(['emulated:forward', 'emulated:reverse', 'emulated:random=7']);
    expect(withSchedule('emulated:sm86,fast', ['reverse'])).toEqual(['emulated:sm86,fast,reverse']);
  });
  it('leaves a name alone that says its schedule, and other devices', () => {
    expect(withSchedule('emulated:random=3,sm80', undefined)).toEqual(['emulated:random=3,sm80']);
    expect(withSchedule('cuda:1', undefined)).toEqual(['cuda:1']);
  });
  it('refuses schedules that mean nothing or contradict', () => {
    expect(() => withSchedule('cpu', ['forward'])).toThrow(/cpu has none/);
    expect(() => withSchedule('emulated:reverse', ['forward'])).toThrow(/leave out --schedules or reverse/);
  });
});

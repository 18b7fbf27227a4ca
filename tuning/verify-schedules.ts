/** Orders in which the emulated device runs threads and blocks: a right kernel gives the same results in each. */
import { UsageError } from '../runtime/errors.js';

export const SCHEDULES = ['forward', 'reverse', 'random'] as const;
export type Schedule = (typeof SCHEDULES)[number];

const RANDOM_SEED = 7;

/**
 * Device names to verify under: for `emulated`, one per schedule; a name that says its order itself, and every other device, as they are.
 * Throws a UsageError for schedules on a device that has none.
 */
export function withSchedule(device: string, schedules: readonly Schedule[] | undefined): readonly string[] {
  const [kind, detail] = [device.split(':')[0], device.includes(':') ? device.slice(device.indexOf(':') + 1) : ''];
  if (kind !== 'emulated') {
    if (schedules !== undefined) throw new UsageError(`schedules are orders of the emulated device's threads; ${device} has none`);
    return [device];
  }
  const parts = detail === '' ? [] : detail.split(',');
  const own = parts.find((part) => /^(forward|reverse|random=.*)$/.test(part));
  if (own !== undefined) {
    if (schedules !== undefined) throw new UsageError(`${device} says its schedule already; leave out --schedules or ${own}`);
    return [device];
  }
  return (schedules ?? SCHEDULES).map((schedule) => `emulated:${[...parts, schedule === 'random' ? `random=${RANDOM_SEED}` : schedule].join(',')}`);
}

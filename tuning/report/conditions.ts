/** The state of the machine over all measurements of a section. */
import { quantile } from '../statistics.js';
import type { LineOf } from '../journal/lines.js';
import type { ConditionsSummary, Reading } from './types.js';

const READINGS = [
  ['stealShare', 'taken by the hypervisor', 'share'],
  ['otherShare', 'taken by other processes', 'share'],
  ['cpuMhz', 'processor clock', 'MHz'],
  ['smClockMhz', 'multiprocessor clock', 'MHz'],
  ['memClockMhz', 'memory clock', 'MHz'],
  ['powerW', 'power', 'W'],
  ['temperatureC', 'temperature', '°C'],
] as const satisfies readonly (readonly [string, string, Reading['unit']])[];

export function summarizeConditions(lines: readonly LineOf<'outcome' | 'final'>[]): ConditionsSummary {
  const measured = lines.filter((line) => line.samplesNs !== undefined);
  const throttle = new Map<string, number>();
  for (const { conditions } of measured) for (const reason of conditions?.throttle ?? []) throttle.set(reason, (throttle.get(reason) ?? 0) + 1);
  return {
    measurements: measured.length,
    dirty: measured.filter(({ dirty }) => dirty === true).length,
    retaken: measured.reduce((sum, { retaken }) => sum + (retaken ?? 0), 0),
    readings: READINGS.flatMap(([field, name, unit]): Reading[] => {
      const values = measured.flatMap(({ conditions }) => conditions?.[field] ?? []);
      return values.length === 0 ? [] : [{ name, unit, count: values.length, low: quantile(values, 0.05), median: quantile(values, 0.5), high: quantile(values, 0.95) }];
    }),
    throttle: [...throttle].map(([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count),
  };
}

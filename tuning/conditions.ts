/**
 * The state of the machine while samples were taken: what else ran on it, and at which clock. Read from `/proc` and `/sys` on Linux;
 * elsewhere those facts are absent. A GPU's come from its driver.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { GpuSensors } from '../runtime/device/types.js';
import type { Conditions } from './types.js';

export interface ConditionsProbe {
  start(): void;
  /** What was so since `start`. Without a `start`, shares of time are absent. */
  stop(): Conditions;
}

export interface ConditionsSource {
  /** Contents of a file, or null where it cannot be read. */
  read(path: string): string | null;
  /** Names in a directory; none where it cannot be read. */
  list(path: string): readonly string[];
}

/**
 * Counters advance in steps of 10 ms per processor, and not in step with each other. Over fewer steps than this, shares of them would say
 * more about the moment of reading than about the machine.
 */
const MIN_TICKS = 3;

const SYSTEM: ConditionsSource = {
  read(path) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return null;
    }
  },
  list(path) {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  },
};

/** `device` is asked for its sensors when it has any. */
export function createConditionsProbe(device?: { sensors?(): GpuSensors | null }, source: ConditionsSource = SYSTEM): ConditionsProbe {
  let before: Ticks | null = null;
  let throttledBefore: readonly string[] = [];
  return {
    start() {
      before = readTicks(source);
      throttledBefore = device?.sensors?.()?.throttleReasons ?? [];
    },
    stop() {
      // While the clocks are still those of the work.
      const sensors = device?.sensors?.() ?? null;
      const after = readTicks(source);
      const mhz = cpuMhz(source);
      const conditions = {
        ...(before === null || after === null ? {} : shares(before, after)),
        ...(mhz === null ? {} : { cpuMhz: mhz }),
        ...(sensors === null ? {} : gpuConditions(sensors, throttledBefore)),
      };
      before = null;
      throttledBefore = [];
      return conditions;
    },
  };
}

/** Clock ticks since boot (of this process: since its start), over all processors. */
interface Ticks {
  readonly processors: number;
  readonly total: number;
  readonly steal: number;
  readonly busy: number;
  readonly own: number;
}

function readTicks(source: ConditionsSource): Ticks | null {
  const stat = source.read('/proc/stat');
  const self = source.read('/proc/self/stat');
  const line = /^cpu +(.*)$/m.exec(stat ?? '')?.[1];
  if (stat === null || line === undefined || self === null) return null;
  // proc(5): user and nice hold the time of guests already, which is counted apart after steal.
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = line.trim().split(/ +/).map(Number);
  // The name in parentheses may hold anything; utime and stime (of all threads) are the 12th and 13th field after it.
  const fields = self.slice(self.lastIndexOf(')') + 2).split(' ').map(Number);
  const busy = user + nice + system + irq + softirq;
  const ticks = { processors: stat.match(/^cpu\d+ /gm)?.length ?? 1, total: busy + idle + iowait + steal, steal, busy, own: (fields[11] ?? 0) + (fields[12] ?? 0) };
  return Number.isFinite(ticks.total + ticks.own) ? ticks : null;
}

function shares(before: Ticks, after: Ticks): Pick<Conditions, 'stealShare' | 'otherShare'> {
  const total = after.total - before.total;
  if (total < MIN_TICKS * after.processors) return {};
  const share = (ticks: number): number => Math.min(1, Math.max(0, ticks / total));
  return { stealShare: share(after.steal - before.steal), otherShare: share(after.busy - before.busy - (after.own - before.own)) };
}

/** The mean over processors of the clock now; null where the machine does not tell (virtual machines often tell the nominal one). */
function cpuMhz(source: ConditionsSource): number | null {
  const root = '/sys/devices/system/cpu';
  const kilohertz = source
    .list(root)
    .filter((name) => /^cpu\d+$/.test(name))
    .flatMap((name) => positive(source.read(`${root}/${name}/cpufreq/scaling_cur_freq`)));
  if (kilohertz.length > 0) return mean(kilohertz) / 1000;
  const megahertz = [...(source.read('/proc/cpuinfo') ?? '').matchAll(/^cpu MHz\s*:\s*([\d.]+)/gm)].flatMap((match) => positive(match[1] ?? null));
  return megahertz.length > 0 ? mean(megahertz) : null;
}

function positive(text: string | null): number[] {
  const value = Number(text ?? 0);
  return Number.isFinite(value) && value > 0 ? [value] : [];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function gpuConditions(sensors: GpuSensors, throttledBefore: readonly string[]): Conditions {
  const { smClockMhz, memClockMhz, powerW, temperatureC } = sensors;
  const told = Object.entries({ smClockMhz, memClockMhz, powerW, temperatureC }).filter(([, value]) => value !== null);
  return { ...(Object.fromEntries(told) as Conditions), throttle: [...new Set([...throttledBefore, ...sensors.throttleReasons])].sort() };
}

import { describe, expect, it } from 'vitest';
import { createConditionsProbe, type ConditionsSource } from '../../tuning/conditions.js';

interface Jiffies {
  readonly user?: number;
  readonly system?: number;
  readonly idle: number;
  readonly steal?: number;
  /** Of this process, user and system. */
  readonly own?: readonly [number, number];
}

/** A machine of two processors whose files can be replaced. */
function machine() {
  const files = new Map<string, string>();
  const source: ConditionsSource = {
    read: (path) => files.get(path) ?? null,
    list: (path) => [...new Set([...files.keys()].filter((name) => name.startsWith(`${path}/`)).map((name) => name.slice(path.length + 1).split('/')[0] ?? ''))],
  };
  const at = ({ user = 0, system = 0, idle, steal = 0, own = [0, 0] }: Jiffies): void => {
    files.set('/proc/stat', `cpu  ${user} 0 ${system} ${idle} 0 0 0 ${steal} 0 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n`);
    files.set('/proc/self/stat', `77 (a (strange) name) R ${Array(10).fill(0).join(' ')} ${own[0]} ${own[1]} 0 0 20 0 1\n`);
  };
  return { files, source, at };
}

describe('conditions', () => {
  it('are shares of all processors: stolen, and of other processes', () => {
    const { source, at } = machine();
    const probe = createConditionsProbe(undefined, source);
    at({ user: 1000, system: 100, idle: 5000, steal: 10, own: [500, 50] });
    probe.start();
    // 100 ticks: 40 + 10 busy, of which 30 + 5 are ours; 20 stolen.
    at({ user: 1040, system: 110, idle: 5030, steal: 30, own: [530, 55] });
    expect(probe.stop()).toEqual({ stealShare: 0.2, otherShare: 0.15 });
  });

  it('are not told over fewer ticks than mean something', () => {
    const { source, at } = machine();
    const probe = createConditionsProbe(undefined, source);
    at({ idle: 100 });
    probe.start();
    at({ idle: 104, user: 1 });
    expect(probe.stop()).toEqual({});
    at({ idle: 100 });
    probe.start();
    at({ idle: 105, user: 1 });
    expect(probe.stop()).toEqual({ stealShare: 0, otherShare: 1 / 6 });
  });

  it('stay between 0 and 1 when counters are not in step', () => {
    const { source, at } = machine();
    const probe = createConditionsProbe(undefined, source);
    at({ idle: 100 });
    probe.start();
    at({ idle: 110, user: 10, own: [15, 0] });
    expect(probe.stop()).toMatchObject({ otherShare: 0 });
  });

  it('hold the mean clock of the processors', () => {
    const { files, source } = machine();
    files.set('/proc/cpuinfo', 'processor : 0\ncpu MHz\t\t: 2400.000\nprocessor : 1\ncpu MHz\t\t: 3000.5\n');
    expect(createConditionsProbe(undefined, source).stop()).toEqual({ cpuMhz: 2700.25 });
    files.set('/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq', '1800000\n');
    files.set('/sys/devices/system/cpu/cpu10/cpufreq/scaling_cur_freq', '2200000\n');
    files.set('/sys/devices/system/cpu/cpufreq/other', '1\n');
    expect(createConditionsProbe(undefined, source).stop()).toEqual({ cpuMhz: 2000 });
  });

  it('are empty where nothing can be read', () => {
    const { source } = machine();
    const probe = createConditionsProbe(undefined, source);
    probe.start();
    expect(probe.stop()).toEqual({});
  });

  it('hold what a GPU tells, and why its clocks were lowered at either end', () => {
    const { source } = machine();
    const readings = [
      { smClockMhz: 1400, memClockMhz: null, powerW: 300, temperatureC: 60, throttleReasons: ['thermal'] },
      { smClockMhz: 1200, memClockMhz: null, powerW: 310, temperatureC: 64, throttleReasons: ['power cap'] },
    ];
    const probe = createConditionsProbe({ sensors: () => readings.shift() ?? null }, source);
    probe.start();
    expect(probe.stop()).toEqual({ smClockMhz: 1200, powerW: 310, temperatureC: 64, throttle: ['power cap', 'thermal'] });
    expect(probe.stop()).toEqual({});
  });

  it.runIf(process.platform === 'linux')('are read from this machine', () => {
    const probe = createConditionsProbe();
    probe.start();
    const until = performance.now() + 120;
    while (performance.now() < until);
    const { stealShare, otherShare } = probe.stop();
    expect(stealShare).toBeGreaterThanOrEqual(0);
    expect(otherShare).toBeLessThanOrEqual(1);
  });
});

/**
 * Which samples were taken while the machine was calm. A gauge (a control kernel, or the default variant where there is none) is sampled
 * between the samples that count: while something else takes memory bandwidth or clock, it is slow too.
 */
import { median } from './statistics.js';

/** Slower than this many times its running median, the gauge says that the machine was disturbed. */
export const DISTURBED = 1.25;
/** So many times the wanted number is sampled at most before disturbed samples are taken as they are. */
export const RETAKE_LIMIT = 3;
/** Gauge samples that the running median looks back on: some ten evaluations, so that a machine that stays slower becomes the new normal. */
const WINDOW = 101;

export interface Gauge {
  add(ns: number): void;
  /** Samples above it were disturbed. Infinite before the first sample. */
  limit(): number;
}

/** Lives as long as the gauge's kernel and its buffers: what was normal a minute ago is what tells that it is not now. */
export function createGauge(): Gauge {
  const recent: number[] = [];
  return {
    add(ns) {
      recent.push(ns);
      if (recent.length > WINDOW) recent.shift();
    },
    limit: () => (recent.length === 0 ? Number.POSITIVE_INFINITY : median(recent) * DISTURBED),
  };
}

export interface CalmSeries<T> {
  /** The wanted number, in the order in which they were taken, unless sampling was stopped. */
  readonly kept: readonly T[];
  /** Taken and thrown away. */
  readonly retaken: number;
  /** Not enough calm ones came: the least disturbed are among the kept. */
  readonly dirty: boolean;
  readonly stopped: boolean;
}

export interface CalmOptions<T> {
  readonly gauge: Gauge;
  /** Takes the next item, and one sample of the gauge. */
  readonly take: (attempt: number) => Promise<{ readonly item: T; readonly gaugeNs: number }>;
  /** A sample of a gauge that follows its item: what it said before the first. Left out where the gauge's sample comes first in each item. */
  readonly before?: number;
  /** Sees the calm items after each new one. */
  readonly stop?: (calm: readonly T[]) => boolean;
}

/**
 * Takes items until `wanted` of them are calm, at most `RETAKE_LIMIT` times as many. An item counts as disturbed when the gauge is out of
 * line on either side of it. Every new sample may show that an earlier item was disturbed (a disturbance at the start looks normal until
 * it ends), so all are judged again each time.
 */
export async function takeCalm<T>(wanted: number, { gauge, take, before, stop }: CalmOptions<T>): Promise<CalmSeries<T>> {
  const items: T[] = [];
  // Item i lies between the gauge's samples i and i + 1.
  const gauges: number[] = [];
  const look = (ns: number): void => {
    gauge.add(ns);
    gauges.push(ns);
  };
  const worstBeside = (i: number): number => Math.max(gauges[i] ?? 0, gauges[i + 1] ?? 0);
  if (before !== undefined) look(before);
  for (let attempt = 0; attempt < wanted * RETAKE_LIMIT; attempt++) {
    const { item, gaugeNs } = await take(attempt);
    items.push(item);
    look(gaugeNs);
    const limit = gauge.limit();
    const calm = items.filter((_, i) => worstBeside(i) <= limit).slice(0, wanted);
    const stopped = stop?.(calm) ?? false;
    if (stopped || calm.length === wanted) return { kept: calm, retaken: items.length - calm.length, dirty: false, stopped };
  }
  const order = items.map((_, i) => i).sort((a, b) => worstBeside(a) - worstBeside(b) || a - b);
  const least = new Set(order.slice(0, wanted));
  return { kept: items.filter((_, i) => least.has(i)), retaken: items.length - wanted, dirty: true, stopped: false };
}

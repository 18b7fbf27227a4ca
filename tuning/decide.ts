/**
 * Who wins a final. Samples come from interleaved rounds, and every kernel is compared with the default variant of the same round, so that drift
 * of the machine cancels. What is compared is the ratio of the two, with its confidence interval (`ratioInterval`).
 *
 * - A challenger beats the default if its ratio is at most 1 − `MIN_GAIN` and the interval lies below 1. Else the default stays.
 * - Of those that do, all within `TIE_BAND` of the best are taken for equally fast, and the one that takes the fewest resources wins: shared memory, then
 *   registers, then code size, then id. So what the tie-break can cost is one percent.
 * - Whoever cannot be told from the best is reported as tied: within the band, or with overlapping intervals. These are more than may win: two runs
 *   that name different winners of the same truth find each other's among them.
 */
import { median, ratioInterval, type Interval } from './statistics.js';
import type { KernelResources } from './types.js';

export interface Finalist {
  readonly kernelId: string;
  /** Nanoseconds per launch. */
  readonly samplesNs: readonly number[];
  /** The default variant's in the same rounds; its own samples for itself. */
  readonly referenceNs: readonly number[];
  readonly resources?: KernelResources;
}

export interface Standing {
  readonly kernelId: string;
  readonly medianNs: number;
  /** Time / the default's time, with the 95 % interval. Exactly 1 for the default. */
  readonly ratio: Interval;
  readonly beatsDefault: boolean;
  /** Pairs of samples that it rests on. */
  readonly pairs: number;
  readonly resources?: KernelResources;
}

export interface Decision {
  readonly winnerId: string;
  readonly medianNs: number;
  /** The default's median in the winner's rounds. */
  readonly defaultNs: number;
  /** The winner's. */
  readonly ratio: Interval;
  /** Others that these samples cannot tell from the best, fastest first. */
  readonly tied: readonly { readonly kernelId: string; readonly ratio: Interval }[];
  /** One sentence for the report. */
  readonly reason: string;
  /** All finalists, fastest first. */
  readonly standings: readonly Standing[];
}

/** Kernels within this share of the fastest count as equally fast. */
export const TIE_BAND = 0.01;
/** A winner must be this much faster than the default: less is not worth another kernel. */
export const MIN_GAIN = 0.01;

/** See the head of this file. The order of the finalists does not matter. Throws RangeError when the default is missing or samples are not paired. */
export function decide(finalists: readonly Finalist[], defaultId: string): Decision {
  const standings = finalists.map((finalist) => standingOf(finalist, defaultId)).sort(compareStandings);
  const standard = standings.find(({ kernelId }) => kernelId === defaultId);
  if (standard === undefined) {
    const names = finalists.map(({ kernelId }) => kernelId).join(', ');
    throw new RangeError(`the default variant ${defaultId} is not among the finalists (${names})`);
  }
  const [best] = standings.filter(({ beatsDefault }) => beatsDefault);
  const equal = best === undefined ? [] : standings.filter(({ beatsDefault, ratio }) => beatsDefault && ratio.median <= best.ratio.median * (1 + TIE_BAND));
  const winner = [...equal].sort(compareResources)[0] ?? standard;
  const bar = best ?? standard;
  const isNear = ({ ratio }: Standing): boolean => ratio.low <= bar.ratio.high || ratio.median <= bar.ratio.median * (1 + TIE_BAND);
  const tied = standings.filter((standing) => standing !== winner && isNear(standing));
  const defaultNs = median(finalists.find(({ kernelId }) => kernelId === winner.kernelId)?.referenceNs ?? []);
  return {
    winnerId: winner.kernelId,
    medianNs: winner.medianNs,
    defaultNs,
    ratio: winner.ratio,
    tied: tied.map(({ kernelId, ratio }) => ({ kernelId, ratio })),
    reason: reasonOf(winner, best, equal.length, standings.length),
    standings,
  };
}

/** Whether held-out samples bear out that a kernel is faster than the default: the interval of the ratio lies below 1. */
export function confirms(samplesNs: readonly number[], referenceNs: readonly number[]): boolean {
  return ratioInterval(pairedRatios(samplesNs, referenceNs)).high < 1;
}

/** Throws RangeError when there are not as many of one as of the other. */
export function pairedRatios(samplesNs: readonly number[], referenceNs: readonly number[]): number[] {
  if (samplesNs.length !== referenceNs.length) throw new RangeError(`${samplesNs.length} samples cannot be paired with ${referenceNs.length} references`);
  return samplesNs.map((sample, i) => sample / (referenceNs[i] ?? Number.NaN));
}

/**
 * Fewest resources first: shared memory, registers, code; then by id. Unknown counts as none. Negative when `a` is the better one.
 */
export function compareResources(a: Pick<Finalist, 'kernelId' | 'resources'>, b: Pick<Finalist, 'kernelId' | 'resources'>): number {
  for (const name of ['sharedBytes', 'registers', 'codeBytes'] as const) {
    const difference = (a.resources?.[name] ?? 0) - (b.resources?.[name] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.kernelId < b.kernelId ? -1 : a.kernelId > b.kernelId ? 1 : 0;
}

function standingOf({ kernelId, samplesNs, referenceNs, resources }: Finalist, defaultId: string): Standing {
  const ratio = kernelId === defaultId ? { median: 1, low: 1, high: 1 } : ratioInterval(pairedRatios(samplesNs, referenceNs));
  return {
    kernelId,
    medianNs: median(samplesNs),
    ratio,
    beatsDefault: ratio.median <= 1 - MIN_GAIN && ratio.high < 1,
    pairs: samplesNs.length,
    ...(resources === undefined ? {} : { resources }),
  };
}

function compareStandings(a: Standing, b: Standing): number {
  return a.ratio.median - b.ratio.median || compareResources(a, b);
}

function reasonOf(winner: Standing, best: Standing | undefined, equal: number, finalists: number): string {
  if (best === undefined) return finalists === 1 ? 'there is no challenger' : 'no variant beats the default beyond noise';
  const percent = (ratio: number): string => `${((1 - ratio) * 100).toFixed(1)} %`;
  const { median: middle, low, high } = winner.ratio;
  const gain = `${percent(middle)} faster than the default (95 % interval ${percent(high)} to ${percent(low)})`;
  return equal === 1 ? gain : `${gain}; of ${equal} within ${TIE_BAND * 100} % of the fastest the one that takes the fewest resources`;
}

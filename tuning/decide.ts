/**
 * Who wins a final. The samples come from interleaved rounds: sample i of every finalist was taken next to sample i of the others,
 * so drift of the machine hits all alike.
 */
import { median, quartiles } from './statistics.js';

export interface FinalSamples {
  readonly kernelId: string;
  readonly samplesNs: readonly number[];
}

export interface Decision {
  readonly winner: FinalSamples;
  readonly medianNs: number;
  readonly defaultNs: number;
  /** One sentence for the report. */
  readonly reason: string;
}

/** Finalists within this share of the fastest count as tied. */
export const TIE_BAND = 0.01;
/** A winner must be this much faster than the default in the interleaved medians, unless their interquartile ranges are disjoint. */
export const MIN_GAIN = 0.01;

/**
 * The fastest of those that beat the default beyond noise; among equals (tie band) the smallest kernel id, so that two runs that
 * measure the same agree. If none beats the default, the default stays. Throws a RangeError when the default is not a finalist.
 */
export function decide(finalists: readonly FinalSamples[], defaultId: string): Decision {
  const standard = finalists.find((finalist) => finalist.kernelId === defaultId);
  if (standard === undefined) throw new RangeError(`the default variant ${defaultId} is not among the finalists`);
  const defaultNs = median(standard.samplesNs);
  const better = finalists
    .filter((finalist) => finalist !== standard && beats(finalist.samplesNs, standard.samplesNs))
    .map((finalist) => ({ finalist, medianNs: median(finalist.samplesNs) }));
  const best = Math.min(...better.map(({ medianNs }) => medianNs));
  const tied = better.filter(({ medianNs }) => medianNs <= best * (1 + TIE_BAND));
  const [first, ...others] = tied.sort((a, b) => (a.finalist.kernelId < b.finalist.kernelId ? -1 : 1));
  if (first === undefined) {
    const reason = finalists.length === 1 ? 'the default variant is the only one' : 'no variant beats the default beyond noise';
    return { winner: standard, medianNs: defaultNs, defaultNs, reason };
  }
  const gain = (((defaultNs - first.medianNs) / defaultNs) * 100).toFixed(1);
  const ties = others.length > 0 ? `; first by id of ${tied.length} within ${TIE_BAND * 100} %` : '';
  return { winner: first.finalist, medianNs: first.medianNs, defaultNs, reason: `${gain} % faster than the default${ties}` };
}

/** Faster by `MIN_GAIN` in the medians, or by less with disjoint interquartile ranges. */
function beats(samples: readonly number[], standard: readonly number[]): boolean {
  const a = quartiles(samples);
  const b = quartiles(standard);
  return a.median <= b.median * (1 - MIN_GAIN) || a.high < b.low;
}

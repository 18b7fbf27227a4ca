/** Order statistics of measurement samples. Timings have a hard floor and a long tail, so medians and quartiles, never means. */

/** Linear interpolation between order statistics, `share` in [0, 1]. NaN for no samples. */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) return Number.NaN;
  const sorted = [...samples].sort((a, b) => a - b);
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below] ?? Number.NaN;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? Number.NaN;
  return low + (high - low) * (position - below);
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

export interface Quartiles {
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

export function quartiles(samples: readonly number[]): Quartiles {
  return { low: quantile(samples, 0.25), median: quantile(samples, 0.5), high: quantile(samples, 0.75) };
}

/** Interquartile range as a share of the median: how noisy the samples are. */
export function spread(samples: readonly number[]): number {
  const q = quartiles(samples);
  return q.median > 0 ? (q.high - q.low) / q.median : 0;
}

/** An estimate with the interval that holds the true value with the stated confidence. */
export interface Interval {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  /** Confidence, 0 to 1. Default 0.95. */
  readonly level?: number;
  /** Default 2000. */
  readonly resamples?: number;
}

/**
 * The median of one kernel's samples and its percentile bootstrap interval (Efron 1979): the medians of as many samples drawn with
 * replacement, again and again. Equal seeds give equal intervals. NaN for no samples.
 */
export function bootstrapMedian(samples: readonly number[], seed: number, options: BootstrapOptions = {}): Interval {
  const { level = 0.95, resamples = 2000 } = options;
  const sorted = Float64Array.from(samples).sort();
  const count = sorted.length;
  if (count === 0) return { median: Number.NaN, low: Number.NaN, high: Number.NaN };
  const random = seededRandom(seed);
  const drawn = new Uint32Array(count);
  const medians = new Float64Array(resamples);
  const [lower, upper] = [(count - 1) >> 1, count >> 1];
  for (let resample = 0; resample < resamples; resample++) {
    // Samples are drawn by rank, so that a resample is sorted by counting.
    drawn.fill(0);
    for (let i = 0; i < count; i++) drawn[Math.floor(random() * count)]!++;
    let rank = 0;
    let passed = drawn[0]!;
    while (passed <= lower) passed += drawn[++rank]!;
    const low = sorted[rank]!;
    while (passed <= upper) passed += drawn[++rank]!;
    medians[resample] = (low + sorted[rank]!) / 2;
  }
  const ordered = [...medians.sort()];
  return { median: median(samples), low: quantile(ordered, (1 - level) / 2), high: quantile(ordered, (1 + level) / 2) };
}

/**
 * How much larger one of two paired quantities is than the other, from their ratios: the median of the geometric means of all pairs of ratios
 * (Hodges and Lehmann 1963), with its 95 % confidence interval from Wilcoxon's signed ranks. If neither quantity is larger, a ratio and its inverse
 * are equally likely whatever the noise, which is all that the ranks rest on; for the same width it needs about two thirds of the samples that the plain median
 * needs. Wild ratios (see `withoutWild`) are left out first, since each would widen the interval as much as several samples narrow it.
 * With fewer than six ratios the interval is their whole range, which holds less than 95 %. NaN for no ratios.
 */
export function ratioInterval(ratios: readonly number[]): Interval {
  const logs = withoutWild(ratios.map(Math.log));
  const count = logs.length;
  if (count === 0) return { median: Number.NaN, low: Number.NaN, high: Number.NaN };
  const means = new Float64Array((count * (count + 1)) / 2);
  let next = 0;
  for (let i = 0; i < count; i++) for (let j = i; j < count; j++) means[next++] = (logs[i]! + logs[j]!) / 2;
  means.sort();
  const last = means.length - 1;
  const cut = Math.max(0, signedRankCut(count) - 1);
  return { median: Math.exp((means[last >> 1]! + means[(last + 1) >> 1]!) / 2), low: Math.exp(means[cut]!), high: Math.exp(means[last - cut]!) };
}

/** Farther from the median than this many standard deviations, which are told from the median deviation. */
const WILD_DEVIATIONS = 3.5;
const DEVIATION_OF_MEDIAN_DEVIATION = 1.4826;
const MOST_WILD = 0.2;
const FEWEST_TO_JUDGE = 10;

/**
 * Without the values that something else than the common noise must have made (the rule of Hampel 1974), on either side alike. At most a fifth are left out: what
 * happens more often belongs to the thing measured. Fewer than ten values are too few to tell.
 */
function withoutWild(values: readonly number[]): readonly number[] {
  if (values.length < FEWEST_TO_JUDGE) return values;
  const middle = median(values);
  const limit = WILD_DEVIATIONS * DEVIATION_OF_MEDIAN_DEVIATION * median(values.map((value) => Math.abs(value - middle)));
  const byDistance = [...values].sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
  const kept = values.length - Math.floor(values.length * MOST_WILD);
  return byDistance.filter((value, i) => i < kept || Math.abs(value - middle) <= limit);
}

const cuts = new Map<number, number>();
/** Beyond this many pairs the distribution of signed ranks is normal to more digits than matter. */
const EXACT_RANKS = 120;

/** The largest c with P(sum of signed ranks < c) ≤ 2.5 % for `count` pairs. */
function signedRankCut(count: number): number {
  const known = cuts.get(count);
  if (known !== undefined) return known;
  let cut = 0;
  if (count > EXACT_RANKS) {
    cut = Math.floor((count * (count + 1)) / 4 - 1.959964 * Math.sqrt((count * (count + 1) * (2 * count + 1)) / 24));
  } else {
    // Each rank is in the sum or not, with equal probability.
    let chances = new Float64Array([1]);
    for (let rank = 1; rank <= count; rank++) {
      const wider = new Float64Array(chances.length + rank);
      chances.forEach((chance, sum) => {
        wider[sum]! += chance / 2;
        wider[sum + rank]! += chance / 2;
      });
      chances = wider;
    }
    for (let below = chances[0]!; below <= 0.025; below += chances[cut]!) cut++;
  }
  cuts.set(count, cut);
  return cut;
}

/** A seeded uniform generator in [0, 1) (Mulberry32: a 32-bit counter through a multiply-xorshift mix). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A 32-bit seed from text (FNV-1a), so that equal names give equal random orders. */
export function seedFrom(text: string, seed = 0): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}

/** Fisher-Yates on a copy. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}

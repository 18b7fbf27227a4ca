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

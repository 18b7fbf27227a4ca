/** Expected improvement of a normally distributed prediction. Source: Jones, Schonlau and Welch, "Efficient Global Optimization" (1998). */

/** How far below `best` a value with this mean and deviation is expected to fall; never negative. */
export function expectedImprovement(mean: number, deviation: number, best: number): number {
  const gap = best - mean;
  if (deviation <= 1e-12) return Math.max(0, gap);
  const z = gap / deviation;
  return Math.max(0, gap * normalCdf(z) + deviation * Math.exp(-0.5 * z * z) * 0.3989422804014327);
}

/** Logistic approximation of the normal distribution function with a cubic term, good to 2e-4 (Page, 1977). */
export function normalCdf(z: number): number {
  return 1 / (1 + Math.exp(-1.5957691216 * z * (1 + 0.044715 * z * z)));
}

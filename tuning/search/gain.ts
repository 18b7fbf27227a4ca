/**
 * The saving to expect of one more candidate from the costs so far alone: a fresh draw beats `n` earlier ones with probability
 * 1/(n + 1), and then by about the distance between the best ones, as is so for samples of one distribution with any tail.
 * As a share of the default's time (costs are relative to it); null for fewer than two costs.
 */
export function gainFromHistory(costs: readonly number[]): number | null {
  if (costs.length < 2) return null;
  const sorted = [...costs].sort((a, b) => a - b);
  const best = sorted[0]!;
  const near = sorted.slice(1, 1 + Math.max(1, Math.min(4, Math.floor(sorted.length / 4))));
  const spacing = near.reduce((sum, cost, i) => sum + (cost - best) / (i + 1), 0) / near.length;
  return Math.min(1, spacing / (costs.length + 1));
}

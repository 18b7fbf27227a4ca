/**
 * Strategies against each other on replayed spaces: every strategy runs with every seed, and what counts is the true cost of the
 * variant that it would name the best at each moment. Method: docs/peers.md, "Our yardstick".
 */
import { USUAL_SAMPLES } from './ledger.js';
import { createSearchIn, STRATEGIES, type StrategyName } from './index.js';
import { createReplayDevice, loadReplays, type Noise, type ReplaySpace } from './replay.js';
import { quantile, seedFrom } from '../statistics.js';

export { formatComparison } from './comparison-text.js';

/** Shares of a space at which curves are given. */
export const CURVE_SHARES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5] as const;
/** The budget of the score: random search has come this share of the way from the space's median to its best. */
const SCORE_COVERAGE = 0.96;
const SCORE_STEPS = 50;
/** Proposals that are evaluated before the search hears of any: what a tuner with a few compilers does. */
const BATCH = 8;
/** Model-guided strategies run for this share of a space; the others are cheap and run to the end. */
const MODEL_SHARE = 0.25;
const CHEAP: readonly StrategyName[] = ['random', 'exhaustive', 'local'];

export interface Point {
  /** Evaluations so far. One that takes more than the usual sample pairs counts for as many as they would be. */
  readonly evaluations: number;
  readonly seconds: number;
  /** True cost of the variant that ranks first. */
  readonly cost: number;
}

export interface Band {
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

export interface StrategyResult {
  readonly strategy: StrategyName;
  /** Evaluations that find the truth: how good the search is by itself. */
  readonly withoutNoise: Figures;
  /** Evaluations with the noise of the stored samples: what a tuner on that machine would have met. */
  readonly withNoise: Figures;
}

export interface Figures {
  /** Evaluations and simulated seconds until the variant that ranks first is within 3 % and 1 % of the best; Infinity where fewer than half of the runs come there. Medians over the seeds. */
  readonly within3: Reached;
  readonly within1: Reached;
  /** How many times as many evaluations random search needs to come within 3 %; null where either does not come there. */
  readonly speedUp: number | null;
  /** True cost over the best's, as quartiles over the seeds, at shares of the space; null beyond the end of the runs. */
  readonly curve: readonly { readonly share: number; readonly relative: Band | null }[];
  /** The same at multiples of the mean time of an evaluation, `share` × space of them. */
  readonly timeCurve: readonly { readonly seconds: number; readonly relative: Band | null }[];
  /** Kernel Tuner's measure over simulated time: 0 is random search, 1 the best at once, negative is worse than random. */
  readonly score: number;
}

export interface Reached {
  readonly evaluations: number;
  /** Of the space. */
  readonly share: number;
  readonly seconds: number;
  /** Share of the runs that came there. */
  readonly runs: number;
}

export interface SpaceComparison {
  readonly journal: string;
  readonly problem: string;
  readonly deviceKey: string;
  readonly regime: string;
  readonly variants: number;
  /** Best over default, and how many variants are within 3 % and 1 % of the best. */
  readonly best: number;
  readonly near3: number;
  readonly near1: number;
  /** Median evaluations of random search that does not begin with the default: computed. Our strategies, random among them, all begin with it. */
  readonly blind: { readonly within3: number; readonly within1: number };
  readonly results: readonly StrategyResult[];
}

export interface ComparisonReport {
  readonly seeds: number;
  readonly spaces: readonly SpaceComparison[];
}

export interface CompareOptions {
  /** Paths of journals of exhaustive runs. */
  readonly journals: readonly string[];
  /** Default: all. Random search always takes part: it is the measure. */
  readonly strategies?: readonly StrategyName[];
  /** Runs of each strategy. Default 50. */
  readonly seeds?: number;
  /** The first seed. */
  readonly firstSeed?: number;
  readonly onProgress?: (text: string) => void;
}

/** Runs every strategy with every seed on every problem of the journals. Throws FileError for a journal that cannot be replayed. */
export async function compareStrategies(options: CompareOptions): Promise<ComparisonReport> {
  const { seeds = 50, firstSeed = 1 } = options;
  const wanted = options.strategies ?? STRATEGIES;
  const strategies = STRATEGIES.filter((name) => name === 'random' || wanted.includes(name));
  const spaces: SpaceComparison[] = [];
  for (const journal of options.journals) {
    for (const replay of loadReplays(journal)) {
      const runsOf = async (noise: Noise): Promise<Traces> => {
        const traces = new Map<StrategyName, (readonly Point[])[]>();
        for (const strategy of strategies) {
          const runs: (readonly Point[])[] = [];
          // Without noise the order of the axes is the same for every seed.
          const count = strategy === 'exhaustive' && noise === 'none' ? 1 : seeds;
          for (let seed = firstSeed; seed < firstSeed + count; seed++) {
            options.onProgress?.(`${replay.problem}, ${noise === 'none' ? 'without' : 'with'} noise: ${strategy}, seed ${seed - firstSeed + 1} of ${count}`);
            await new Promise((resolve) => setImmediate(resolve));
            runs.push(simulate(replay, strategy, seed, noise));
          }
          traces.set(strategy, runs);
        }
        return traces;
      };
      spaces.push(summarise(replay, journal, await runsOf('none'), await runsOf('stored')));
    }
  }
  return { seeds, spaces };
}

/** One run: what would be named the best after every evaluation. */
export function simulate(replay: ReplaySpace, strategy: StrategyName, seed: number, noise: Noise, share = CHEAP.includes(strategy) ? 1 : MODEL_SHARE): readonly Point[] {
  const { space } = replay;
  const search = createSearchIn(space, { strategy, seed: seedFrom(strategy, seed), prior: replay.prior });
  const device = createReplayDevice(replay, seed, noise);
  const most = share * replay.candidates.size;
  const points: Point[] = [];
  const taken = new Map<number, number>();
  let evaluations = 0;
  let seconds = 0;
  while (evaluations < most) {
    const proposals = search.propose(BATCH);
    if (proposals.length === 0) break;
    for (const { variant, samples } of proposals) {
      const point = space.pointOf(variant)!;
      const answer = device.evaluate(point, samples);
      evaluations += Math.max(1, (answer.samples - (taken.get(point) ?? 0)) / USUAL_SAMPLES);
      taken.set(point, answer.samples);
      seconds += answer.seconds;
      search.observe(variant, answer);
      const first = search.ranking()[0];
      const cost = first === undefined ? Number.POSITIVE_INFINITY : replay.candidates.get(space.pointOf(first.variant)!)!.truth!;
      points.push({ evaluations, seconds, cost });
    }
  }
  return points;
}

type Traces = ReadonlyMap<StrategyName, readonly (readonly Point[])[]>;

function summarise(replay: ReplaySpace, journal: string, withoutNoise: Traces, withNoise: Traces): SpaceComparison {
  const truths = [...replay.candidates.values()].flatMap(({ truth }) => truth ?? []).sort((a, b) => a - b);
  const near3 = truths.filter((cost) => cost <= 1.03 * replay.best).length;
  const near1 = truths.filter((cost) => cost <= 1.01 * replay.best).length;
  return {
    journal,
    problem: replay.problem,
    deviceKey: replay.deviceKey,
    regime: replay.regime,
    variants: replay.candidates.size,
    best: replay.best,
    near3,
    near1,
    blind: { within3: medianDraws(replay.candidates.size, near3), within1: medianDraws(replay.candidates.size, near1) },
    results: [...withNoise.keys()].map((strategy) => ({ strategy, withoutNoise: figures(strategy, withoutNoise, truths, replay), withNoise: figures(strategy, withNoise, truths, replay) })),
  };
}

function figures(strategy: StrategyName, traces: Traces, truths: readonly number[], replay: ReplaySpace): Figures {
  const runs = traces.get(strategy) ?? [];
  const within3 = reach(runs, replay, 1.03);
  const ratio = reach(traces.get('random') ?? [], replay, 1.03).evaluations / within3.evaluations;
  return {
    within3,
    within1: reach(runs, replay, 1.01),
    speedUp: Number.isFinite(ratio) ? ratio : null,
    curve: CURVE_SHARES.map((at) => ({ share: at, relative: bandAt(runs, ({ evaluations }) => evaluations, at * replay.candidates.size, replay.best) })),
    timeCurve: CURVE_SHARES.map((at) => {
      const seconds = at * replay.candidates.size * replay.meanSeconds;
      return { seconds, relative: bandAt(runs, (point) => point.seconds, seconds, replay.best) };
    }),
    score: score(runs, truths, replay),
  };
}

function reach(runs: readonly (readonly Point[])[], replay: ReplaySpace, factor: number): Reached {
  const hits = runs.map((run) => run.find(({ cost }) => cost <= factor * replay.best));
  const medianOf = (value: (point: Point) => number): number => {
    const values = hits.map((hit) => (hit === undefined ? Number.POSITIVE_INFINITY : value(hit))).sort((a, b) => a - b);
    const middle = values[Math.ceil(values.length / 2) - 1]!;
    const other = values[Math.floor(values.length / 2)]!;
    return Number.isFinite(other) ? (middle + other) / 2 : other;
  };
  const evaluations = medianOf((point) => point.evaluations);
  return { evaluations, share: evaluations / replay.candidates.size, seconds: medianOf((point) => point.seconds), runs: hits.filter((hit) => hit !== undefined).length / runs.length };
}

/** What a run would name the best when `limit` is reached; null before its first batch is back and beyond its end. */
function costAt(run: readonly Point[], of: (point: Point) => number, limit: number): number | null {
  const last = run.at(-1);
  if (last === undefined || of(last) < limit * 0.98) return null;
  return run.findLast((point) => of(point) <= limit)?.cost ?? null;
}

function bandAt(runs: readonly (readonly Point[])[], of: (point: Point) => number, limit: number, best: number): Band | null {
  const costs = runs.flatMap((run) => costAt(run, of, limit) ?? []).map((cost) => cost / best);
  if (costs.length < runs.length / 2) return null;
  return { low: quantile(costs, 0.25), median: quantile(costs, 0.5), high: quantile(costs, 0.75) };
}

/** Draws without replacement from `size` until, with even odds, one of `wanted` is among them. */
export function medianDraws(size: number, wanted: number): number {
  let none = 1; // the chance that none is
  for (let draws = 0; draws < size; draws++) {
    none *= Math.max(0, size - draws - wanted) / (size - draws);
    if (none <= 0.5) return draws + 1;
  }
  return size;
}

/** The least cost to expect of so many draws without replacement from sorted costs (any order statistic text: P(min is the i-th) by ratios of binomials). */
export function expectedBest(sorted: readonly number[], draws: number): number {
  const n = sorted.length;
  const k = Math.min(n, Math.max(1, draws));
  let chance = k / n; // that the least of all is drawn
  let sum = 0;
  for (let i = 0; i + k <= n; i++) {
    sum += chance * sorted[i]!;
    chance *= n - k - i === 0 ? 0 : (n - k - i) / (n - 1 - i);
  }
  return sum;
}

/**
 * Mean over simulated time of (random − strategy) / (random − best), up to the budget at which random search is expected to have come
 * `SCORE_COVERAGE` of the way from the median to the best. Random search is computed, not run. Source: Willemsen et al. (2024).
 */
function score(runs: readonly (readonly Point[])[], sorted: readonly number[], replay: ReplaySpace): number {
  const middle = quantile(sorted, 0.5);
  const goal = middle - SCORE_COVERAGE * (middle - replay.best);
  let budget = 1;
  while (budget < sorted.length && expectedBest(sorted, budget) > goal) budget++;
  let sum = 0;
  let steps = 0;
  for (let step = 1; step <= SCORE_STEPS; step++) {
    const draws = Math.max(1, Math.round((budget * step) / SCORE_STEPS));
    const baseline = expectedBest(sorted, draws);
    if (baseline - replay.best < 1e-9) continue;
    const seconds = draws * replay.meanSeconds;
    // Before the first batch is back a run has the default, or, if even that is not there, as good as random.
    const costs = runs.map((run) => run.findLast((point) => point.seconds <= seconds)?.cost ?? baseline);
    const mean = costs.reduce((total, cost) => total + cost, 0) / costs.length;
    sum += (baseline - mean) / (baseline - replay.best);
    steps++;
  }
  return steps === 0 ? 0 : sum / steps;
}

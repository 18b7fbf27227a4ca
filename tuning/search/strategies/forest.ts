import { candidatePoints } from '../candidates.js';
import { distance, nearTheDefault, startingDesign } from '../design.js';
import { USUAL_SAMPLES, type Choice, type Strategy } from '../ledger.js';
import { expectedImprovement } from '../model/improvement.js';
import { fitSurrogate, type Surrogate } from '../model/surrogate.js';
import type { StrategyContext } from '../index.js';

/** Points before the first model, and the share of them that is spread over the space instead of following the prior. */
const START = 8;
const START_SPREAD = 0.25;
/** Points before those: neighbours of the default. */
const NEAR = 12;
/** The best few are measured again until they rest on this many sample pairs: the fastest of many noisy costs is too good to be true. */
const SURE_SAMPLES = 3 * USUAL_SAMPLES;
const SURE = 3;
/** One choice in so many may be such a repetition, and one in so many is random, so that no model keeps a region out for ever. */
const REPEAT_EVERY = 5;
const RANDOM_EVERY = 12;
/** Points under way that a new one is kept apart from, the latest first. */
const APART = 48;
/** A model stands until the observations have grown by this share. */
const STALE = 0.04;

/**
 * A model of the cost learned while measuring: an ensemble of regression trees on log cost, whose spread is the uncertainty, and the
 * next points by expected improvement times the chance that they run at all. Points of one batch are kept apart.
 */
export function forest({ ledger, random, priorAt }: StrategyContext): Strategy {
  let model: Surrogate | null = null;
  let scored: { point: number; digits: Int32Array; gain: number }[] = [];
  let best = { saving: null as number | null };
  let fittedAt = 0;
  let turn = 0;
  const pending = new Map<number, Int32Array>();

  /** What was proposed and is not observed yet stays. */
  function settlePending(): void {
    for (const point of pending.keys()) if (ledger.observations.has(point)) pending.delete(point);
  }
  function refresh(): void {
    if (model !== null && ledger.version < fittedAt + Math.max(1, Math.floor(STALE * fittedAt))) return;
    fittedAt = ledger.version;
    model = fitSurrogate(ledger, priorAt, random);
    const { believedBest } = model;
    scored = candidatePoints(ledger, random).map((point) => {
      const { mean, spread, success } = model!.judge(point);
      return { point, digits: ledger.space.digitsAt(point), gain: expectedImprovement(mean, spread, believedBest) * success };
    });
    scored.sort((a, b) => b.gain - a.gain || a.point - b.point);
    best = { saving: scored[0]?.gain ?? 0 };
  }
  /** The new point with the most to gain, less where one that is under way is near. */
  function mostPromising(): number | undefined {
    let found: number | undefined;
    let most = -1;
    const others = [...pending.values()].slice(-APART);
    for (const { point, digits, gain } of scored) {
      if (gain <= most) break; // sorted, and nearness only takes away
      if (ledger.asked(point) > 0 || pending.has(point)) continue;
      let nearest = 1;
      for (const other of others) nearest = Math.min(nearest, distance(digits, other, ledger.space.axes) * digits.length * 0.4);
      if (gain * nearest > most) [most, found] = [gain * nearest, point];
    }
    return found;
  }
  function repetition(chosen: ReadonlySet<number>): Choice | undefined {
    const doubtful = ledger.ranked.slice(0, SURE).find(({ point, samples }) => samples < SURE_SAMPLES && ledger.asked(point) < SURE_SAMPLES && !chosen.has(point));
    return doubtful === undefined ? undefined : { point: doubtful.point, samples: SURE_SAMPLES };
  }

  return {
    next(n) {
      settlePending();
      const tried = ledger.observations.size + pending.size;
      if (tried < NEAR + START) {
        const near = nearTheDefault(ledger, priorAt, Math.min(n, NEAR + 1 - tried));
        const points = near.length > 0 ? near : startingDesign(ledger, priorAt, Math.min(n, NEAR + START - tried), START_SPREAD);
        for (const point of points) pending.set(point, ledger.space.digitsAt(point));
        if (points.length > 0) return points.map((point) => ({ point, samples: USUAL_SAMPLES }));
      }
      refresh();
      const choices: Choice[] = [];
      const chosen = new Set<number>();
      const random = ledger.walk.peek(n);
      while (choices.length < n) {
        turn++;
        // Whatever leads on few samples is doubted at once: everything else is judged against it.
        const doubted = choices.length === 0 && (ledger.ranked[0]?.samples ?? SURE_SAMPLES) < SURE_SAMPLES;
        let choice = doubted || turn % REPEAT_EVERY === 0 ? repetition(chosen) : undefined;
        if (choice === undefined) {
          const fresh = random.find((point) => !chosen.has(point));
          const point = turn % RANDOM_EVERY === 0 ? fresh : (mostPromising() ?? fresh);
          choice = point === undefined ? repetition(chosen) : { point, samples: USUAL_SAMPLES };
        }
        if (choice === undefined) break;
        chosen.add(choice.point);
        choices.push(choice);
        if (ledger.asked(choice.point) === 0) pending.set(choice.point, ledger.space.digitsAt(choice.point));
      }
      return choices;
    },
    expectedSaving: () => best.saving,
  };
}

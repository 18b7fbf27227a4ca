/**
 * An exhaustive journal as a simulated device: every variant that was measured answers again, with the samples that it had then, so that
 * strategies can be compared over many seeds without a machine and without its drift.
 */
import { parseKernelId, requireFamily } from '../../generator/ids.js';
import type { Dims, Family } from '../../generator/types.js';
import { FileError } from '../../runtime/errors.js';
import { existsSync } from 'node:fs';
import { readJournalFiles } from '../journal/files.js';
import type { JournalLine, LineOf } from '../journal/lines.js';
import { median, seededRandom, seedFrom, shuffled } from '../statistics.js';
import { analyticalPrior, type Prior } from './prior.js';
import { spaceOfVariants, type SearchSpace } from './space.js';

/** Fewer variants than this are not a space to compare strategies on. */
export const LEAST_VARIANTS = 50;

/** One earlier evaluation: candidate / default of each pair of samples, and what it took. */
export interface StoredEvaluation {
  readonly ratios: readonly number[];
  readonly evaluateMs: number;
}

export interface StoredCandidate {
  readonly point: number;
  /** Median of all ratios; null for a candidate that always failed. */
  readonly truth: number | null;
  readonly evaluations: readonly StoredEvaluation[];
  readonly compileMs: number;
  /** Time to find out that it fails. */
  readonly failureMs: number;
}

/** One problem on one device, measured in full. */
export interface ReplaySpace {
  readonly problem: string;
  readonly deviceKey: string;
  readonly regime: string;
  readonly space: SearchSpace;
  readonly prior: Prior;
  readonly candidates: ReadonlyMap<number, StoredCandidate>;
  /** The least truth. */
  readonly best: number;
  /** Mean seconds of one evaluation: what a random draw costs. */
  readonly meanSeconds: number;
}

/** The spaces of a journal, largest first. Throws FileError when it cannot be read or holds none. */
export function loadReplays(path: string, families?: readonly Family[]): readonly ReplaySpace[] {
  if (!existsSync(path)) throw new FileError(`cannot replay ${path}: there is no such file`, { remedy: 'name the journal.jsonl of a library that was tuned with --effort exhaustive' });
  const { lines, badLines, oldLines } = readJournalFiles([path]);
  const spaces = replaysOf(lines, families);
  if (spaces.length === 0) {
    throw new FileError(
      `cannot replay ${path}: no problem in it has ${LEAST_VARIANTS} measured variants and its default among them (${lines.length} lines, ${badLines} unreadable, ${oldLines} of another version)`,
      { remedy: 'griffin tune --effort exhaustive --library DIR, then replay DIR/journal.jsonl' },
    );
  }
  return spaces;
}

/** The spaces of a journal's lines, whatever their order. */
export function replaysOf(lines: readonly JournalLine[], families?: readonly Family[]): readonly ReplaySpace[] {
  const groups = new Map<string, LineOf<'outcome'>[]>();
  for (const line of lines) {
    // A time that was taken over from equal machine code was not measured, but it is what an evaluation would find.
    if (line.kind !== 'outcome') continue;
    const name = [line.problem, line.deviceKey, line.compiler, line.regime, line.kernelId.split('__').slice(0, 3).join('__')].join('\u0000');
    push(groups, name, line);
  }
  return [...groups.values()].flatMap((group) => replayOf(group, families) ?? []).sort((a, b) => b.candidates.size - a.candidates.size || (a.problem < b.problem ? -1 : 1));
}

function replayOf(lines: readonly LineOf<'outcome'>[], families?: readonly Family[]): ReplaySpace | null {
  const byId = new Map<string, LineOf<'outcome'>[]>();
  for (const line of lines) push(byId, line.kernelId, line);
  const first = lines[0]!;
  if (byId.size < LEAST_VARIANTS) return null;
  const family = requireFamily(first.problem.slice(0, first.problem.indexOf('[')), families);
  const variants = new Map([...byId.keys()].map((id) => [id, parseKernelId(id, [family])]));
  const { params, isa } = [...variants.values()][0]!;
  const form = { family: family.name, params, isa };
  const space = spaceOfVariants(form, family, [...variants.values()]);
  const candidates = new Map([...byId].map(([id, of]) => {
    const point = space.pointOf(variants.get(id)!)!;
    return [point, candidateOf(point, of)];
  }));
  const truths = [...candidates.values()].flatMap(({ truth }) => truth ?? []);
  if (candidates.get(space.defaultPoint)?.truth === undefined || truths.length === 0) return null;
  const seconds = [...candidates.values()].map((candidate) => (candidate.compileMs + (candidate.truth === null ? candidate.failureMs : median(candidate.evaluations.map(({ evaluateMs }) => evaluateMs)))) / 1000);
  return {
    problem: first.problem,
    deviceKey: first.deviceKey,
    regime: first.regime,
    space,
    prior: analyticalPrior({ form, family, dims: dimsOf(first.problem) }),
    candidates,
    best: Math.min(...truths),
    meanSeconds: seconds.reduce((sum, value) => sum + value, 0) / seconds.length,
  };
}

function push<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

function candidateOf(point: number, lines: readonly LineOf<'outcome'>[]): StoredCandidate {
  // Sorted, so that the order of a journal's lines means nothing.
  const sorted = [...lines].sort((a, b) => (a.at + a.run < b.at + b.run ? -1 : 1));
  const evaluations = sorted.flatMap(({ samplesNs, referenceNs, evaluateMs }) =>
    samplesNs === undefined || referenceNs === undefined ? [] : [{ ratios: samplesNs.map((ns, i) => ns / referenceNs[i]!), evaluateMs: evaluateMs ?? 0 }],
  );
  return {
    point,
    truth: evaluations.length === 0 ? null : median(evaluations.flatMap(({ ratios }) => ratios)),
    evaluations,
    compileMs: Math.max(0, ...sorted.map(({ compileMs }) => compileMs ?? 0)),
    failureMs: Math.max(0, ...sorted.map(({ evaluateMs }) => evaluateMs ?? 0)),
  };
}

/** The sizes in a problem key: `family[params](name=1,other=2)`. */
function dimsOf(problem: string): Dims {
  const list = problem.slice(problem.indexOf('(') + 1, problem.lastIndexOf(')'));
  return Object.fromEntries(list.split(',').filter((pair) => pair !== '').map((pair) => [pair.slice(0, pair.indexOf('=')), Number(pair.slice(pair.indexOf('=') + 1))]));
}

/** `stored`: an evaluation meets the noise of the stored samples. `none`: it finds the truth at once. */
export type Noise = 'stored' | 'none';

export interface Answer {
  readonly cost: number | null;
  readonly samples: number;
  /** Simulated time that this took. */
  readonly seconds: number;
}

export interface ReplayDevice {
  /** Takes further pairs of samples until there are `samples` of this candidate, or as many as are stored; the first time it is compiled too. */
  evaluate(point: number, samples: number): Answer;
}

/**
 * Draws by seed: the stored evaluations of a candidate in a random order, and the pairs of each in a random order. So an ordinary
 * evaluation meets the noise of one earlier evaluation, whose samples were disturbed together, and more samples reach into others.
 */
export function createReplayDevice(replay: ReplaySpace, seed: number, noise: Noise = 'stored'): ReplayDevice {
  const drawn = new Map<number, { readonly ratios: readonly { readonly ratio: number; readonly ms: number }[]; taken: number }>();
  return {
    evaluate(point, samples) {
      const candidate = replay.candidates.get(point);
      if (candidate === undefined) throw new RangeError(`point ${point} is not in the replayed space of ${replay.problem}`);
      const isFirst = !drawn.has(point);
      const compileMs = isFirst ? candidate.compileMs : 0;
      const random = seededRandom(seedFrom(String(point), seed));
      const state = drawn.get(point) ?? {
        ratios: shuffled(candidate.evaluations, random).flatMap(({ ratios, evaluateMs }) => shuffled(ratios, random).map((ratio) => ({ ratio, ms: evaluateMs / ratios.length }))),
        taken: 0,
      };
      drawn.set(point, state);
      if (candidate.truth === null) return { cost: null, samples: 0, seconds: (compileMs + candidate.failureMs) / 1000 };
      const upTo = Math.min(state.ratios.length, Math.max(state.taken, samples));
      const ms = state.ratios.slice(state.taken, upTo).reduce((sum, sample) => sum + sample.ms, 0);
      state.taken = upTo;
      if (noise === 'none') return { cost: candidate.truth, samples: upTo, seconds: (compileMs + ms) / 1000 };
      return { cost: median(state.ratios.slice(0, upTo).map(({ ratio }) => ratio)), samples: upTo, seconds: (compileMs + ms) / 1000 };
    },
  };
}

import { Bench } from 'tinybench';
import { AbortedError } from '../errors.js';

/** Statistics of one measured thing, in milliseconds. */
export interface Spread {
  readonly median: number;
  /** Median absolute deviation. */
  readonly mad: number;
  readonly min: number;
  readonly max: number;
  readonly samples: number;
}

export interface Measurement {
  readonly name: string;
  readonly ms: Spread;
  /** One sample per round, in the order of the rounds: sample i of every measurement comes from the same round. */
  readonly byRound: readonly number[];
}

export interface RoundTask {
  readonly name: string;
  /** Not measured: puts the device into the state in which `run` starts. */
  readonly prepare?: () => void | Promise<void>;
  /** Measured. */
  readonly run: () => Promise<unknown>;
}

export interface RoundOptions {
  readonly rounds: number;
  /** Rounds before the first measured one. Default 1. */
  readonly warmup?: number;
  /** The clock, in milliseconds; the device's own where there is one. */
  readonly nowMs: () => number;
  readonly signal?: AbortSignal | undefined;
  /** Called after every round, warm-up included. */
  readonly onRound?: (done: number, total: number) => void;
}

/**
 * Measures every task once per round, in turn, so that a drifting machine (another tenant, a falling clock) changes all of them alike
 * and ratios stay fair. tinybench runs the repetitions and owns the statistics: its tasks run "concurrently", and a turnstile in their
 * hooks lets exactly one pass at a time, outside the measured interval.
 */
export async function measureInterleaved(tasks: readonly RoundTask[], options: RoundOptions): Promise<Measurement[]> {
  const warmup = options.warmup ?? 1;
  const turnstile = createTurnstile(tasks.length);
  const samples = tasks.map((): number[] => []);
  let failure: unknown;
  let passes = 0;
  const bench = new Bench({
    concurrency: 'bench',
    iterations: options.rounds,
    time: 0,
    warmup: warmup > 0,
    warmupIterations: warmup,
    warmupTime: 0,
    now: options.nowMs,
    throws: false,
    retainSamples: false,
  });
  tasks.forEach((task, index) => {
    let started = 0;
    let measured = false;
    bench.add(
      task.name,
      async () => {
        if (failure !== undefined) return;
        try {
          started = options.nowMs();
          await task.run();
          if (measured) samples[index]?.push(options.nowMs() - started);
        } catch (error) {
          failure ??= error;
        }
      },
      {
        async: true,
        beforeEach: async (mode) => {
          await turnstile.enter(index);
          if (options.signal?.aborted === true) failure ??= new AbortedError('the benchmark was stopped');
          if (failure !== undefined) return;
          measured = mode === 'run';
          try {
            await task.prepare?.();
          } catch (error) {
            failure ??= error;
          }
        },
        afterEach: () => {
          turnstile.leave();
          passes += 1;
          if (failure === undefined && passes % tasks.length === 0) options.onRound?.(passes / tasks.length, warmup + options.rounds);
        },
      },
    );
  });
  await bench.run();
  if (failure !== undefined) throw failure instanceof Error ? failure : new Error('a benchmark task failed', { cause: failure });
  return bench.tasks.map((task, index) => {
    const result = task.result;
    if (result.state !== 'completed') {
      throw new Error(`benchmark task '${task.name}' ended as '${result.state}'`, result.state === 'errored' ? { cause: result.error } : undefined);
    }
    const { p50, mad, min, max, samplesCount } = result.latency;
    return { name: task.name, ms: { median: p50, mad, min, max, samples: samplesCount }, byRound: samples[index] ?? [] };
  });
}

/** Lets callers 0 … count−1 pass one at a time, in that order, over and over. */
function createTurnstile(count: number): { enter(index: number): Promise<void>; leave(): void } {
  let turn = 0;
  const waiting = new Map<number, () => void>();
  return {
    enter(index) {
      if (index === turn) return Promise.resolve();
      return new Promise((resolve) => waiting.set(index, resolve));
    },
    leave() {
      turn = (turn + 1) % count;
      const next = waiting.get(turn);
      waiting.delete(turn);
      next?.();
    },
  };
}

/** Median of numbers; NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) return Number.NaN;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A ratio with its spread over the rounds (median and median absolute deviation). */
export interface Ratio {
  readonly median: number;
  readonly mad: number;
}

/** numerator ÷ denominator, round by round, so that drift cancels. */
export function pairedRatio(numerator: readonly number[], denominator: readonly number[]): Ratio {
  const ratios = numerator.map((value, round) => value / (denominator[round] ?? Number.NaN)).filter((ratio) => Number.isFinite(ratio));
  const middle = median(ratios);
  return { median: middle, mad: median(ratios.map((ratio) => Math.abs(ratio - middle))) };
}

/**
 * Timing as a model runs: recorded plans of several launches, each launch on the next buffer set of a rotation larger than the
 * last-level cache. Samples of kernels that are compared are taken in turn, so that drift of the machine hits all alike.
 */
import type { Device, Kernel, Plan } from '../runtime/device/types.js';
import { takeCalm, type Gauge } from './calm.js';
import type { Workload } from './inputs.js';
import { stepArgs } from './launch-args.js';

/** The rotation is this many times the last-level cache. */
export const COLD_FACTOR = 2.5;
/** A sample lasts about this long: enough to drown the start of a plan, short enough for many samples. */
export const SAMPLE_NS = 2_000_000;
/** A candidate is hopeless when its first samples are this many times the best. */
export const HOPELESS = 1.3;
/** Calm pairs after which a candidate may be called hopeless. */
const FIRST_PAIRS = 2;

/** Position in the rotation, shared by all kernels of a workload: no kernel finds what another has just read. */
export interface Rotation {
  readonly chunks: number;
  readonly launchesPerSample: number;
  next(): number;
}

/** `most` launches per sample; more than there are sets go round several times. */
export function createRotation(sets: number, launchesPerSample: number, most = sets): Rotation {
  const launches = Math.max(1, Math.min(most, launchesPerSample));
  const chunks = Math.ceil(sets / launches);
  let at = 0;
  return {
    chunks,
    launchesPerSample: launches,
    next() {
      const chunk = at;
      at = (at + 1) % chunks;
      return chunk;
    },
  };
}

/** A replayed plan is so many times as long as a sample of the search, or goes round all sets if that is shorter. */
const REPLAY_FACTOR = 8;

/**
 * For replayed finals: a sample replays one recording over all sets, as a model replays its step. Where sets are so many that this would take
 * long (small caches, large sums), a part of them, and the next sample the next part.
 */
export function replayRotation(sets: number, { launchesPerSample }: Rotation): Rotation {
  return createRotation(sets, Math.min(sets, REPLAY_FACTOR * launchesPerSample));
}

/**
 * Launches that make a sample of about `SAMPLE_NS`, at most `most`: a multiple of `period`, the number of kinds of index lists that
 * alternate from set to set, so that no kernel is timed on one kind and the next on another.
 */
export function launchesFor(launchNs: number, most: number, period = 1): number {
  const launches = Math.max(1, Math.min(most, Math.round(SAMPLE_NS / Math.max(1, launchNs))));
  return Math.max(period, launches - (launches % period));
}

export interface Timer extends Disposable {
  readonly kernel: Kernel;
  /** Nanoseconds per launch over the next chunk of the rotation. */
  sample(): Promise<number>;
  dispose(): void;
}

/** Records a plan per chunk, when the chunk first comes up. */
export function createTimer(device: Device, kernel: Kernel, workload: Workload, rotation: Rotation): Timer {
  const plans = new Map<number, Plan>();
  function planFor(chunk: number): Plan {
    let plan = plans.get(chunk);
    if (plan === undefined) {
      const recorder = device.record(`measure ${kernel.id}`);
      for (let i = 0; i < rotation.launchesPerSample; i++) {
        const set = (chunk * rotation.launchesPerSample + i) % workload.sets;
        recorder.step(kernel, stepArgs(workload.family, workload.problem, workload.buffers(set)));
      }
      plan = recorder.finish();
      plans.set(chunk, plan);
    }
    return plan;
  }
  const timer: Timer = {
    kernel,
    async sample() {
      const { elapsedNs } = await planFor(rotation.next()).run();
      return elapsedNs / rotation.launchesPerSample;
    },
    dispose() {
      for (const plan of plans.values()) plan.dispose();
      plans.clear();
    },
    [Symbol.dispose]() {
      timer.dispose();
    },
  };
  return timer;
}

/** Time of one launch, from a short plan over a few sets: how long samples must be. */
export async function probeLaunchNs(device: Device, kernel: Kernel, workload: Workload): Promise<number> {
  using timer = createTimer(device, kernel, workload, createRotation(workload.sets, 3));
  await timer.sample();
  return timer.sample();
}

export interface Comparison {
  readonly samplesNs: readonly number[];
  /** The default variant's samples, taken in turn with the candidate's. */
  readonly referenceNs: readonly number[];
  /** Measuring was stopped early. */
  readonly hopeless: boolean;
  /** Pairs that were thrown away and taken again. */
  readonly retaken: number;
  /** Disturbed pairs are among them. */
  readonly dirty: boolean;
}

/** What tells whether the machine was calm. */
export interface Control {
  /** Null: the default variant's own samples tell. */
  readonly timer: Timer | null;
  readonly gauge: Gauge;
}

export interface ComparisonOptions {
  /** Pairs wanted. */
  readonly samples: number;
  /** Best median of candidate / default so far: a candidate beyond `HOPELESS` times it after the first pairs is given up. */
  readonly bestRatio: number | null;
}

/** A candidate against the default variant, pair by pair, with the control after each pair. Disturbed pairs are taken again. */
export async function compareWithDefault(candidate: Timer, standard: Timer, control: Control, { samples, bestRatio }: ComparisonOptions): Promise<Comparison> {
  // Warm-up of all that is timed: compiling and verifying have left caches, pages and clocks in a state of their own.
  await standard.sample();
  await candidate.sample();
  const series = await takeCalm<{ readonly sampleNs: number; readonly referenceNs: number }>(samples, {
    ...(await startGauge(control)),
    async take() {
      const referenceNs = await standard.sample();
      const sampleNs = await candidate.sample();
      return { item: { sampleNs, referenceNs }, gaugeNs: (await control.timer?.sample()) ?? referenceNs };
    },
    stop: (calm) => calm.length === FIRST_PAIRS && bestRatio !== null && calm.every(({ sampleNs, referenceNs }) => sampleNs / referenceNs > HOPELESS * bestRatio),
  });
  return {
    samplesNs: series.kept.map(({ sampleNs }) => sampleNs),
    referenceNs: series.kept.map(({ referenceNs }) => referenceNs),
    hopeless: series.stopped,
    retaken: series.retaken,
    dirty: series.dirty,
  };
}

/** Warms the control up and takes its first sample; the default variant needs neither. */
async function startGauge({ timer, gauge }: Control): Promise<{ readonly gauge: Gauge; readonly before?: number }> {
  if (timer === null) return { gauge };
  await timer.sample();
  return { gauge, before: await timer.sample() };
}

export function ratios(samplesNs: readonly number[], referenceNs: readonly number[]): number[] {
  return samplesNs.map((sample, i) => sample / (referenceNs[i] ?? Number.NaN));
}

export interface InterleavedSamples {
  /** Per timer, one sample per round. */
  readonly samplesNs: readonly (readonly number[])[];
  /** One per round; empty where there is no control. */
  readonly controlNs: readonly number[];
  readonly retaken: number;
  readonly dirty: boolean;
}

/**
 * Rounds over all timers (the default variant first) and the control, in alternating direction, so that no kernel always follows the same
 * one. Disturbed rounds are run again.
 */
export async function interleave(timers: readonly Timer[], control: Control, rounds: number, onTimer?: (index: number) => void): Promise<InterleavedSamples> {
  for (const [i, timer] of timers.entries()) {
    onTimer?.(i);
    await timer.sample();
  }
  const { kept, retaken, dirty } = await takeCalm<{ readonly samples: readonly number[]; readonly controlNs: number | null }>(rounds, {
    ...(await startGauge(control)),
    async take(round) {
      const samples: number[] = [];
      for (let j = 0; j < timers.length; j++) {
        const i = round % 2 === 0 ? j : timers.length - 1 - j;
        onTimer?.(i);
        samples[i] = await (timers[i] as Timer).sample();
      }
      const controlNs = (await control.timer?.sample()) ?? null;
      return { item: { samples, controlNs }, gaugeNs: controlNs ?? samples[0] ?? 0 };
    },
  });
  return {
    samplesNs: timers.map((_, i) => kept.map(({ samples }) => samples[i] ?? Number.NaN)),
    controlNs: kept.flatMap(({ controlNs }) => (controlNs === null ? [] : [controlNs])),
    retaken,
    dirty,
  };
}

/**
 * Timing as a model runs: recorded plans of several launches, each launch on the next buffer set of a rotation larger than the
 * last-level cache. Samples of kernels that are compared are taken in turn, so that drift of the machine hits all alike.
 */
import type { Device, Kernel, Plan } from '../runtime/device/types.js';
import type { Workload } from './inputs.js';
import { stepArgs } from './launch-args.js';
import { median } from './statistics.js';

/** The rotation is this many times the last-level cache. */
export const COLD_FACTOR = 2.5;
/** A sample lasts about this long: enough to drown the start of a plan, short enough for many samples. */
export const SAMPLE_NS = 2_000_000;
/** A candidate is hopeless when its first samples are this many times the best. */
export const HOPELESS = 1.3;
const FIRST_SAMPLES = 2;
const SAMPLES = 7;

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

/** Launches that make a sample of about `SAMPLE_NS`, at most `most`. */
export function launchesFor(launchNs: number, most: number): number {
  return Math.max(1, Math.min(most, Math.round(SAMPLE_NS / Math.max(1, launchNs))));
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
}

/**
 * A candidate against the default variant. `bestRatio` is the best median of candidate / default so far: a candidate beyond
 * `HOPELESS` times it after the first samples is given up.
 */
export async function compareWithDefault(candidate: Timer, standard: Timer, bestRatio: number | null): Promise<Comparison> {
  const samplesNs: number[] = [];
  const referenceNs: number[] = [];
  await candidate.sample(); // warm-up: page faults, instruction cache, clock
  for (let i = 0; i < SAMPLES; i++) {
    referenceNs.push(await standard.sample());
    samplesNs.push(await candidate.sample());
    if (i + 1 === FIRST_SAMPLES && bestRatio !== null && Math.min(...ratios(samplesNs, referenceNs)) > HOPELESS * bestRatio) {
      return { samplesNs, referenceNs, hopeless: true };
    }
  }
  return { samplesNs, referenceNs, hopeless: false };
}

export function ratios(samplesNs: readonly number[], referenceNs: readonly number[]): number[] {
  return samplesNs.map((sample, i) => sample / (referenceNs[i] ?? Number.NaN));
}

export interface InterleavedSamples {
  /** Per timer, one sample per round. */
  readonly samplesNs: readonly (readonly number[])[];
  readonly controlNs: readonly number[];
}

/** Rounds over all timers and the control, in alternating direction, so that no kernel always follows the same one. */
export async function interleave(timers: readonly Timer[], control: Timer | null, rounds: number, onTimer?: (index: number) => void): Promise<InterleavedSamples> {
  const samplesNs: number[][] = timers.map(() => []);
  const controlNs: number[] = [];
  for (const [i, timer] of timers.entries()) {
    onTimer?.(i);
    await timer.sample();
  }
  await control?.sample();
  for (let round = 0; round < rounds; round++) {
    const order = timers.map((_, i) => (round % 2 === 0 ? i : timers.length - 1 - i));
    for (const i of order) {
      onTimer?.(i);
      samplesNs[i]?.push(await (timers[i] as Timer).sample());
    }
    if (control !== null) controlNs.push(await control.sample());
  }
  return { samplesNs, controlNs };
}

/** Slower than this many times its median, the control says that the machine was disturbed. */
export const DISTURBED = 1.25;
const MIN_CALM_ROUNDS = 5;

/** Rounds whose control sample is not out of line; all of them when too few would be left to decide on. */
export function calmRounds(samples: InterleavedSamples): InterleavedSamples {
  const limit = median(samples.controlNs) * DISTURBED;
  const calm = samples.controlNs.flatMap((ns, round) => (ns <= limit ? [round] : []));
  if (samples.controlNs.length === 0 || calm.length < MIN_CALM_ROUNDS) return samples;
  const pick = (values: readonly number[]): number[] => calm.map((round) => values[round] ?? Number.NaN);
  return { samplesNs: samples.samplesNs.map(pick), controlNs: pick(samples.controlNs) };
}

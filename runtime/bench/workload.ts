/**
 * A model in the middle of a generation, held still: the prompt is in the KV cache, and any number of decode steps can be replayed from
 * the same position, with the full model or with any density, as often as a benchmark likes. Runs on the same engine as generation.
 */
import { SETTINGS, SETTINGS_SLOTS, STATE, STATE_SLOTS } from '../model/buffers.js';
import type { DecodePath, Engine } from '../model/engine.js';
import type { Strategy } from './result.js';
import { keptNeurons } from './traffic.js';

export interface WorkloadOptions {
  readonly promptIds: readonly number[];
  readonly newTokens: number;
  /** Prompt tokens per prefill step, 1 to 256. */
  readonly prefillChunk: number;
}

export type ProfileEntry = Awaited<ReturnType<Engine['profileDecode']>>[number];

export interface DecodeTask {
  readonly density: number;
  readonly strategy: Strategy | 'dense';
  readonly keptNeurons: number;
  /** Puts the position back to the end of the prompt; selects (and packs) the experts. */
  reset(): Promise<void>;
  /** Generates `newTokens` tokens, one replay and one call each. */
  run(): Promise<void>;
  /** A clock around every step of one token. */
  profile(): Promise<readonly ProfileEntry[]>;
}

export interface Workload {
  readonly chunkRows: number;
  /** Runs the prompt through the full model with the statistic: fills the cache and the scores. */
  prefill(): Promise<void>;
  /** One full chunk, `runs` times with a clock around every step. Leaves foreign statistics in the scores: `prefill` again before decoding. */
  profileChunk(runs: number): Promise<readonly (readonly ProfileEntry[])[]>;
  /** One selection over all layers. */
  select(density: number): Promise<void>;
  decode(density: number, strategy: Strategy | 'dense'): DecodeTask;
}

export function createWorkload(engine: Engine, options: WorkloadOptions): Workload {
  const { config } = engine.weights;
  const prompt = Int32Array.from(options.promptIds);
  const chunkRows = Math.min(options.prefillChunk, prompt.length);
  engine.prepare(prompt.length + options.newTokens + 1, chunkRows);
  const setState = (values: Partial<Record<keyof typeof STATE, number>>): void => {
    const state = new Int32Array(STATE_SLOTS);
    for (const [name, value] of Object.entries(values)) state[STATE[name as keyof typeof STATE]] = value;
    engine.shared.state.write(state);
  };
  // Greedy, without penalties: every sampling setting in its neutral state.
  const settings = new Float32Array(SETTINGS_SLOTS);
  settings[SETTINGS.topP] = 1;
  settings[SETTINGS.repetitionPenalty] = 1;
  engine.shared.settings.write(settings);

  return {
    chunkRows,
    async prefill() {
      engine.shared.scores.fill(0);
      for (let start = 0; start < prompt.length; start += chunkRows) {
        await engine.prefill(prompt.slice(start, start + chunkRows), start, { statistic: true });
      }
      await engine.tail();
    },
    async profileChunk(runs) {
      await engine.prefill(prompt.slice(0, chunkRows), 0, { statistic: true });
      const profiles: (readonly ProfileEntry[])[] = [];
      for (let run = 0; run < runs; run++) {
        setState({ position: 0, rows: chunkRows, lastRow: chunkRows - 1 });
        profiles.push(await engine.profilePrefill({ statistic: true }));
      }
      return profiles;
    },
    select: (density) => engine.select(keptNeurons(config.intermediateSize, density)),
    decode(density, strategy) {
      const k = keptNeurons(config.intermediateSize, density);
      const path: DecodePath = strategy === 'dense' ? { kind: 'dense' } : { kind: strategy, k };
      return {
        density,
        strategy,
        keptNeurons: k,
        async reset() {
          if (strategy !== 'dense') await engine.select(k);
          if (strategy === 'compact') await engine.compact(k);
          setState({ token: prompt[prompt.length - 1] ?? 0, position: prompt.length, k });
        },
        async run() {
          for (let token = 0; token < options.newTokens; token++) await engine.decode(path);
        },
        profile: () => engine.profileDecode(path),
      };
    },
  };
}

/** Seeded token ids, uniform over the vocabulary. */
export function randomTokenIds(count: number, vocab: number, seed: number): number[] {
  // A multiplicative congruential generator (Park and Miller, minimal standard): enough for token ids.
  let state = (seed % 2147483646) + 1;
  return Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return Math.floor((state / 2147483647) * vocab);
  });
}

export interface OperationTime {
  readonly kernel: string;
  readonly calls: number;
  readonly ns: number;
}

/** Sums profile entries by operation: the label without its layer. */
export function byOperation(profile: readonly ProfileEntry[]): Map<string, OperationTime> {
  const sums = new Map<string, OperationTime>();
  for (const { label, kernel, elapsedNs } of profile) {
    const operation = label.replace(/^layers\.\d+ /, '');
    const before = sums.get(operation);
    sums.set(operation, { kernel, calls: (before?.calls ?? 0) + 1, ns: (before?.ns ?? 0) + elapsedNs });
  }
  return sums;
}

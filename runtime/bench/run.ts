/** The whole benchmark: what `griffin bench` calls, for library users as well. */
import { basename } from 'node:path';
import type { ModelConfig } from '../checkpoint/types.js';
import { weightBytes } from '../checkpoint/sizes.js';
import type { Device } from '../device/types.js';
import { UsageError } from '../errors.js';
import type { KernelLibrary } from '../library/library.js';
import type { Model } from '../model/model.js';
import { benchFfKernels } from './ff-kernels.js';
import { lastLevelCacheBytes } from './machine.js';
import type { BenchResult, KernelOrigin, Strategy } from './result.js';
import { measureRoofs } from './roofs.js';
import { benchTokens } from './token-bench.js';
import { randomTokenIds } from './workload.js';

export interface BenchOptions {
  /** Shares of the neurons to keep; 1 is the full model. Default [1, 0.5]. */
  readonly densities?: readonly number[];
  /** Prompt tokens, drawn at random with a fixed seed. Default 128. */
  readonly promptTokens?: number;
  /** The prompt itself, instead of random tokens. */
  readonly promptIds?: readonly number[] | undefined;
  /** Tokens of every measured generation. Default 16. */
  readonly newTokens?: number;
  /** Measured rounds; every round runs every density once. Default 7. */
  readonly rounds?: number;
  /** Measured prefills. Default 3. */
  readonly prefillRounds?: number;
  /** Prompt tokens per prefill step, 1 to 256. Default 256. */
  readonly prefillChunk?: number;
  /** Ways of reading the kept neurons that are measured. Default both. */
  readonly strategies?: readonly Strategy[];
  /** Bytes of the buffer that the read roof goes through. Default: 8 × the last-level cache, at least 512 MiB. */
  readonly roofBytes?: number | undefined;
  /** For the kernels alone, bytes between two uses of a weight. Default: 4 × the last-level cache, at least 256 MiB. */
  readonly coldBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((text: string) => void) | undefined;
}

export const BENCH_DEFAULTS = { densities: [1, 0.5], promptTokens: 128, newTokens: 16, rounds: 7, prefillRounds: 3, prefillChunk: 256, strategies: ['gather', 'compact'] } as const;

/** What is measured, where, and under which name. */
export interface BenchSubject {
  readonly modelName: string;
  readonly kind: 'checkpoint' | 'random';
  readonly device: Device;
  readonly library: KernelLibrary;
}

/** Checks the options against the model before anything is loaded. Throws a UsageError. */
export function resolveBenchOptions(config: ModelConfig, options: BenchOptions) {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as BenchOptions;
  const merged = { ...BENCH_DEFAULTS, ...given };
  const promptTokens = options.promptIds?.length ?? merged.promptTokens;
  for (const density of merged.densities) {
    if (!(density >= 0 && density <= 1)) throw new UsageError(`density ${density} is not a share; expected a number from 0 to 1`);
  }
  if (merged.densities.length === 0) throw new UsageError('no density to measure; expected at least one, e.g. 1,0.5');
  if (new Set(merged.densities).size !== merged.densities.length) throw new UsageError(`a density appears twice in ${merged.densities.join(',')}`);
  for (const name of ['promptTokens', 'newTokens', 'rounds', 'prefillRounds'] as const) {
    if (!Number.isInteger(merged[name]) || merged[name] < 1) throw new UsageError(`${name} is ${merged[name]}; expected an integer of at least 1`);
  }
  // One position more than the measured tokens: a profile runs one step past them.
  const positions = promptTokens + merged.newTokens + 1;
  if (positions > config.maxPositions) {
    throw new UsageError(`${promptTokens} prompt tokens + ${merged.newTokens} new tokens (+ 1 for the profile) exceed the model's ${config.maxPositions} positions`);
  }
  return merged;
}

/** Dense against GRIFFIN in one run, prefill, roofs and profiles, on the model's own engine. Throws UsageError, or AbortedError when stopped. */
export async function benchModel(model: Model, kind: BenchSubject['kind'], options: BenchOptions = {}): Promise<BenchResult> {
  const { engine, library, config } = model;
  const { device } = engine;
  const subject: BenchSubject = { modelName: modelLabel(model.name), kind, device, library };
  const settings = resolveBenchOptions(config, options);
  const promptIds = options.promptIds ?? randomTokenIds(settings.promptTokens, config.vocabSize, 1);
  const result = await benchTokens(engine, { ...settings, promptIds });
  return {
    ...describe(subject, config),
    settings: { promptTokens: promptIds.length, newTokens: settings.newTokens, rounds: settings.rounds, meanContext: result.meanContext },
    roofs: { read: result.read, fma: result.fma },
    prefill: result.prefill,
    sensors: result.sensors,
    peers: [],
    decode: result.decode,
    profiles: result.profiles,
    ffKernels: [],
    kernels: kernelOrigins(library),
    notes: notes(device, config),
  };
}

/** The gathered feed-forward kernels alone, at the config's layer shape. Throws AbortedError when stopped. */
export async function benchKernels(subject: BenchSubject, config: ModelConfig, options: BenchOptions = {}): Promise<BenchResult> {
  const { device, library } = subject;
  const density = options.densities?.find((value) => value > 0 && value < 1) ?? 0.5;
  const settings = resolveBenchOptions(config, { ...options, densities: [density] });
  const { read, results } = await benchFfKernels(device, config, library, { ...settings, density });
  const { fma } = await measureRoofs(device, library, settings);
  return {
    ...describe(subject, config),
    name: `${subject.modelName} feed-forward kernels on ${device.identity.kind}`,
    settings: { promptTokens: 0, newTokens: 0, rounds: settings.rounds, meanContext: 0 },
    roofs: { read, fma },
    prefill: null,
    sensors: null,
    peers: [],
    decode: [],
    profiles: [],
    ffKernels: results,
    kernels: kernelOrigins(library),
    notes: [],
  };
}

function describe({ modelName, kind, device, library }: BenchSubject, config: ModelConfig) {
  const { identity } = device;
  return {
    schema: 1 as const,
    name: `${modelName} on ${identity.kind}`,
    date: new Date().toISOString(),
    model: {
      name: modelName,
      weights: kind,
      layers: config.layers,
      hidden: config.hiddenSize,
      intermediate: config.intermediateSize,
      heads: config.heads,
      kvHeads: config.kvHeads,
      headDim: config.headDim,
      vocab: config.vocabSize,
      dtype: config.dtype,
      weightBytes: weightBytes(config).total,
    },
    device: {
      kind: identity.kind,
      name: identity.name,
      key: identity.key,
      isa: device.isa,
      threads: device.threads,
      cacheBytes: lastLevelCacheBytes(identity),
      gpu: identity.gpu ?? null,
    },
    library: library.winners > 0 ? library.directory : null,
  };
}

/** A checkpoint is named by its folder. */
function modelLabel(name: string): string {
  return basename(name) || name;
}

function kernelOrigins(library: KernelLibrary): KernelOrigin[] {
  return library.resolutions().map(({ problem, id, how, detail }) => ({
    use: `${problem.family}(${Object.entries(problem.dims).map(([name, value]) => `${name}=${value}`).join(', ')})`,
    kernel: id,
    origin: how === 'default' ? how : `${how}: ${detail}`,
  }));
}

function notes(device: Device, config: ModelConfig): string[] {
  const list = [...(device.identity.kind === 'emulated' ? ['An emulated device: the times say nothing about any GPU.'] : []), 'The KV cache is f32, so its bytes per token are twice those of a 16-bit cache.'];
  const bytes = weightBytes(config).perToken;
  const cache = lastLevelCacheBytes(device.identity);
  if (bytes < 2 * cache) {
    list.unshift(
      `The weights that a token reads (${(bytes / 1e6).toFixed(1)} MB) fit into or hardly exceed the last-level cache (${(cache / 1e6).toFixed(1)} MB): ` +
        'they are not read from memory each token, so shares of the read roof can exceed 100 % and the ideal speed-up, which counts bytes from memory, does not apply.',
    );
  }
  return list;
}

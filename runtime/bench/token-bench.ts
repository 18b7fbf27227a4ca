/** Whole tokens: decode with the full model and with GRIFFIN in the same rounds, prefill, and where the time goes. */
import type { ModelConfig } from '../checkpoint/types.js';
import type { Device, GpuSensors } from '../device/types.js';
import type { Engine } from '../model/engine.js';
import type { DecodeProfile, DecodeResult, PrefillResult, PrefillStep, RoofResult, StepProfile, Strategy } from './result.js';
import { fmaRoofTask, readRoofTask, roofResult, type Roof } from './roofs.js';
import { measureInterleaved, median, pairedRatio, type Measurement } from './rounds.js';
import { idealSpeedup, keptNeurons, operationBytes, prefillFlops, prefillOperationFlops, tokenTraffic } from './traffic.js';
import { byOperation, createWorkload, type DecodeTask, type OperationTime, type Workload } from './workload.js';

export interface TokenBenchOptions {
  readonly densities: readonly number[];
  readonly strategies: readonly Strategy[];
  readonly promptIds: readonly number[];
  readonly newTokens: number;
  readonly rounds: number;
  readonly prefillRounds: number;
  readonly prefillChunk: number;
  readonly roofBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((text: string) => void) | undefined;
}

export interface TokenBenchResult {
  readonly read: RoofResult;
  readonly fma: RoofResult;
  readonly prefill: PrefillResult;
  readonly decode: readonly DecodeResult[];
  readonly profiles: readonly DecodeProfile[];
  /** Mean number of tokens that a measured decode step attends to. */
  readonly meanContext: number;
  readonly sensors: GpuSensors | null;
}

export async function benchTokens(engine: Engine, options: TokenBenchOptions): Promise<TokenBenchResult> {
  const { device, kernels } = engine;
  const { config } = engine.weights;
  const meanContext = options.promptIds.length + (options.newTokens + 1) / 2;
  const workload = createWorkload(engine, options);
  using readRoof = await readRoofTask(device, kernels, options.roofBytes);
  using fmaRoof = fmaRoofTask(device, kernels);

  options.onProgress?.('prefill');
  const prefill = await benchPrefill(device, config, workload, fmaRoof, options);

  const tasks: DecodeTask[] = [];
  for (const density of options.densities) {
    for (const strategy of strategiesFor(config, density, options.strategies)) tasks.push(workload.decode(density, strategy));
  }
  const wall = tasks.map((): number[] => []);
  const [read, ...measured] = await measureInterleaved(
    [
      readRoof,
      ...tasks.map((task, index) => ({
        name: `density ${task.density} ${task.strategy}`,
        prepare: () => task.reset(),
        run: async () => {
          const started = performance.now();
          await task.run();
          wall[index]?.push(performance.now() - started);
        },
      })),
    ],
    {
      rounds: options.rounds,
      nowMs: () => device.clockNs() / 1e6,
      signal: options.signal,
      onRound: (done, total) => options.onProgress?.(`decode, round ${done} of ${total}`),
    },
  );
  if (read === undefined) throw new Error('the read roof was not measured');

  const sensors = device.sensors?.() ?? null;
  const theoreticalBandwidth = device.identity.gpu?.theoreticalBandwidth ?? 0;
  const dense = measured[tasks.findIndex((task) => task.strategy === 'dense')];
  const decode = tasks.map((task, index) => {
    const own = measured[index];
    if (own === undefined) throw new Error(`density ${task.density} ${task.strategy} was not measured`);
    const compact = measured[tasks.findIndex((other) => other.density === task.density && other.strategy === 'compact')];
    // The first wall time of every task belongs to the warm-up round.
    return decodeResult(config, task, own, { read, readBytes: readRoof.work, dense, compact, wallMs: wall[index]?.slice(-own.byRound.length) ?? [], newTokens: options.newTokens, meanContext, theoreticalBandwidth });
  });

  options.onProgress?.('profiles');
  const readResult = roofResult(readRoof, read);
  const profiles: DecodeProfile[] = [];
  for (const task of tasks) profiles.push(await profileDecode(config, task, readResult.perSecond, options.promptIds.length));
  return { read: readResult, fma: prefill.roof, prefill: prefill.result, decode, profiles, meanContext, sensors };
}

/** The full model has nothing to gather, and nothing can be packed when nothing is kept. */
function strategiesFor(config: ModelConfig, density: number, strategies: readonly Strategy[]): readonly (Strategy | 'dense')[] {
  if (density === 1) return ['dense'];
  return keptNeurons(config.intermediateSize, density) === 0 ? ['gather'] : strategies;
}

async function benchPrefill(
  device: Device,
  config: ModelConfig,
  workload: Workload,
  fmaRoof: Roof,
  options: TokenBenchOptions,
): Promise<{ roof: RoofResult; result: PrefillResult }> {
  const [roof, prefill] = await measureInterleaved(
    [fmaRoof, { name: 'prefill', run: () => workload.prefill() }],
    { rounds: options.prefillRounds, nowMs: () => device.clockNs() / 1e6, signal: options.signal, onRound: (done, total) => options.onProgress?.(`prefill, round ${done} of ${total}`) },
  );
  if (roof === undefined || prefill === undefined) throw new Error('prefill was not measured');
  const tokens = options.promptIds.length;
  const flops = prefillFlops(config, tokens);
  const fma = roofResult(fmaRoof, roof);

  const steps = await profilePrefill(config, workload, fma.perSecond);
  // A profile leaves the statistic of one more chunk in the scores: fill cache and scores anew for what follows.
  await workload.prefill();
  const products = steps.filter(({ shareOfFmaRoof }) => shareOfFmaRoof !== null);
  const productUs = products.reduce((sum, { usPerChunk }) => sum + usPerChunk, 0);
  const sparse = options.densities.find((density) => density < 1);
  const selectNs = sparse === undefined ? null : await timeSelection(device, workload, sparse);
  const statisticOfChunk = steps.find(({ operation }) => operation === 'statistic')?.shareOfChunk ?? 0;
  return {
    roof: fma,
    result: {
      promptTokens: tokens,
      ms: prefill.ms,
      tokensPerSecond: (tokens / prefill.ms.median) * 1000,
      flops,
      shareOfFmaRoof: pairedRatio(roof.byRound.map((ms) => ms * (flops / fmaRoof.work)), prefill.byRound).median,
      // Shares weighted by time: all products' operations over all products' time.
      gemmShareOfFmaRoof: productUs === 0 ? null : products.reduce((sum, step) => sum + (step.shareOfFmaRoof ?? 0) * step.usPerChunk, 0) / productUs,
      statisticShare: selectNs === null ? null : statisticOfChunk + selectNs / 1e6 / prefill.ms.median,
      selectMs: selectNs === null ? null : selectNs / 1e6,
      steps,
    },
  };
}

async function profilePrefill(config: ModelConfig, workload: Workload, flopsPerSecond: number): Promise<PrefillStep[]> {
  const runs = (await workload.profileChunk(PREFILL_PROFILE_RUNS)).map(byOperation);
  const flops = prefillOperationFlops(config, workload.chunkRows);
  return medianProfile(runs).map(({ operation, kernel, calls, ns, share }) => {
    const own = flops[operation];
    return { operation, kernel, calls, usPerChunk: ns / 1000, shareOfChunk: share, shareOfFmaRoof: own === undefined ? null : own / (ns / 1e9) / flopsPerSecond };
  });
}

interface ProfiledOperation {
  readonly operation: string;
  readonly kernel: string;
  readonly calls: number;
  readonly ns: number;
  readonly share: number;
}

/** Operation by operation the median over several profiles, the longest first; shares are of their sum. */
function medianProfile(runs: readonly Map<string, OperationTime>[]): ProfiledOperation[] {
  const first = runs[0] ?? new Map<string, OperationTime>();
  const medians = [...first].map(([operation, { kernel, calls }]) => ({ operation, kernel, calls, ns: median(runs.map((run) => run.get(operation)?.ns ?? Number.NaN)) }));
  const total = medians.reduce((sum, { ns }) => sum + ns, 0);
  return medians.map((entry) => ({ ...entry, share: entry.ns / total })).sort((a, b) => b.ns - a.ns);
}

/** Median device time of selecting the experts of all layers. */
async function timeSelection(device: Device, workload: Workload, density: number): Promise<number> {
  const samples: number[] = [];
  for (let run = 0; run < PROFILE_RUNS; run++) {
    const started = device.clockNs();
    await workload.select(density);
    samples.push(device.clockNs() - started);
  }
  return median(samples);
}

interface DecodeContext {
  readonly read: Measurement;
  readonly readBytes: number;
  readonly dense: Measurement | undefined;
  readonly compact: Measurement | undefined;
  readonly wallMs: readonly number[];
  readonly newTokens: number;
  readonly meanContext: number;
  /** Bytes per second; 0 where it is not known. */
  readonly theoreticalBandwidth: number;
}

function decodeResult(config: ModelConfig, task: DecodeTask, own: Measurement, context: DecodeContext): DecodeResult {
  const { newTokens, meanContext } = context;
  const perToken = (ms: number): number => ms / newTokens;
  const bytes = tokenTraffic(config, task.density, meanContext).totalBytes;
  const ms = { median: perToken(own.ms.median), mad: perToken(own.ms.mad), min: perToken(own.ms.min), max: perToken(own.ms.max), samples: own.ms.samples };
  return {
    density: task.density,
    strategy: task.strategy,
    keptNeurons: task.keptNeurons,
    msPerToken: ms,
    wallOverDevice: pairedRatio(context.wallMs, own.byRound).median,
    tokensPerSecond: 1000 / ms.median,
    bytesPerToken: bytes,
    bytesPerSecond: (bytes / ms.median) * 1000,
    // Time that the roof would need for the same bytes, over the time taken, round by round.
    shareOfDataSheet: context.theoreticalBandwidth > 0 ? ((bytes / ms.median) * 1000) / context.theoreticalBandwidth : null,
    shareOfReadRoof: pairedRatio(context.read.byRound.map((roofMs) => roofMs * ((bytes * newTokens) / context.readBytes)), own.byRound).median,
    speedup: context.dense === undefined || task.strategy === 'dense' ? null : pairedRatio(context.dense.byRound, own.byRound),
    idealSpeedup: idealSpeedup(config, task.density, meanContext),
    gatherOverCompact: task.strategy === 'gather' && context.compact !== undefined ? pairedRatio(own.byRound, context.compact.byRound) : null,
  };
}

const PROFILE_RUNS = 5;
const PREFILL_PROFILE_RUNS = 3;

async function profileDecode(config: ModelConfig, task: DecodeTask, readPerSecond: number, promptTokens: number): Promise<DecodeProfile> {
  const runs: Map<string, OperationTime>[] = [];
  for (let run = 0; run < PROFILE_RUNS; run++) {
    await task.reset();
    runs.push(byOperation(await task.profile()));
  }
  const bytes = operationBytes(config, task.density, promptTokens + 1);
  const steps = medianProfile(runs).map(({ operation, kernel, calls, ns, share }): StepProfile => {
    const moved = bytes[operation] ?? null;
    return {
      operation,
      kernel,
      callsPerToken: calls,
      usPerToken: ns / 1000,
      shareOfToken: share,
      bytesPerToken: moved,
      shareOfReadRoof: moved === null ? null : moved / (ns / 1e9) / readPerSecond,
    };
  });
  return { density: task.density, strategy: task.strategy, steps };
}

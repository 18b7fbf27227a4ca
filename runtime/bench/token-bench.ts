/** Whole tokens: decode with the full model and with GRIFFIN in the same rounds, prefill, and where the time goes. */
import type { ModelConfig } from '../checkpoint/types.js';
import type { Device } from '../device/types.js';
import type { Engine } from '../model/engine.js';
import type { DecodeProfile, DecodeResult, PrefillResult, RoofResult, StepProfile, Strategy } from './result.js';
import { fmaRoofTask, readRoofTask, roofResult, type Roof } from './roofs.js';
import { measureInterleaved, median, pairedRatio, type Measurement } from './rounds.js';
import { idealSpeedup, operationBytes, prefillFlops, prefillOperationFlops, tokenTraffic } from './traffic.js';
import { byOperation, createWorkload, type DecodeTask, type OperationTime, type Workload } from './workload.js';

export interface TokenBenchOptions {
  readonly densities: readonly number[];
  readonly strategies: readonly Strategy[];
  readonly promptIds: readonly number[];
  readonly newTokens: number;
  readonly rounds: number;
  readonly prefillRounds: number;
  readonly prefillChunk: number;
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
}

export async function benchTokens(engine: Engine, options: TokenBenchOptions): Promise<TokenBenchResult> {
  const { device, kernels } = engine;
  const { config } = engine.weights;
  const meanContext = options.promptIds.length + (options.newTokens + 1) / 2;
  const workload = createWorkload(engine, options);
  using readRoof = await readRoofTask(device, kernels);
  using fmaRoof = fmaRoofTask(device, kernels);

  options.onProgress?.('prefill');
  const prefill = await benchPrefill(device, config, workload, fmaRoof, options);

  const tasks: DecodeTask[] = [];
  for (const density of options.densities) {
    for (const strategy of density === 1 ? (['dense'] as const) : options.strategies) tasks.push(workload.decode(density, strategy));
  }
  const wall = tasks.map((): number[] => []);
  let round = 0;
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
      onRound: (done, total) => options.onProgress?.(`decode, round ${(round = done)} of ${total}`),
    },
  );
  if (read === undefined || round === 0) throw new Error('the read roof was not measured');

  const dense = measured[tasks.findIndex((task) => task.strategy === 'dense')];
  const decode = tasks.map((task, index) => {
    const own = measured[index];
    if (own === undefined) throw new Error(`density ${task.density} ${task.strategy} was not measured`);
    const compact = measured[tasks.findIndex((other) => other.density === task.density && other.strategy === 'compact')];
    // The first wall time of every task belongs to the warm-up round.
    return decodeResult(config, task, own, { read, readBytes: readRoof.work, dense, compact, wallMs: wall[index]?.slice(-own.byRound.length) ?? [], newTokens: options.newTokens, meanContext });
  });

  options.onProgress?.('profiles');
  const readResult = roofResult(readRoof, read);
  const profiles: DecodeProfile[] = [];
  for (const task of tasks) profiles.push(await profileDecode(config, task, readResult.perSecond, options.promptIds.length));
  return { read: readResult, fma: prefill.roof, prefill: prefill.result, decode, profiles, meanContext };
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

  const operations = byOperation(await workload.profileChunk());
  // A profile leaves the statistic of one more chunk in the scores: fill cache and scores anew for what follows.
  await workload.prefill();
  const chunkFlops = prefillOperationFlops(config, workload.chunkRows);
  let gemmFlops = 0;
  let gemmNs = 0;
  let totalNs = 0;
  for (const [operation, { ns }] of operations) {
    totalNs += ns;
    const operationFlops = chunkFlops[operation];
    if (operationFlops === undefined) continue;
    gemmFlops += operationFlops;
    gemmNs += ns;
  }
  const sparse = options.densities.find((density) => density < 1);
  const selectNs = sparse === undefined ? null : await timeSelection(device, workload, sparse);
  const statisticOfChunk = (operations.get('statistic')?.ns ?? 0) / totalNs;
  return {
    roof: fma,
    result: {
      promptTokens: tokens,
      ms: prefill.ms,
      tokensPerSecond: (tokens / prefill.ms.median) * 1000,
      flops,
      shareOfFmaRoof: pairedRatio(roof.byRound.map((ms) => ms * (flops / fmaRoof.work)), prefill.byRound).median,
      gemmShareOfFmaRoof: gemmNs === 0 ? null : gemmFlops / (gemmNs / 1e9) / fma.perSecond,
      statisticShare: selectNs === null ? null : statisticOfChunk + selectNs / 1e6 / prefill.ms.median,
      selectMs: selectNs === null ? null : selectNs / 1e6,
    },
  };
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
    shareOfReadRoof: pairedRatio(context.read.byRound.map((roofMs) => roofMs * ((bytes * newTokens) / context.readBytes)), own.byRound).median,
    speedup: context.dense === undefined || task.strategy === 'dense' ? null : pairedRatio(context.dense.byRound, own.byRound),
    idealSpeedup: idealSpeedup(config, task.density, meanContext),
    gatherOverCompact: task.strategy === 'gather' && context.compact !== undefined ? pairedRatio(own.byRound, context.compact.byRound) : null,
  };
}

const PROFILE_RUNS = 5;

async function profileDecode(config: ModelConfig, task: DecodeTask, readPerSecond: number, promptTokens: number): Promise<DecodeProfile> {
  const runs: ReturnType<typeof byOperation>[] = [];
  for (let run = 0; run < PROFILE_RUNS; run++) {
    await task.reset();
    runs.push(byOperation(await task.profile()));
  }
  const bytes = operationBytes(config, task.density, promptTokens + 1);
  const first = runs[0] ?? new Map<string, OperationTime>();
  const total = median(runs.map((run) => [...run.values()].reduce((sum, { ns }) => sum + ns, 0)));
  const steps = [...first].map(([operation, { kernel, calls }]): StepProfile => {
    const ns = median(runs.map((run) => run.get(operation)?.ns ?? Number.NaN));
    const moved = bytes[operation] ?? null;
    return {
      operation,
      kernel,
      callsPerToken: calls,
      usPerToken: ns / 1000,
      shareOfToken: ns / total,
      bytesPerToken: moved,
      shareOfReadRoof: moved === null ? null : moved / (ns / 1e9) / readPerSecond,
    };
  });
  return { density: task.density, strategy: task.strategy, steps: steps.sort((a, b) => b.usPerToken - a.usPerToken) };
}

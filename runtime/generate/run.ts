import { CheckpointError } from '../errors.js';
import { readExperts, selectExperts } from '../griffin/experts.js';
import { expertCount, needsStatistic } from '../griffin/selection.js';
import { SETTINGS, SETTINGS_SLOTS, STATE, STATE_SLOTS } from '../model/buffers.js';
import type { DecodePath, Engine } from '../model/engine.js';
import type { ResolvedOptions } from './options.js';

export type FinishReason = 'length' | 'stop' | 'eos' | 'aborted';

/** Answers whether packing the kept neurons pays for a generation of `steps` sparse steps. */
export type StrategyAdvice = (problem: { readonly k: number; readonly steps: number }) => 'gather' | 'compact';

/** Filled in while tokens are produced. */
export interface RunReport {
  prefillMs: number;
  selectMs: number;
  decodeMs: number;
  /** Tokens that decode steps produced (the first token comes from the prompt pass). */
  decodeTokens: number;
  strategy: 'dense' | 'gather' | 'compact';
  experts: number[][] | null;
  firstLogits: number[] | null;
  lastLogits: number[] | null;
}

export function emptyReport(): RunReport {
  return { prefillMs: 0, selectMs: 0, decodeMs: 0, decodeTokens: 0, strategy: 'dense', experts: null, firstLogits: null, lastLogits: null };
}

export interface RunRequest {
  /** At least one id, all inside the vocabulary; prompt + new tokens within the position limit. */
  readonly promptIds: readonly number[];
  readonly options: ResolvedOptions;
  /** Tokens that end the text, unless `ignoreEos`. */
  readonly eosTokenIds: readonly number[];
  readonly advise: StrategyAdvice;
}

/**
 * Produces token ids one by one. Each comes with the reason if it is the last for length or end-of-sequence; an aborted run just ends.
 *
 * `gen`: the prompt runs through the full model, which also chooses the first token; experts are selected once, and every further token
 * uses only them. `class`: all prompt tokens but the last run through the full model, the last one through the kept neurons only, and
 * the token it predicts is the only one. A `class` prompt of one token has no earlier tokens to select from: as in `gen`, it selects from
 * that token.
 */
export async function* runTokens(engine: Engine, request: RunRequest, report: RunReport): AsyncGenerator<{ tokenId: number; finish: 'length' | 'eos' | null }, void> {
  const { promptIds, options } = request;
  const { config } = engine.weights;
  const newTokens = options.mode === 'class' ? 1 : options.maxNewTokens;
  const k = expertCount(config.intermediateSize, options.density);
  const sparseSteps = options.mode === 'class' ? 1 : newTokens - 1;
  const path = choosePath(options, k, sparseSteps, request.advise);
  const statistic = path.kind !== 'dense' && k > 0 && needsStatistic(options.selection);
  report.strategy = path.kind;

  engine.prepare(promptIds.length + newTokens, Math.min(options.prefillChunk, config.maxPositions));
  writeSettings(engine, promptIds, options, k);
  const aborted = (): boolean => {
    engine.requireOpen();
    return options.signal?.aborted === true;
  };
  let produced = 0;
  const steps = new DecodeSteps(() => engine.decode(path));
  try {
    // The prompt. In class mode its last token is left for the sparse step, unless it is the only one to select from.
    const last = promptIds.length - 1;
    const dense = options.mode === 'class' ? (last === 0 && statistic ? 1 : last) : promptIds.length;
    engine.record({ tokens: dense, statistic }, path);
    let started = performance.now();
    if (statistic) engine.shared.scores.fill(0);
    for (let start = 0; start < dense; start += options.prefillChunk) {
      if (aborted()) return;
      await engine.prefill(Int32Array.from(promptIds.slice(start, Math.min(start + options.prefillChunk, dense))), start, { statistic });
    }
    if (options.mode === 'gen') await engine.tail();
    report.prefillMs = performance.now() - started;
    if (aborted()) return;

    started = performance.now();
    if (path.kind !== 'dense') {
      await selectExperts(engine, { selection: options.selection, k, seed: options.seed });
      if (path.kind === 'compact') await engine.compact(k);
    }
    report.selectMs = performance.now() - started;
    if (options.dumpExperts) report.experts = path.kind === 'dense' ? allNeurons(config.layers, k) : readExperts(engine, k);

    if (options.mode === 'class') engine.shared.state.write(Int32Array.of(promptIds[last]!, last), STATE.token * 4);
    for (let index = 0; index < newTokens; index++) {
      if (aborted()) return;
      let tokenId: number;
      if (index > 0 || options.mode === 'class') {
        // Logits are read from the buffer that the next step overwrites, so whoever wants them waits for each step.
        tokenId = await steps.take({ ahead: index + 1 < newTokens && !options.dumpLogits });
        report.decodeMs = steps.elapsedMs;
        report.decodeTokens++;
      } else {
        tokenId = new Int32Array(engine.shared.state.read(0, STATE_SLOTS * 4).buffer)[STATE.token]!;
      }
      produced++;
      if (index === 0) {
        const logits = readLogits(engine);
        requireNumbers(logits);
        if (options.dumpLogits) report.firstLogits = Array.from(logits);
      }
      const finish = !options.ignoreEos && request.eosTokenIds.includes(tokenId) ? 'eos' : index === newTokens - 1 ? 'length' : null;
      yield { tokenId, finish };
      if (finish !== null) return;
    }
  } finally {
    await steps.settle();
    if (options.dumpLogits && produced > 0 && !engine.closed) report.lastLogits = Array.from(readLogits(engine));
  }
}

/**
 * Decode steps with one queued ahead of the one that is waited for, so that the device never waits for the host. A text that ends early
 * has computed one token in vain.
 */
class DecodeSteps {
  /** Milliseconds that steps took, from the later of queueing and the end of the step before to their token's arrival. */
  elapsedMs = 0;
  private queued: Promise<number> | null = null;
  private arrivedAt = 0;

  constructor(private readonly decode: () => Promise<number>) {}

  /** The next token; with `ahead`, the step after it is queued before this one is waited for. */
  async take({ ahead }: { readonly ahead: boolean }): Promise<number> {
    const current = this.queued ?? this.start();
    this.queued = ahead ? this.start() : null;
    return current;
  }

  /** Waits for what is still queued; its result, or its failure, interests nobody any more. */
  async settle(): Promise<void> {
    await this.queued?.catch(() => undefined);
    this.queued = null;
  }

  private start(): Promise<number> {
    const queuedAt = performance.now();
    const step = this.decode().then((token) => {
      const now = performance.now();
      this.elapsedMs += now - Math.max(queuedAt, this.arrivedAt);
      this.arrivedAt = now;
      return token;
    });
    step.catch(() => undefined); // reported by whoever takes it
    return step;
  }
}

/** density 1 is the full model, run as such unless a strategy is asked for by name; nothing can be packed when nothing is kept. */
function choosePath(options: ResolvedOptions, k: number, steps: number, advise: StrategyAdvice): DecodePath {
  if (options.density === 1 && options.strategy === 'auto') return { kind: 'dense' };
  if (k === 0) return { kind: 'gather', k };
  return { kind: options.strategy === 'auto' ? advise({ k, steps }) : options.strategy, k };
}

function writeSettings(engine: Engine, promptIds: readonly number[], options: ResolvedOptions, k: number): void {
  const state = new Int32Array(STATE_SLOTS);
  state[STATE.k] = k;
  state[STATE.seedLow] = options.seed % 2 ** 32 | 0;
  state[STATE.seedHigh] = Math.floor(options.seed / 2 ** 32) | 0;
  state[STATE.topK] = options.topK;
  engine.shared.state.write(state);
  const settings = new Float32Array(SETTINGS_SLOTS);
  settings[SETTINGS.temperature] = options.temperature;
  settings[SETTINGS.topP] = options.topP;
  settings[SETTINGS.minP] = options.minP;
  settings[SETTINGS.repetitionPenalty] = options.repetitionPenalty;
  engine.shared.settings.write(settings);
  const seen = new Int32Array(engine.weights.config.vocabSize);
  for (const id of promptIds) seen[id] = 1;
  engine.shared.seen.write(seen);
}

function readLogits(engine: Engine): Float32Array {
  return new Float32Array(engine.shared.logits.read().buffer);
}

/** Damaged weights give NaN, of which a most likely token can still be taken: text that means nothing. Once per generation is enough and costs nothing. */
function requireNumbers(logits: Float32Array): void {
  const token = logits.findIndex(Number.isNaN);
  if (token < 0) return;
  throw new CheckpointError(`The model computes no number (NaN) for token ${token} after this prompt; its weights hold NaN, infinities or values far too large`, {
    remedy: 'compare the checksums of the weight files with those of their source, or download them again',
  });
}

function allNeurons(layers: number, count: number): number[][] {
  return Array.from({ length: layers }, () => Array.from({ length: count }, (_, i) => i));
}

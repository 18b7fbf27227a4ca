import type { ChatMessage } from '../checkpoint/chat-template.js';
import type { TextTokenizer } from '../checkpoint/tokenizer.js';
import type { ModelConfig, ModelWeights } from '../checkpoint/types.js';
import type { Device, DeviceIdentity } from '../device/types.js';
import { TokenizerError, UsageError } from '../errors.js';
import { resolveOptions, type GenerateOptions, type ResolvedOptions } from '../generate/options.js';
import { promptTokens, requirePositions, type Prompt } from '../generate/prompt.js';
import { emptyReport, type FinishReason, type RunReport } from '../generate/run.js';
import { streamPieces, type Piece } from '../generate/text.js';
import type { Selection } from '../griffin/selection.js';
import type { KernelLibrary } from '../library/library.js';
import { createEngine, type Engine } from './engine.js';

/** Milliseconds, except tokensPerSecond. */
export interface Timings {
  readonly loadMs: number;
  /** The prompt pass, first token included (in `gen` mode). */
  readonly prefillMs: number;
  /** Choosing the kept neurons, packing them included. */
  readonly selectMs: number;
  /** All decode steps. */
  readonly decodeMs: number;
  /** Tokens from decode steps per second of decode; 0 when there were none. */
  readonly tokensPerSecond: number;
}

/** What a generation gave: the JSON object of `griffin generate --json`. */
export interface GenerateResult {
  readonly model: string;
  readonly device: string;
  readonly density: number;
  readonly selection: Selection;
  readonly mode: 'gen' | 'class';
  readonly promptIds: readonly number[];
  /** Generated ids, the end-of-sequence token or the tokens of a stop text included. */
  readonly tokenIds: readonly number[];
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly timings: Timings;
  /** Kept neurons per layer, ascending; with `dumpExperts`. */
  readonly experts?: readonly (readonly number[])[];
  /** With `dumpLogits`: at the last prompt position, and those that chose the final token (in `class` mode both are the masked last position). */
  readonly logits?: { readonly first: readonly number[]; readonly last: readonly number[] };
}

/** A loaded model. One generation at a time. Dispose it (`await using`) to give its memory back. */
export interface Model extends AsyncDisposable {
  /** The checkpoint directory, or the name of synthetic weights. */
  readonly name: string;
  readonly config: ModelConfig;
  readonly device: DeviceIdentity & { readonly isa: string; readonly threads: number };
  readonly loadMs: number;
  readonly weightBytes: number;
  readonly library: KernelLibrary;
  /** Null for models without tokenizer files: they take and give token ids only. */
  readonly tokenizer: TextTokenizer | null;
  /**
   * Generates, one piece per token as it is produced; the generator's return value is the result. Stopping the iteration stops the
   * generation. Errors (all typed) are thrown at the first piece.
   */
  generate(prompt: Prompt, options?: GenerateOptions): AsyncGenerator<Piece, GenerateResult, undefined>;
  /** Generates and gives the whole result. */
  generateText(prompt: Prompt, options?: GenerateOptions): Promise<GenerateResult>;
  /** The ids of a prompt, as `generate` would use them. */
  promptIds(prompt: Prompt): readonly number[];
  /** The layer below: prompt chunks, decode steps and their profiles, for benchmarks. Not while a generation is running. */
  readonly engine: Engine;
  /** Bytes of KV cache, activations and packed weights now allocated. */
  workingBytes(): number;
  /** Waits for the step under way, then frees everything that the model owns. */
  dispose(): Promise<void>;
}

/** What a model is made of. `loadModel` fills this from a checkpoint; benchmarks from synthetic weights. */
export interface ModelParts {
  readonly name: string;
  /** As the caller named it, e.g. `cpu` or `cpu:avx2`. */
  readonly deviceName: string;
  readonly device: Device;
  readonly library: KernelLibrary;
  readonly weights: ModelWeights;
  /** End-of-sequence ids. Default: those of the config. */
  readonly eosTokenIds?: readonly number[];
  readonly tokenizer?: TextTokenizer | null;
  readonly renderChat?: (messages: readonly ChatMessage[]) => string;
  readonly loadMs?: number;
  /** Whether disposing the model disposes the device too. Default false. */
  readonly ownsDevice?: boolean;
}

/** A model from its parts. Takes ownership of the weights, also when it fails. */
export function createModel(parts: ModelParts): Model {
  const { device, library, weights } = parts;
  const { config } = weights;
  const engine = openEngine(parts);
  const tokenizer = parts.tokenizer ?? null;
  let busy = false;
  let disposing: Promise<void> | null = null;

  const reader = {
    tokenizer: () => tokenizer ?? missingTokenizer(parts.name, 'text prompts need one'),
    renderChat: (messages: readonly ChatMessage[]) => parts.renderChat?.(messages) ?? missingTokenizer(parts.name, 'conversations need one'),
  };

  async function* generate(prompt: Prompt, given: GenerateOptions = {}): AsyncGenerator<Piece, GenerateResult, undefined> {
    engine.requireOpen();
    const options = resolveOptions(given);
    const promptIds = promptTokens(prompt, reader, config.vocabSize);
    requirePositions(promptIds.length, options, config);
    if (options.stop.length > 0 && tokenizer === null) missingTokenizer(parts.name, 'stop texts need one');
    if (busy) throw new UsageError('A generation is already running on this model; finish or stop it first (one at a time), or load the model twice');
    busy = true;
    const report = emptyReport();
    const tokenIds: number[] = [];
    let text = '';
    try {
      const advise = ({ k, steps }: { k: number; steps: number }): 'gather' | 'compact' =>
        library.strategy({ hidden: config.hiddenSize, intermediate: config.intermediateSize, k, dtype: config.dtype, steps }).choice;
      const request = { promptIds, options, eosTokenIds: parts.eosTokenIds ?? config.eosTokenIds, advise };
      const pieces = streamPieces(engine, request, tokenizer, report);
      try {
        for (;;) {
          const next = await pieces.next();
          if (next.done === true) return resultOf(parts, options, { promptIds, tokenIds, text, finishReason: next.value, report });
          tokenIds.push(next.value.tokenId);
          text += next.value.text;
          yield next.value;
        }
      } finally {
        await pieces.return('aborted');
      }
    } finally {
      busy = false;
    }
  }

  const dispose = (): Promise<void> => {
    disposing ??= (async () => {
      await engine[Symbol.asyncDispose]();
      weights.dispose();
      if (parts.ownsDevice === true) await device.dispose();
    })();
    return disposing;
  };

  return {
    name: parts.name,
    config,
    device: { ...device.identity, isa: device.isa, threads: device.threads },
    loadMs: parts.loadMs ?? 0,
    weightBytes: weights.byteLength,
    library,
    tokenizer,
    generate,
    async generateText(prompt, options) {
      const pieces = generate(prompt, options);
      for (;;) {
        const next = await pieces.next();
        if (next.done === true) return next.value;
      }
    },
    promptIds: (prompt) => promptTokens(prompt, reader, config.vocabSize),
    engine,
    workingBytes: () => engine.workingBytes(),
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

function openEngine({ device, library, weights }: ModelParts): Engine {
  try {
    return createEngine(device, library, weights);
  } catch (error) {
    weights.dispose();
    throw error;
  }
}

function resultOf(
  parts: ModelParts,
  options: ResolvedOptions,
  run: { promptIds: readonly number[]; tokenIds: readonly number[]; text: string; finishReason: FinishReason; report: RunReport },
): GenerateResult {
  const { report, ...rest } = run;
  const { density, selection, mode } = options;
  const { prefillMs, selectMs, decodeMs, decodeTokens } = report;
  return {
    model: parts.name,
    device: parts.deviceName,
    density,
    selection,
    mode,
    ...rest,
    timings: { loadMs: parts.loadMs ?? 0, prefillMs, selectMs, decodeMs, tokensPerSecond: decodeMs > 0 ? (decodeTokens * 1000) / decodeMs : 0 },
    ...(report.experts === null ? {} : { experts: report.experts }),
    ...(report.firstLogits === null || report.lastLogits === null ? {} : { logits: { first: report.firstLogits, last: report.lastLogits } }),
  };
}

function missingTokenizer(name: string, why: string): never {
  throw new TokenizerError(`${name} has no tokenizer; ${why}`, { remedy: 'pass token ids as the prompt (--prompt-ids), or add tokenizer.json to the checkpoint' });
}

/**
 * A checkpoint directory, opened and checked on the host: config and every tensor's name, shape, type and place in its file agree before
 * a byte of device memory is asked for.
 */
import { join } from 'node:path';

import { CheckpointError } from '../errors.js';
import { renderChatTemplate, type ChatMessage, type ChatTemplateOptions, readChatTemplate } from './chat-template.js';
import { readModelConfig } from './config.js';
import { type GenerationConfig, readGenerationConfig } from './generation-config.js';
import { shorten } from './json.js';
import { type SourceTensor, isIgnoredTensor, sourceTensors } from './layout.js';
import { SUPPORTED_DTYPES } from './safetensors.js';
import { type CheckpointTensor, type TensorSet, openTensorSet, requireDirectory } from './shards.js';
import { type TextTokenizer, hasTokenizer, readTokenizer } from './tokenizer.js';
import type { ModelConfig, WeightDtype } from './types.js';

/** A tensor of the file and where its elements go. */
export interface PlannedTensor {
  readonly source: SourceTensor;
  readonly stored: CheckpointTensor & { readonly weightDtype: WeightDtype };
}

export interface Checkpoint {
  readonly dir: string;
  /** From `config.json`, except `dtype`, which is what the matrices really are. */
  readonly config: ModelConfig;
  readonly generationConfig: GenerationConfig;
  /** End-of-text ids: `generation_config.json` wins over `config.json`, as in Hugging Face. Only ids inside the vocabulary. */
  readonly eosTokenIds: readonly number[];
  readonly tensors: readonly PlannedTensor[];
  /** Whether there is a `tokenizer.json`. Without one the model takes and gives token ids only. */
  readonly hasTokenizer: boolean;
  /** Parsed on first use. Throws TokenizerError when missing or unusable. */
  tokenizer(): TextTokenizer;
  /** The prompt text for a conversation. Encode it without adding special tokens: the template writes them. Throws TokenizerError when there is no template. */
  renderChat(messages: readonly ChatMessage[], options?: ChatTemplateOptions): string;
}

/** Opens a Hugging Face checkpoint directory: reads configs and headers, no weights. Throws FileError or CheckpointError. */
export function openCheckpoint(dir: string): Checkpoint {
  requireDirectory(dir);
  const declared = readModelConfig(join(dir, 'config.json'));
  const generationConfig = readGenerationConfig(dir);
  const { tensors, dtype } = planTensors(openTensorSet(dir), declared, dir);
  const config: ModelConfig = { ...declared, dtype };
  let tokenizer: TextTokenizer | undefined;
  return {
    dir,
    config,
    generationConfig,
    eosTokenIds: (generationConfig.eosTokenIds ?? config.eosTokenIds).filter((id) => id < config.vocabSize),
    tensors,
    hasTokenizer: hasTokenizer(dir),
    tokenizer: () => (tokenizer ??= readTokenizer(dir)),
    renderChat: (messages, options) => renderChatTemplate(readChatTemplate(dir), messages, options),
  };
}

/** Matches the files' tensors with what the config needs: nothing missing, nothing unexplained, every shape right, one type of matrix. */
function planTensors(set: TensorSet, config: ModelConfig, dir: string): { tensors: PlannedTensor[]; dtype: WeightDtype } {
  checkLayerCount(set, config, dir);
  const sources = sourceTensors(config);
  const missing = sources.filter(({ name }) => !set.tensors.has(name));
  if (missing.length > 0) {
    const tied = missing.length === 1 && missing[0]?.name === 'lm_head.weight';
    throw new CheckpointError(`${dir}: ${listNames(missing.map(({ name }) => name))} missing from the weights, needed by config.json`, {
      ...(tied ? { remedy: 'set "tie_word_embeddings": true in config.json if this model shares its embedding with its output' } : {}),
    });
  }
  const needed = new Set(sources.map(({ name }) => name));
  const extra = [...set.tensors.keys()].filter((name) => !needed.has(name) && !isIgnoredTensor(name, config));
  if (extra.length > 0) {
    const bias = extra.some((name) => name.endsWith('.bias')) ? ' (biases need "attention_bias" or "mlp_bias" in config.json)' : '';
    throw new CheckpointError(`${dir}: ${listNames(extra)} in the weights, but not in a ${config.architecture} of this config.json${bias}`);
  }
  const tensors = sources.map((source) => planTensor(source, set.tensors.get(source.name) as CheckpointTensor));
  return { tensors, dtype: commonMatrixType(tensors) };
}

/** Compares the layer count first: a wrong `num_hidden_layers` would otherwise show as a heap of missing or extra names. */
function checkLayerCount(set: TensorSet, config: ModelConfig, dir: string): void {
  let layers = 0;
  for (const name of set.tensors.keys()) {
    const match = /(?:^|\.)layers\.(\d{1,9})\./.exec(name);
    if (match !== null) layers = Math.max(layers, Number(match[1]) + 1);
  }
  if (layers !== config.layers) {
    throw new CheckpointError(`${dir}: the weights have ${layers} layers, config.json says num_hidden_layers ${config.layers}; is a shard missing, or is this another model's config?`);
  }
}

function planTensor(source: SourceTensor, stored: CheckpointTensor): PlannedTensor {
  const found = `${stored.file.path}: tensor ${JSON.stringify(source.name)}`;
  if (stored.shape.length !== source.shape.length || stored.shape.some((size, i) => size !== source.shape[i])) {
    throw new CheckpointError(`${found} has shape [${stored.shape.join(', ')}]; config.json implies [${source.shape.join(', ')}]`);
  }
  if (stored.weightDtype === null) throw new CheckpointError(`${found} has dtype ${stored.dtype}; supported: ${SUPPORTED_DTYPES}`);
  return { source, stored: { ...stored, weightDtype: stored.weightDtype } };
}

function commonMatrixType(tensors: readonly PlannedTensor[]): WeightDtype {
  const matrices = tensors.filter(({ source }) => source.kind === 'matrix');
  const first = matrices[0] as PlannedTensor;
  const other = matrices.find(({ stored }) => stored.weightDtype !== first.stored.weightDtype);
  if (other !== undefined) {
    throw new CheckpointError(
      `${other.stored.file.path}: tensor ${JSON.stringify(other.source.name)} is ${other.stored.dtype}, but ${JSON.stringify(first.source.name)} is ${first.stored.dtype}; expected one type for all matrices`,
    );
  }
  return first.stored.weightDtype;
}

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 4).map((name) => JSON.stringify(shorten(name)));
  const rest = names.length - shown.length;
  return `tensor${names.length === 1 ? '' : 's'} ${shown.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

/**
 * Text ↔ token ids, from a checkpoint's `tokenizer.json` and `tokenizer_config.json`, by Hugging Face's JavaScript tokenizers.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { Tokenizer } from '@huggingface/tokenizers';

import { TokenizerError } from '../errors.js';
import { describe, isObject, parseJsonObject, readTextFile } from './json.js';
import { checkTokenizerDefinition } from './tokenizer-definition.js';
import { type StreamDecoder, createStreamDecoder } from './stream-decoder.js';

/** Largest `tokenizer.json` accepted, in bytes. Vocabularies of 256,000 tokens take about 35 MB. */
const MAX_TOKENIZER_BYTES = 256 * 2 ** 20;

/** What is used of the library's class; its own declarations do not resolve under Node's module rules. */
interface LibraryTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[]; tokens: string[] };
  decode(ids: readonly number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_vocab(withAddedTokens: boolean): ReadonlyMap<string, number>;
}

export interface EncodeOptions {
  /** Add what the tokenizer's post-processor adds, such as `<s>` in front. Default true; false for rendered chat templates, which hold them as text. */
  readonly specialTokens?: boolean;
}

export interface DecodeOptions {
  /** Write special tokens such as `</s>` out instead of leaving them away. Default false. */
  readonly specialTokens?: boolean;
}

export interface StreamOptions extends DecodeOptions {
  /** Ids in front of the stream (the prompt), not emitted. They decide whether the first piece begins with a space. Default none. */
  readonly context?: readonly number[];
}

export interface TextTokenizer {
  /** Size of the vocabulary with added tokens. A model's own vocabulary may be padded beyond it. */
  readonly vocabSize: number;
  encode(text: string, options?: EncodeOptions): number[];
  /** The text of ids. Ids that the vocabulary lacks (padding of the model's vocabulary) are left away. */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** Turns ids into text as they come, never splitting a character. */
  stream(options?: StreamOptions): StreamDecoder;
  /** The id of a token by its exact text, e.g. `</s>`, or null. */
  tokenId(token: string): number | null;
  /** The ids marked as special: never part of ordinary text. */
  readonly specialIds: ReadonlySet<number>;
}

export function hasTokenizer(dir: string): boolean {
  return existsSync(join(dir, 'tokenizer.json'));
}

/** Reads the tokenizer of a checkpoint directory. Throws TokenizerError when a file is missing, malformed or of an unsupported kind. */
export function readTokenizer(dir: string): TextTokenizer {
  const path = join(dir, 'tokenizer.json');
  if (!existsSync(path)) {
    const old = existsSync(join(dir, 'tokenizer.model')) ? ' (tokenizer.model alone is not enough)' : '';
    throw new TokenizerError(`${path}: does not exist${old}; text needs a tokenizer`, {
      remedy: 'download tokenizer.json and tokenizer_config.json of this model, or pass token ids with --prompt-ids',
    });
  }
  const definition = readTokenizerJson(path);
  const configPath = join(dir, 'tokenizer_config.json');
  const config = existsSync(configPath) ? readTokenizerJson(configPath) : {};
  return createTokenizer(definition, config, path);
}

/** Reads a JSON object; everything that can be wrong with it is a TokenizerError. */
export function readTokenizerJson(path: string): Record<string, unknown> {
  try {
    return parseJsonObject(readTextFile(path, MAX_TOKENIZER_BYTES), path);
  } catch (cause) {
    throw new TokenizerError((cause as Error).message, { cause });
  }
}

/** A tokenizer from the parsed contents of its two files; `where` names the source in errors. */
export function createTokenizer(definition: Record<string, unknown>, config: Record<string, unknown>, where: string): TextTokenizer {
  checkTokenizerDefinition(definition, where);
  const inner = guard(where, 'cannot be used', () => new Tokenizer(definition, config) as unknown as LibraryTokenizer);
  const vocabSize = guard(where, 'cannot be used', () => inner.get_vocab(true).size);
  const specialIds = new Set<number>();
  for (const token of Array.isArray(definition['added_tokens']) ? (definition['added_tokens'] as unknown[]) : []) {
    if (isObject(token) && token['special'] === true && typeof token['id'] === 'number') specialIds.add(token['id']);
  }

  const decode = (ids: readonly number[], options: DecodeOptions = {}): string => {
    const known = ids.filter((id) => inner.id_to_token(id) !== undefined && (options.specialTokens === true || !specialIds.has(id)));
    if (known.length === 0) return '';
    // Clean-up would delete spaces in front of punctuation that the model did write, and could change text that was already streamed.
    return guard(where, 'cannot decode', () => inner.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: false }));
  };

  return {
    vocabSize,
    specialIds,
    decode,
    encode(text, options = {}) {
      const { ids, tokens } = guard(where, 'cannot encode', () => inner.encode(text, { add_special_tokens: options.specialTokens ?? true }));
      const bad = ids.findIndex((id) => !Number.isInteger(id));
      if (bad >= 0) throw new TokenizerError(`${where}: the piece ${describe(tokens[bad])} has no id in the vocabulary, and there is no unknown token`);
      return ids as number[];
    },
    stream(options = {}) {
      const { context, ...rest } = options;
      return createStreamDecoder((ids) => decode(ids, rest), context);
    },
    tokenId: (token) => inner.token_to_id(token) ?? null,
  };
}

/** Runs the tokenizer library, whose failures on malformed definitions are of any kind, and rethrows them as a TokenizerError. */
function guard<T>(where: string, what: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw new TokenizerError(`${where}: ${what} (${(cause as Error).message})`, { cause });
  }
}

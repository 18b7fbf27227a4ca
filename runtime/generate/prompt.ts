import type { ChatMessage } from '../checkpoint/chat-template.js';
import type { TextTokenizer } from '../checkpoint/tokenizer.js';
import type { ModelConfig } from '../checkpoint/types.js';
import { UsageError } from '../errors.js';
import type { ResolvedOptions } from './options.js';

/** Text (special tokens are added as the tokenizer says), token ids (used as given), or a conversation (rendered by the chat template). */
export type Prompt = string | readonly number[] | { readonly messages: readonly ChatMessage[] };

/** What a prompt is turned into ids with. `tokenizer` throws a TokenizerError when the model has none. */
export interface PromptReader {
  tokenizer(): TextTokenizer;
  renderChat(messages: readonly ChatMessage[]): string;
}

/** The token ids of a prompt, each inside the vocabulary and at least one. */
export function promptTokens(prompt: Prompt, reader: PromptReader, vocabSize: number): readonly number[] {
  const ids = encode(prompt, reader);
  if (ids.length === 0) throw new UsageError('The prompt is empty; expected at least one token');
  const bad = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (bad >= 0) throw new UsageError(`Token ${String(ids[bad])} at position ${bad} of the prompt is outside the vocabulary; expected ids from 0 to ${vocabSize - 1}`);
  return ids;
}

function encode(prompt: Prompt, reader: PromptReader): readonly number[] {
  if (typeof prompt === 'string') {
    if (prompt === '') throw new UsageError('The prompt is empty; expected some text');
    return reader.tokenizer().encode(prompt);
  }
  if (isIdList(prompt)) return Array.from(prompt);
  if (typeof prompt === 'object' && prompt !== null && Array.isArray(prompt.messages)) {
    if (prompt.messages.length === 0) throw new UsageError('The conversation is empty; expected at least one message');
    return reader.tokenizer().encode(reader.renderChat(prompt.messages), { specialTokens: false });
  }
  throw new UsageError(`The prompt is ${prompt === null ? 'null' : typeof prompt}; expected a text, a list of token ids, or { messages }`);
}

function isIdList(prompt: Prompt): prompt is readonly number[] {
  return Array.isArray(prompt) || ArrayBuffer.isView(prompt);
}

/** Refuses a generation that would run past the model's positions. */
export function requirePositions(promptLength: number, options: ResolvedOptions, config: ModelConfig): void {
  // In class mode nothing follows the prompt.
  const newTokens = options.mode === 'class' ? 0 : options.maxNewTokens;
  if (promptLength + newTokens <= config.maxPositions) return;
  const room = config.maxPositions - promptLength;
  const hint = newTokens > 0 && room > 0 ? `; at most ${room} new tokens fit (maxNewTokens)` : '; shorten the prompt';
  throw new UsageError(`${promptLength} prompt tokens + ${newTokens} new tokens exceed the model's ${config.maxPositions} positions${hint}`);
}

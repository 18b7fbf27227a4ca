/**
 * Conversations → prompt text, by the checkpoint's own Jinja template (`chat_template.jinja`, or `chat_template` in
 * `tokenizer_config.json`), as Hugging Face renders it.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { Template } from '@huggingface/jinja';

import { TokenizerError } from '../errors.js';
import { describe, isObject, readTextFile } from './json.js';
import { readTokenizerJson } from './tokenizer.js';

const MAX_TEMPLATE_BYTES = 2 ** 20;

export interface ChatMessage {
  /** `system`, `user` or `assistant`; templates refuse others. */
  readonly role: string;
  readonly content: string;
}

export interface ChatTemplateOptions {
  /** End with the header of an assistant message, so that the model answers. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** Further variables of the template, e.g. `{ tools: [...] }`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface ChatTemplate {
  readonly source: string;
  /** Texts of the special tokens that templates write, e.g. `bos_token`; only those that the tokenizer defines. */
  readonly tokens: Readonly<Record<string, string>>;
  /** The file it came from, for errors. */
  readonly where: string;
}

/** Reads a directory's chat template. Throws TokenizerError when there is none. */
export function readChatTemplate(dir: string): ChatTemplate {
  const configPath = join(dir, 'tokenizer_config.json');
  const config = existsSync(configPath) ? readTokenizerJson(configPath) : {};
  const tokens = specialTokenTexts(config);
  const filePath = join(dir, 'chat_template.jinja');
  if (existsSync(filePath)) return { source: readTemplateFile(filePath), tokens, where: filePath };
  const source = templateOf(config['chat_template'], configPath);
  if (source === null) {
    throw new TokenizerError(`${dir}: no chat template (chat_template.jinja, or chat_template in tokenizer_config.json); is this a base model?`, {
      remedy: 'pass a plain prompt',
    });
  }
  return { source, tokens, where: configPath };
}

/** Renders messages. Throws TokenizerError when the template is malformed or refuses the messages. */
export function renderChatTemplate(template: ChatTemplate, messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): string {
  try {
    return new Template(template.source).render({
      ...template.tokens,
      ...options.variables,
      messages: messages.map((message) => ({ ...message })),
      add_generation_prompt: options.addGenerationPrompt ?? true,
    });
  } catch (cause) {
    throw new TokenizerError(`${template.where}: the chat template failed: ${(cause as Error).message}`, { cause });
  }
}

function readTemplateFile(path: string): string {
  try {
    return readTextFile(path, MAX_TEMPLATE_BYTES);
  } catch (cause) {
    throw new TokenizerError((cause as Error).message, { cause });
  }
}

/** A template is a string, or a list of named ones of which `default` is the one for conversations. */
function templateOf(value: unknown, where: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) {
    const entry = value.find((item: unknown) => isObject(item) && item['name'] === 'default') as Record<string, unknown> | undefined;
    if (typeof entry?.['template'] === 'string') return entry['template'];
  }
  throw new TokenizerError(`${where}: chat_template is ${describe(value)}; expected a string, or a list with an entry named "default"`);
}

/** `bos_token` and the like are strings, or objects whose `content` is the string. */
function specialTokenTexts(config: Record<string, unknown>): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const name of ['bos_token', 'eos_token', 'unk_token', 'pad_token']) {
    const value = config[name];
    const text = isObject(value) ? value['content'] : value;
    if (typeof text === 'string') texts[name] = text;
  }
  return texts;
}

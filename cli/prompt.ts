import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { FileError, UsageError } from '../runtime/errors.js';
import type { Prompt } from '../runtime/generate/prompt.js';

export interface PromptFlags {
  readonly prompt?: string;
  readonly promptFile?: string;
  readonly promptIds?: readonly number[];
  readonly chat?: boolean;
}

/** Exactly one of the three sources. Throws a UsageError that says which were given. */
export function requireOnePrompt(flags: PromptFlags): void {
  const given = [
    flags.prompt === undefined ? null : '--prompt',
    flags.promptFile === undefined ? null : '--prompt-file',
    flags.promptIds === undefined ? null : '--prompt-ids',
  ].filter((name) => name !== null);
  if (given.length === 0) throw new UsageError('no prompt; give one of --prompt TEXT, --prompt-file FILE (- is standard input), --prompt-ids 5,9,2');
  if (given.length > 1) throw new UsageError(`${given.join(' and ')} exclude each other; give one`);
  if (flags.chat === true && flags.promptIds !== undefined) throw new UsageError('--chat needs text; it cannot be used with --prompt-ids');
}

/** The prompt that the flags describe; `--chat` makes it the user's turn of a conversation. Throws FileError when the file cannot be read. */
export async function readPrompt(flags: PromptFlags): Promise<Prompt> {
  requireOnePrompt(flags);
  if (flags.promptIds !== undefined) return flags.promptIds;
  const text = flags.prompt ?? (await readPromptFile(flags.promptFile ?? ''));
  if (text === '') throw new UsageError(`the prompt is empty${flags.promptFile === undefined ? '' : ` (${flags.promptFile})`}; expected some text`);
  return flags.chat === true ? { messages: [{ role: 'user', content: text }] } : text;
}

async function readPromptFile(path: string): Promise<string> {
  if (path === '-') return readAll(process.stdin);
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new FileError(`the prompt file cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

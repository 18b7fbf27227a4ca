import { describe, expect, it } from 'vitest';

import type { TextTokenizer } from '../../../runtime/checkpoint/tokenizer.js';
import type { ModelConfig } from '../../../runtime/checkpoint/types.js';
import { UsageError } from '../../../runtime/errors.js';
import { resolveOptions } from '../../../runtime/generate/options.js';
import { promptTokens, requirePositions, type Prompt, type PromptReader } from '../../../runtime/generate/prompt.js';

/** Character codes, with 1 in front where special tokens are added. */
const reader: PromptReader = {
  tokenizer: () =>
    ({ encode: (text: string, options?: { specialTokens?: boolean }) => [...(options?.specialTokens === false ? [] : [1]), ...Buffer.from(text)] }) as unknown as TextTokenizer,
  renderChat: (messages) => messages.map(({ role, content }) => `${role}:${content};`).join(''),
};

describe('promptTokens', () => {
  it('encodes text with special tokens, conversations without, and takes ids as given', () => {
    expect(promptTokens('ab', reader, 256)).toEqual([1, 97, 98]);
    expect(promptTokens({ messages: [{ role: 'u', content: 'a' }] }, reader, 256)).toEqual([...Buffer.from('u:a;')]);
    expect(promptTokens([5, 0, 255], reader, 256)).toEqual([5, 0, 255]);
    expect(promptTokens(Int32Array.of(3, 4) as unknown as number[], reader, 256)).toEqual([3, 4]);
  });

  it.each<[unknown, string]>([
    ['', 'The prompt is empty'],
    [[], 'The prompt is empty'],
    [{ messages: [] }, 'The conversation is empty'],
    [[1, 256], 'Token 256 at position 1'],
    [[-1], 'Token -1 at position 0'],
    [[1.5], 'Token 1.5 at position 0'],
    [['7'], 'Token 7 at position 0'],
    [null, 'The prompt is null'],
    [7, 'The prompt is number'],
    [{ text: 'a' }, 'The prompt is object'],
  ])('refuses %j', (prompt, message) => {
    expect(() => promptTokens(prompt as Prompt, reader, 256)).toThrow(UsageError);
    expect(() => promptTokens(prompt as Prompt, reader, 256)).toThrow(message);
  });
});

describe('requirePositions', () => {
  const config = { maxPositions: 64 } as ModelConfig;

  it('allows what fits exactly', () => {
    requirePositions(60, resolveOptions({ maxNewTokens: 4 }), config);
    requirePositions(64, resolveOptions({ maxNewTokens: 99, mode: 'class' }), config);
  });

  it('refuses what does not, and says what would fit', () => {
    expect(() => requirePositions(60, resolveOptions({ maxNewTokens: 5 }), config)).toThrow('60 prompt tokens + 5 new tokens exceed the model\'s 64 positions; at most 4 new tokens fit');
    expect(() => requirePositions(65, resolveOptions({ mode: 'class' }), config)).toThrow('shorten the prompt');
  });
});

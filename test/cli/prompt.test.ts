import { describe, expect, it } from 'vitest';
import { readPrompt, requireOnePrompt } from '../../cli/prompt.js';

describe('requireOnePrompt', () => {
  it('names every source that was given', () => {
    expect(() => requireOnePrompt({ prompt: 'a', promptFile: 'b', promptIds: [1] })).toThrow(/--prompt and --prompt-file and --prompt-ids/);
    expect(() => requireOnePrompt({})).toThrow(/no prompt/);
    expect(() => requireOnePrompt({ promptIds: [] })).not.toThrow();
  });
});

describe('readPrompt', () => {
  it('makes a conversation of a chat prompt', async () => {
    expect(await readPrompt({ prompt: 'hello', chat: true })).toEqual({ messages: [{ role: 'user', content: 'hello' }] });
    expect(await readPrompt({ prompt: 'hello', chat: false })).toBe('hello');
  });
  it('passes ids through', async () => expect(await readPrompt({ promptIds: [3, 1] })).toEqual([3, 1]));
  it('refuses an empty text', async () => {
    await expect(readPrompt({ prompt: '' })).rejects.toMatchObject({ code: 'USAGE' });
  });
  it('names a file that cannot be read', async () => {
    await expect(readPrompt({ promptFile: '/nonexistent/prompt' })).rejects.toMatchObject({ code: 'FILE', message: expect.stringContaining('/nonexistent/prompt') as string });
  });
});

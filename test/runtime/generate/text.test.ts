import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { TextTokenizer } from '../../../runtime/checkpoint/tokenizer.js';
import type { GenerateOptions } from '../../../runtime/generate/options.js';
import { emptyReport, type RunRequest } from '../../../runtime/generate/run.js';
import { streamPieces, type Piece } from '../../../runtime/generate/text.js';
import type { Engine } from '../../../runtime/model/engine.js';
import { generateTokens, openTinyEngine, runRequest } from '../../support/tiny-engine.js';

const PROMPT = [5, 9, 2, 17];
const NEW = 8;
let engine: Engine;
let tokens: number[];

beforeAll(async () => {
  ({ engine } = await openTinyEngine());
  // The penalty keeps the tokens from repeating, so that every text below is unique.
  ({ tokens } = await generateTokens(engine, PROMPT, { maxNewTokens: NEW, repetitionPenalty: 1e6 }));
});
afterAll(() => engine[Symbol.asyncDispose]());

/** `<7>` for token 7; the last character of each token's text comes with the next token, as with unfinished characters. */
const lateTokenizer = {
  stream() {
    let late = '';
    return {
      push(id: number): string {
        const text = `${late}<${id}`;
        late = '>';
        return text;
      },
      flush: () => late,
    };
  },
} as unknown as TextTokenizer;

async function collect(tokenizer: TextTokenizer | null, options: GenerateOptions = {}, rest: Partial<RunRequest> = {}) {
  const pieces: Piece[] = [];
  const stream = streamPieces(engine, runRequest(PROMPT, { maxNewTokens: NEW, repetitionPenalty: 1e6, ...options }, rest), tokenizer, emptyReport());
  for (;;) {
    const next = await stream.next();
    if (next.done === true) return { pieces, text: pieces.map((piece) => piece.text).join(''), ids: pieces.map((piece) => piece.tokenId), reason: next.value };
    pieces.push(next.value);
  }
}

const written = (ids: readonly number[]): string => ids.map((id) => `<${id}>`).join('');

describe('streamPieces', () => {
  it('gives one piece per token, and what was held back with the last', async () => {
    const { pieces, text, ids, reason } = await collect(lateTokenizer);
    expect(new Set(tokens).size).toBe(NEW);
    expect(ids).toEqual(tokens);
    expect(pieces.map((piece) => piece.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(text).toBe(written(tokens));
    expect(pieces[0]!.text).toBe(`<${tokens[0]!}`);
    expect(reason).toBe('length');
  });

  it('ends before a stop text that spans tokens, and shows no part of it', async () => {
    const stop = `${tokens[2]!}><${tokens[3]!}>`;
    const { text, ids, reason } = await collect(lateTokenizer, { stop: ['nothing', stop] });
    expect(reason).toBe('stop');
    expect(text).toBe(`${written(tokens.slice(0, 2))}<`);
    // The closing bracket of the fourth token comes with the fifth.
    expect(ids).toEqual(tokens.slice(0, 5));
  });

  it('finds a stop text that only the flushed text completes', async () => {
    const { text, reason } = await collect(lateTokenizer, { stop: `${tokens[7]!}>` });
    expect(reason).toBe('stop');
    expect(text).toBe(`${written(tokens.slice(0, 7))}<`);
  });

  it('shows what looked like a stop text after all, at the end', async () => {
    const { text, reason } = await collect(lateTokenizer, { stop: `<${tokens[7]!}>and more` });
    expect(reason).toBe('length');
    expect(text).toBe(written(tokens));
  });

  it('writes nothing for the end-of-sequence token', async () => {
    const { text, ids, reason } = await collect(lateTokenizer, {}, { eosTokenIds: [tokens[3]!] });
    expect({ text, reason }).toEqual({ text: written(tokens.slice(0, 3)), reason: 'eos' });
    expect(ids).toEqual(tokens.slice(0, 4));
  });

  it('gives ids alone without a tokenizer', async () => {
    expect(await collect(null)).toMatchObject({ text: '', ids: tokens, reason: 'length' });
  });

  it('says that it was aborted', async () => {
    const controller = new AbortController();
    const stream = streamPieces(engine, runRequest(PROMPT, { signal: controller.signal }), null, emptyReport());
    await stream.next();
    controller.abort();
    expect(await stream.next()).toEqual({ done: true, value: 'aborted' });
  });
});

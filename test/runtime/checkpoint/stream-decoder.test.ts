import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createStreamDecoder } from '../../../runtime/checkpoint/stream-decoder.js';
import { type TextTokenizer, createTokenizer } from '../../../runtime/checkpoint/tokenizer.js';
import { byteFallbackDefinition, byteLevelDefinition, byteToken } from '../../support/byte-tokenizers.js';

const tokenizers: [string, TextTokenizer][] = [
  ['byte-level', createTokenizer(byteLevelDefinition(), {}, 'tokenizer.json')],
  ['byte-fallback', createTokenizer(byteFallbackDefinition(), {}, 'tokenizer.json')],
];

const bytesOf = (text: string): number[] => [...new TextEncoder().encode(text)].map(byteToken);

describe.each(tokenizers)('streaming with a %s tokenizer', (_name, tokenizer) => {
  const pieces = (ids: readonly number[], context: readonly number[] = []): string[] => {
    const stream = tokenizer.stream({ context });
    return [...ids.map((id) => stream.push(id)), stream.flush()];
  };

  it('holds a character back until it is whole', () => {
    expect(pieces(bytesOf('é😀語x'))).toEqual(['', 'é', '', '', '', '😀', '', '', '語', 'x', '']);
  });

  it('emits an invalid byte once it cannot become a character', () => {
    expect(pieces([byteToken(0xf0), byteToken(0x61), byteToken(0xff), byteToken(0x62)]).join('')).toBe('\uFFFDa\uFFFDb');
    expect(pieces([byteToken(0x61), byteToken(0xe4)])).toEqual(['a', '', '\uFFFD']);
  });

  it('finishes a character that the context began', () => {
    expect(pieces(bytesOf('😀!').slice(2), bytesOf('a😀').slice(0, 3))).toEqual(['', '😀', '!', '']);
  });

  it('says nothing for special tokens, and keeps the space behind them', () => {
    const [the] = tokenizer.encode(' the', { specialTokens: false }).slice(-1);
    const ids = [...bytesOf('ab'), 1, 1, the as number, 0, ...bytesOf('c')];
    expect(pieces(ids).join('')).toBe(tokenizer.decode(ids));
  });

  it('adds up to the text of all ids, for any text', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.constantFrom(' the', 'the lo', ' ', '  ', '\n')), { maxLength: 12 }), (words) => {
        const ids = tokenizer.encode(words.join(''));
        const said = pieces(ids);
        expect(said.join('')).toBe(tokenizer.decode(ids));
        for (const piece of said) expect(/\p{Surrogate}/u.test(piece)).toBe(false);
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  it('adds up to the text of all ids, for any bytes', () => {
    const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0x80, 0xbf, 0xe4, 0xf0, 0x20, 0x61), fc.constantFrom(-3, -2)).map((b) => byteToken(b));
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 80 }), (ids) => {
        expect(pieces(ids).join('')).toBe(tokenizer.decode(ids));
      }),
      { seed: 4, numRuns: 300 },
    );
  });

  it('adds up with any context in front', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.string({ unit: 'grapheme', maxLength: 30 }), (before, after) => {
        const context = tokenizer.encode(before);
        const ids = tokenizer.encode(after, { specialTokens: false });
        const whole = tokenizer.decode([...context, ...ids]);
        expect(pieces(ids, context).join('')).toBe(whole.slice(tokenizer.decode(context).length));
      }),
      { seed: 5, numRuns: 200 },
    );
  });
});

describe('the window', () => {
  it('stays short over a long stream, whatever the bytes', () => {
    const tokenizer = (tokenizers[0] as [string, TextTokenizer])[1];
    for (const text of ['word and space ', '語', '\u00ff']) {
      let longest = 0;
      const stream = createStreamDecoder((ids) => {
        longest = Math.max(longest, ids.length);
        return tokenizer.decode(ids);
      });
      for (const id of bytesOf(text.repeat(200))) stream.push(id);
      expect(longest).toBeLessThan(24);
    }
    let longest = 0;
    const stream = createStreamDecoder((ids) => ((longest = Math.max(longest, ids.length)), tokenizer.decode(ids)));
    for (let i = 0; i < 1000; i++) stream.push(byteToken(i % 3 === 0 ? 0x61 : 0x80 + (i % 64)));
    expect(longest).toBeLessThan(64);
  });
});

import { describe, expect, it } from 'vitest';

import { checkTokenizerDefinition } from '../../../runtime/checkpoint/tokenizer-definition.js';
import { TokenizerError } from '../../../runtime/errors.js';
import { byteFallbackDefinition, byteLevelDefinition } from '../../support/byte-tokenizers.js';

const added_tokens: unknown[] = [];
const model = { type: 'BPE', vocab: { a: 0, b: 1 } };

describe('checkTokenizerDefinition', () => {
  it('accepts the kinds that exist', () => {
    for (const definition of [
      byteLevelDefinition(),
      byteFallbackDefinition(),
      { model, added_tokens: [] },
      { model: { vocab: { a: 5 } }, added_tokens: [] },
      { model: { type: 'Unigram', vocab: [['a', -1.5], ['b', 0]] }, added_tokens: [{ id: 2, content: 'x' }] },
      { model, added_tokens: [{ id: 32000, content: 'far' }] },
    ]) {
      expect(() => checkTokenizerDefinition(definition, 'tokenizer.json')).not.toThrow();
    }
  });

  it.each([
    [{}, /model is nothing/],
    [{ model: [] }, /model is \[\]/],
    [{ model: { ...model, type: 'WordLevel' } }, /unsupported tokenizer model "WordLevel"; supported: BPE, Unigram, WordPiece/],
    [{ added_tokens, model: { type: 'BPE' } }, /the vocabulary is nothing/],
    [{ added_tokens, model: { type: 'BPE', vocab: { a: 2 ** 31 } } }, /token "a" has id 2147483648; expected an integer from 0 to 65538 in a vocabulary of 1 tokens/],
    [{ added_tokens, model: { type: 'BPE', vocab: { a: -1 } } }, /has id -1/],
    [{ added_tokens, model: { type: 'BPE', vocab: { a: 0.5 } } }, /has id 0.5/],
    [{ added_tokens, model: { type: 'BPE', vocab: { a: '0' } } }, /has id "0"/],
    [{ added_tokens, model: { type: 'Unigram', vocab: [['a', 0], ['b']] } }, /vocabulary entry 1 is \["b"\]/],
    [{ model }, /added_tokens is nothing; expected an array/],
    [{ model, added_tokens: {} }, /added_tokens is \{\}/],
    [{ model, added_tokens: [{ id: 1 }] }, /added token \{"id":1\}/],
    [{ model, added_tokens: [{ id: 1e12, content: 'x' }] }, /token "x" has id 1000000000000/],
  ])('refuses %j', (definition, message) => {
    expect(() => checkTokenizerDefinition(definition, 'here')).toThrow(message);
    expect(() => checkTokenizerDefinition(definition, 'here')).toThrow(TokenizerError);
  });
});

import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { createTokenizer, hasTokenizer, readTokenizer } from '../../../runtime/checkpoint/tokenizer.js';
import { TokenizerError } from '../../../runtime/errors.js';
import { packageRoot } from '../../../runtime/paths.js';
import { byteFallbackDefinition, byteLevelDefinition, byteToken } from '../../support/byte-tokenizers.js';
import { temporaryDirectories } from '../../support/temp-dir.js';

const freshDir = temporaryDirectories('tokenizer');
const demo = join(packageRoot(), 'models/demo-llama-7m');

describe('the tokenizer of the demo model', () => {
  const tokenizer = readTokenizer(demo);

  it.each(['eval-kjv.txt', 'eval-python.txt'])('gives back every line of %s', (file) => {
    const lines = readFileSync(join(demo, file), 'utf8').split('\n').filter((line) => line !== '').slice(0, 400);
    expect(lines.length).toBeGreaterThan(100);
    for (const line of lines) {
      const ids = tokenizer.encode(line);
      expect(ids[0]).toBe(0);
      expect(ids.every((id) => id < tokenizer.vocabSize)).toBe(true);
      expect(tokenizer.decode(ids)).toBe(line);
      expect(tokenizer.encode(line, { specialTokens: false })).toEqual(ids.slice(1));
      const stream = tokenizer.stream();
      expect(ids.map((id) => stream.push(id)).join('') + stream.flush()).toBe(line);
    }
  });

  it('gives the ids that the recorded prompt was made of', () => {
    const { cases } = JSON.parse(readFileSync(join(demo, 'expected.json'), 'utf8')) as { cases: { prompt: number[] }[] };
    const prompt = (cases[0] as { prompt: number[] }).prompt;
    const text = tokenizer.decode(prompt);
    expect(text.length).toBeGreaterThan(20);
    expect(tokenizer.encode(text)).toEqual(prompt);
  });

  it('knows its special tokens', () => {
    expect(tokenizer.vocabSize).toBe(4096);
    expect(tokenizer.tokenId('<s>')).toBe(0);
    expect(tokenizer.tokenId('</s>')).toBe(1);
    expect(tokenizer.tokenId('no such token')).toBeNull();
    expect([...tokenizer.specialIds]).toEqual([0, 1, 2]);
    const ids = tokenizer.encode('abc</s>', { specialTokens: false });
    expect(ids.at(-1)).toBe(1);
    expect(tokenizer.decode(ids)).toBe('abc');
    expect(tokenizer.decode(ids, { specialTokens: true })).toBe('abc</s>');
  });

  it('decodes nothing, ids beyond the vocabulary, and spaces in front of punctuation as they are', () => {
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.decode([0])).toBe('');
    expect(tokenizer.decode([99999])).toBe('');
    for (const text of ["x . y , z ! don 't", '  two  spaces ', '\n\ttab', 'naïve 😀 語']) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    expect(tokenizer.encode('')).toEqual([0]);
  });
});

describe('a SentencePiece-style tokenizer', () => {
  const tokenizer = createTokenizer(byteFallbackDefinition(), {}, 'tokenizer.json');

  it('puts a space in front and takes it away', () => {
    const ids = tokenizer.encode('the lo é');
    expect(tokenizer.decode(ids)).toBe('the lo é');
    expect(ids.slice(-2)).toEqual([byteToken(0xc3), byteToken(0xa9)]);
  });

  it('streams a continuation with the space that the prompt leaves it', () => {
    const [prompt, next] = [tokenizer.encode('lo'), tokenizer.encode(' the', { specialTokens: false }).slice(1)];
    const alone = tokenizer.stream();
    expect(next.map((id) => alone.push(id)).join('')).toBe('the');
    const after = tokenizer.stream({ context: prompt });
    expect(next.map((id) => after.push(id)).join('')).toBe(' the');
  });
});

describe('readTokenizer', () => {
  it('says what is missing, and how to go on without', () => {
    const dir = freshDir();
    expect(hasTokenizer(dir)).toBe(false);
    expect(() => readTokenizer(dir)).toThrow(/tokenizer.json: does not exist; text needs a tokenizer\n {2}try: .*--prompt-ids/);
    writeFileSync(join(dir, 'tokenizer.model'), '');
    expect(() => readTokenizer(dir)).toThrow(/tokenizer.model alone is not enough/);
    expect(() => readTokenizer(dir)).toThrow(TokenizerError);
  });

  it('works without tokenizer_config.json', () => {
    const dir = freshDir();
    cpSync(join(demo, 'tokenizer.json'), join(dir, 'tokenizer.json'));
    expect(readTokenizer(dir).encode('In the')[0]).toBe(0);
    writeFileSync(join(dir, 'tokenizer_config.json'), 'null');
    expect(() => readTokenizer(dir)).toThrow(TokenizerError);
    rmSync(join(dir, 'tokenizer_config.json'));
  });

  it.each([
    ['{}'], ['[]'], [JSON.stringify({ ...byteLevelDefinition(), model: { type: 7 } })], ['{"model":'], ['{"a":1,"a":1}'],
    [JSON.stringify({ ...byteLevelDefinition(), model: { type: 'NoSuchModel', vocab: {} } })],
    [JSON.stringify({ ...byteLevelDefinition(), added_tokens: 5 })],
    [JSON.stringify({ ...byteLevelDefinition(), decoder: { type: 'NoSuchDecoder' } })],
    [JSON.stringify({ ...byteLevelDefinition(), model: null })],
  ])('refuses a malformed definition (%#)', (text) => {
    const dir = freshDir();
    writeFileSync(join(dir, 'tokenizer.json'), text);
    expect(() => readTokenizer(dir)).toThrow(TokenizerError);
    expect(() => readTokenizer(dir)).toThrow(/tokenizer.json/);
  });
});

it('refuses a post-processor that adds a token without an id', () => {
  const definition = { ...byteLevelDefinition(), post_processor: { type: 'TemplateProcessing', single: [{ SpecialToken: { id: '<x>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }] } };
  const tokenizer = createTokenizer(definition, {}, 'tokenizer.json');
  expect(() => tokenizer.encode('a')).toThrow(/the piece "<x>" has no id in the vocabulary/);
  expect(tokenizer.encode('a', { specialTokens: false })).toHaveLength(1);
});

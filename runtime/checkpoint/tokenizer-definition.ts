/**
 * Checks of `tokenizer.json` before the tokenizer library gets it. The library believes ids: one id of 2^31 makes it walk a table of that
 * length. So ids must be as dense as real vocabularies are, and unknown kinds of models, which it would take for another, are refused.
 */
import { TokenizerError } from '../errors.js';
import { describe, isObject, shorten } from './json.js';

const MODEL_TYPES: readonly unknown[] = ['BPE', 'Unigram', 'WordPiece'];

/** Gaps that a vocabulary may have, in ids: reserved ranges of real ones have a few thousand. */
const ALLOWED_GAPS = 65536;

/** Throws TokenizerError, naming `where`, unless the model's type, vocabulary and added tokens are well-formed. */
export function checkTokenizerDefinition(definition: Record<string, unknown>, where: string): void {
  const fail = (problem: string): never => {
    throw new TokenizerError(`${where}: ${problem}`);
  };
  const model = definition['model'];
  if (!isObject(model)) return fail(`model is ${describe(model)}; expected an object`);
  // Definitions from before 2021 leave the type out; the library infers it.
  if (model['type'] !== undefined && !MODEL_TYPES.includes(model['type'])) {
    fail(`unsupported tokenizer model ${describe(model['type'])}; supported: ${MODEL_TYPES.join(', ')}`);
  }
  const vocab = model['vocab'];
  const added = definition['added_tokens'];
  if (!Array.isArray(added)) return fail(`added_tokens is ${describe(added)}; expected an array`);
  let tokens = added.length;
  const ids: [string, unknown][] = added.map((token: unknown) => {
    if (!isObject(token) || typeof token['content'] !== 'string') return fail(`added token ${describe(token)}; expected an object with id and content`);
    return [token['content'], token['id']];
  });
  if (Array.isArray(vocab)) {
    const bad = vocab.findIndex((entry: unknown) => !Array.isArray(entry) || typeof entry[0] !== 'string' || typeof entry[1] !== 'number');
    if (bad >= 0) fail(`vocabulary entry ${bad} is ${describe(vocab[bad])}; expected a token and its score`);
    tokens += vocab.length;
  } else if (isObject(vocab)) {
    const entries = Object.entries(vocab);
    tokens += entries.length;
    for (const entry of entries) ids.push(entry);
  } else {
    fail(`the vocabulary is ${describe(vocab)}; expected an object of token → id, or an array of tokens with scores`);
  }
  const largest = 2 * tokens + ALLOWED_GAPS;
  for (const [token, id] of ids) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > largest) {
      fail(`token ${JSON.stringify(shorten(token))} has id ${describe(id)}; expected an integer from 0 to ${largest} in a vocabulary of ${tokens} tokens`);
    }
  }
}

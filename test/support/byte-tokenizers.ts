/**
 * Two tiny tokenizer definitions in which every byte is a token, so that characters are spread over tokens wherever they can be.
 */

type Json = Record<string, unknown>;

const SPECIAL = ['<s>', '</s>', '<unk>'];

function addedTokens(): Json[] {
  return SPECIAL.map((content, id) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }));
}

const BOS_TEMPLATE = {
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
  special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] } },
};

/** The printable stand-ins that byte-level BPE uses for the 256 bytes (GPT-2's table). */
function byteLevelAlphabet(): string[] {
  const printable = (b: number): boolean => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(printable(b) ? b : next++));
}

/** Byte-level BPE without merges but a few English ones: token of byte b is 3 + b. */
export function byteLevelDefinition(): Json {
  const alphabet = byteLevelAlphabet();
  const merges = [['Ġ', 't'], ['h', 'e'], ['Ġt', 'he']];
  const vocab = Object.fromEntries([...SPECIAL, ...alphabet, ...merges.map(([a, b]) => `${a}${b}`)].map((token, id) => [token, id]));
  return {
    version: '1.0', truncation: null, padding: null, added_tokens: addedTokens(), normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: BOS_TEMPLATE,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, vocab, merges },
  };
}

/** The SentencePiece style of Llama 2: `▁` for spaces, one put in front, byte tokens `<0x00>`… (id 3 + byte) for what is not in the vocabulary. */
export function byteFallbackDefinition(): Json {
  const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);
  const merges = [['▁', 't'], ['h', 'e'], ['▁t', 'he'], ['l', 'o']];
  const letters = ['▁', ...'abcdefghijklmnopqrstuvwxyz.,'];
  const vocab = Object.fromEntries([...SPECIAL, ...bytes, ...letters, ...merges.map(([a, b]) => `${a}${b}`)].map((token, id) => [token, id]));
  return {
    version: '1.0', truncation: null, padding: null, added_tokens: addedTokens(),
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, { type: 'Replace', pattern: { String: ' ' }, content: '▁' }] },
    pre_tokenizer: null,
    post_processor: BOS_TEMPLATE,
    decoder: {
      type: 'Sequence',
      decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }],
    },
    model: { type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true, byte_fallback: true, vocab, merges },
  };
}

/** The id of a byte's token in both. */
export function byteToken(byte: number): number {
  return 3 + byte;
}

import { seededRandom } from '../support/random.js';
import { BASE_COUNT } from './base-files.js';
import type { Mutation, Recipe } from './mutations.js';

/** JSON texts that have broken parsers: limits of integers and doubles, wrong kinds, names that mean something to JavaScript or to a file system. */
const RAW = [
  '0', '-0', '-1', '1', '2', '3', '4', '7', '0.5', '1e308', '1e999', '-1e999', '2147483647', '2147483648', '4294967295', '4294967296', '1099511627776',
  '9007199254740991', '9007199254740992', '9007199254740993', '18446744073709551615', '1e-320', 'null', 'true', 'false', '""', '[]', '{}', '[0]', '[0,0]',
  '[0,16]', '[16,0]', '[-1,4]', '[4294967296,4294967296]', '[1,1,1,1,1,1,1,1,1,1]', '"F32"', '"F16"', '"BF16"', '"I64"', '"F64"', '"F8_E4M3"', '"f32"', '"float64"',
  '"../x.safetensors"', '"/x.safetensors"', '"model-00001-of-00002.safetensors"', '"config.json"', '"\\u0000.safetensors"', '"__proto__"', '"\\ud800"',
  '{"__proto__":1}', '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}', `${'['.repeat(200)}${']'.repeat(200)}`, '"linear"', '"llama3"', '"yarn"', '{"type":"linear","factor":2}',
  '{"rope_type":"llama3"}', '["LlamaForCausalLM"]', '"relu"', '"swish"', '"BPE"', '"Unigram"', '"WordPiece"', '"Sequence"', '"ByteLevel"',
];

const NAMES = [
  '__metadata__', '__proto__', 'constructor', 'hasOwnProperty', '', 'lm_head.weight', 'model.norm.weight', 'model.layers.0.mlp.up_proj.weight',
  'model.layers.1.input_layernorm.weight', 'model.layers.999999999.x', 'model.layers.0.self_attn.q_proj.bias', 'rotary_emb.inv_freq', 'weight_map', 'head_dim',
  'rope_parameters', 'shape', 'dtype', 'type', 'vocab', 'content',
];

const LENGTHS = ['0', '1', '2', '7', '8', '9', '255', '256', '65536', '4294967295', '4294967296', '26214400', '26214401', '9223372036854775807', '9223372036854775808', '18446744073709551615', '18446744073709551608'];

const TEXTS = ['{', '}', '[', ']', ',', ':', '"', '\\', '\u0000', ' ', '\n', 'null', '1', '-', 'e', '.', '{"a":', '"a":1,', '\ufeff', '\ud7ff', '/*', '//', 'NaN', 'Infinity'];

/** The recipe of a seed: one, two or four mutations of one of the bases. */
export function recipeOf(seed: number): Recipe {
  const random = seededRandom(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  const bytes = (most: number): number[] => Array.from({ length: 1 + below(most) }, () => (below(3) === 0 ? pick([0, 1, 0x7f, 0x80, 0xff, 0x22, 0x7b, 0x7d]) : below(256)));
  const mutation = (): Mutation => {
    const file = below(1000);
    // Early bytes matter most in these formats: the length field and the header.
    const at = below(2) === 0 ? below(64) : below(1_000_000);
    const place = below(1_000_000);
    switch (below(20)) {
      case 0:
      case 1: return { op: 'flip', file, at, bit: below(8) };
      case 2: return { op: 'write', file, at, bytes: bytes(8) };
      case 3: return { op: 'truncate', file, at };
      case 4: return { op: 'append', file, bytes: bytes(64) };
      case 5: return { op: 'remove', file };
      case 6: return { op: 'copy', file, over: below(1000) };
      case 7: return { op: 'length', file, value: pick(LENGTHS) };
      case 8: return { op: 'insert', file, at: place, text: pick(TEXTS) };
      case 9: return { op: 'drop', file, at: place };
      case 10: return { op: 'repeat', file, at: place, raw: pick(RAW) };
      case 11: return { op: 'rename', file, at: place, name: pick(NAMES) };
      case 12:
      case 13: return { op: 'exchange', file, at: place, with: below(1_000_000) };
      case 14:
      case 15:
      case 16: return { op: 'scale', file, at: place, times: pick([1, 1, 1, 2, 0.5, -1, 1e6]), plus: pick([0, 1, -1, 2, 4, -4, 0.5]) };
      default: return { op: 'set', file, at: place, raw: pick(RAW) };
    }
  };
  return { base: below(BASE_COUNT), mutations: Array.from({ length: pick([1, 1, 1, 2, 2, 4]) }, mutation) };
}

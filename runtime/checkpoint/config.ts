/**
 * `config.json` → ModelConfig. Field names, aliases and defaults are those of Hugging Face's model definitions; each supported
 * architecture is one entry of a table, so that another one is data plus its own field names.
 */
import { z } from 'zod';

import { CheckpointError } from '../errors.js';
import { describe, isObject, readJsonObject } from './json.js';
import type { Activation, ModelConfig, RopeScaling, WeightDtype } from './types.js';

/** Names that mean the same function. `gelu_new`, `gelu_fast` and `gelu_accurate` are three spellings of the tanh approximation. */
const ACTIVATION_NAMES: ReadonlyMap<string, Activation> = new Map([
  ['silu', 'silu'],
  ['swish', 'silu'],
  ['gelu', 'gelu'],
  ['gelu_python', 'gelu'],
  ['gelu_pytorch_tanh', 'gelu_pytorch_tanh'],
  ['gelu_new', 'gelu_pytorch_tanh'],
  ['gelu_fast', 'gelu_pytorch_tanh'],
  ['gelu_accurate', 'gelu_pytorch_tanh'],
  ['relu', 'relu'],
]);

const DTYPE_NAMES: ReadonlyMap<string, WeightDtype> = new Map([
  ['float32', 'f32'],
  ['float', 'f32'],
  ['float16', 'f16'],
  ['half', 'f16'],
  ['bfloat16', 'bf16'],
]);

/** Sizes past these belong to no model that exists; far below where products of sizes leave the exact integers. */
const size = (largest: number) => z.number().int().min(1).max(largest);
const orNull = <T extends z.ZodType>(schema: T) => schema.nullish();
const tokenId = z.number().int().min(0).max(2 ** 31 - 1);

const llamaSchema = z.object({
  hidden_size: size(2 ** 17).default(4096),
  intermediate_size: size(2 ** 20).default(11008),
  num_hidden_layers: size(4096).default(32),
  num_attention_heads: size(4096).default(32),
  num_key_value_heads: orNull(size(4096)),
  head_dim: orNull(size(4096)),
  hidden_act: z.string().default('silu'),
  max_position_embeddings: size(2 ** 30).default(2048),
  rms_norm_eps: z.number().min(0).max(1).default(1e-6),
  rope_theta: orNull(z.number().positive()),
  rope_scaling: z.unknown().optional(),
  rope_parameters: z.unknown().optional(),
  vocab_size: size(2 ** 24).default(32000),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  bos_token_id: orNull(tokenId).default(1),
  eos_token_id: orNull(z.union([tokenId, z.array(tokenId).max(1024)])).default(2),
  torch_dtype: orNull(z.string()),
  dtype: orNull(z.string()),
  quantization_config: z.unknown().optional(),
});

interface ArchitectureEntry {
  readonly modelType: string;
  readonly parse: (raw: Record<string, unknown>, where: string) => ModelConfig;
}

/** Keyed by the class name in `architectures`. */
const ARCHITECTURES: ReadonlyMap<string, ArchitectureEntry> = new Map([['LlamaForCausalLM', { modelType: 'llama', parse: parseLlama }]]);

export const SUPPORTED_ARCHITECTURES: readonly string[] = [...ARCHITECTURES.keys()];

/** Reads and normalises a `config.json`. Throws FileError or CheckpointError (naming the field). */
export function readModelConfig(path: string): ModelConfig {
  return parseModelConfig(readJsonObject(path, 'pass the directory of a downloaded Hugging Face checkpoint'), path);
}

/** Normalises the contents of a `config.json`; `where` names the source in errors. */
export function parseModelConfig(raw: unknown, where: string): ModelConfig {
  if (!isObject(raw)) throw new CheckpointError(`${where}: ${describe(raw)}; expected an object`);
  return architectureOf(raw, where).parse(raw, where);
}

function architectureOf(raw: Record<string, unknown>, where: string): ArchitectureEntry {
  const { architectures, model_type: modelType } = raw;
  const supported = [...ARCHITECTURES].map(([name, { modelType: type }]) => `${name} (model_type ${type})`).join(', ');
  if (architectures === undefined || architectures === null) {
    const entry = [...ARCHITECTURES.values()].find((candidate) => candidate.modelType === modelType);
    if (entry !== undefined) return entry;
    throw new CheckpointError(`${where}: model_type is ${describe(modelType)} and architectures is missing; supported: ${supported}`);
  }
  const name: unknown = Array.isArray(architectures) ? architectures[0] : undefined;
  const entry = typeof name === 'string' ? ARCHITECTURES.get(name) : undefined;
  if (entry === undefined) throw new CheckpointError(`${where}: unsupported architecture ${describe(name ?? architectures)}; supported: ${supported}`);
  if (modelType !== undefined && modelType !== entry.modelType) {
    throw new CheckpointError(`${where}: architectures says ${describe(name)}, model_type says ${describe(modelType)}; expected "${entry.modelType}"`);
  }
  return entry;
}

function parseLlama(raw: Record<string, unknown>, where: string): ModelConfig {
  const fields = parseFields(llamaSchema, raw, where);
  const fail = (problem: string): never => {
    throw new CheckpointError(`${where}: ${problem}`);
  };
  if (fields.quantization_config !== undefined && fields.quantization_config !== null) {
    const method = isObject(fields.quantization_config) ? fields.quantization_config['quant_method'] : fields.quantization_config;
    fail(`quantization_config (${describe(method)}) means quantised weights; supported: F32, F16 and BF16 weights without quantization_config`);
  }
  const heads = fields.num_attention_heads;
  const kvHeads = fields.num_key_value_heads ?? heads;
  if (heads % kvHeads !== 0) fail(`num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`);
  const ownHeadDim = fields.head_dim ?? null;
  if (ownHeadDim === null && fields.hidden_size % heads !== 0) {
    fail(`hidden_size ${fields.hidden_size} is not a multiple of num_attention_heads ${heads}, and there is no head_dim`);
  }
  const headDim = ownHeadDim ?? fields.hidden_size / heads;
  if (headDim % 2 !== 0) fail(`head_dim ${headDim}${ownHeadDim === null ? ' (hidden_size / num_attention_heads)' : ''} is odd; rotary embedding needs an even one`);
  const rope = parseRope(fields, where);
  const vocabSize = fields.vocab_size;
  const eosTokenIds = fields.eos_token_id === null ? [] : [fields.eos_token_id].flat();
  for (const [field, ids] of [['bos_token_id', fields.bos_token_id === null ? [] : [fields.bos_token_id]], ['eos_token_id', eosTokenIds]] as const) {
    for (const id of ids) if (id >= vocabSize) fail(`${field} ${id} is outside the vocabulary of ${vocabSize} tokens (vocab_size)`);
  }
  return {
    architecture: 'LlamaForCausalLM',
    hiddenSize: fields.hidden_size,
    intermediateSize: fields.intermediate_size,
    layers: fields.num_hidden_layers,
    heads,
    kvHeads,
    headDim,
    vocabSize,
    maxPositions: fields.max_position_embeddings,
    rmsNormEps: fields.rms_norm_eps,
    activation: parseActivation(fields.hidden_act, 'hidden_act', where),
    gated: true,
    tiedEmbeddings: fields.tie_word_embeddings,
    attentionBias: fields.attention_bias,
    mlpBias: fields.mlp_bias,
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    bosTokenId: fields.bos_token_id,
    eosTokenIds,
    dtype: parseDtype(fields.dtype ?? fields.torch_dtype ?? 'float32', where),
  };
}

/** Checks `raw` against a schema; the error names each wrong field, what was found and what was expected. */
export function parseFields<T extends z.ZodType>(schema: T, raw: Record<string, unknown>, where: string): z.infer<T> {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const problems = result.error.issues.slice(0, 5).map((issue) => {
    const found = issue.path.reduce<unknown>((value, key) => (typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined), raw);
    return `${issue.path.join('.')} is ${describe(found)}: ${issue.message}`;
  });
  throw new CheckpointError(`${where}: ${problems.join('; ')}`);
}

function parseActivation(name: string, field: string, where: string): Activation {
  const activation = ACTIVATION_NAMES.get(name);
  if (activation === undefined) throw new CheckpointError(`${where}: unsupported ${field} ${describe(name)}; supported: ${[...ACTIVATION_NAMES.keys()].join(', ')}`);
  return activation;
}

function parseDtype(name: string, where: string): WeightDtype {
  const dtype = DTYPE_NAMES.get(name.replace(/^torch\./, ''));
  if (dtype === undefined) throw new CheckpointError(`${where}: unsupported torch_dtype ${describe(name)}; supported: float32, float16, bfloat16`);
  return dtype;
}

const positive = z.number().positive();

const linearSchema = z.object({ factor: z.number().min(1) });

const llama3Schema = z
  .object({
    factor: z.number().min(1),
    low_freq_factor: positive,
    high_freq_factor: positive,
    original_max_position_embeddings: size(2 ** 30),
  })
  .refine((fields) => fields.high_freq_factor > fields.low_freq_factor, { path: ['high_freq_factor'], message: 'expected more than low_freq_factor' });

/**
 * Position encoding from either form: `rope_theta` + `rope_scaling` (null, or an object whose `rope_type` or older `type` names the
 * scaling), or the newer single `rope_parameters` object that holds both. Formulas of the scalings: Hugging Face's modeling_rope_utils.
 */
function parseRope(
  fields: { rope_theta?: number | null | undefined; rope_scaling?: unknown; rope_parameters?: unknown },
  where: string,
): { theta: number; scaling: RopeScaling | null } {
  const field = fields.rope_parameters !== undefined && fields.rope_parameters !== null ? 'rope_parameters' : 'rope_scaling';
  const source = fields[field] ?? null;
  if (source === null) return { theta: fields.rope_theta ?? 10000, scaling: null };
  if (!isObject(source)) throw new CheckpointError(`${where}: ${field} is ${describe(source)}; expected null or an object`);
  const inner = `${where}: ${field}`;
  const { rope_theta: ownTheta } = parseFields(z.object({ rope_theta: orNull(positive) }), source, inner);
  return { theta: ownTheta ?? fields.rope_theta ?? 10000, scaling: parseRopeScaling(source, inner) };
}

function parseRopeScaling(source: Record<string, unknown>, where: string): RopeScaling | null {
  const type = source['rope_type'] ?? source['type'];
  if (type === undefined && source['factor'] === undefined) return null;
  switch (type) {
    case 'default':
      return null;
    case 'linear':
      return { type: 'linear', factor: parseFields(linearSchema, source, where).factor };
    case 'llama3': {
      const fields = parseFields(llama3Schema, source, where);
      return {
        type: 'llama3',
        factor: fields.factor,
        lowFreqFactor: fields.low_freq_factor,
        highFreqFactor: fields.high_freq_factor,
        originalMaxPositions: fields.original_max_position_embeddings,
      };
    }
    default:
      throw new CheckpointError(`${where}: unsupported rope_type ${describe(type)}; supported: default, linear, llama3`);
  }
}

/**
 * What a model's weights are on the device (`slots`: shape and kind of every buffer of ModelWeights) and how each architecture's
 * checkpoint tensors map into them (`sources`). Pure data and arithmetic: loading, synthetic weights and size accounting all follow it.
 */
import { CheckpointError } from '../errors.js';
import type { LayerWeights, ModelConfig } from './types.js';

export type GlobalSlotName = 'embed' | 'finalNorm' | 'lmHead';
export type LayerSlotName = keyof LayerWeights;

export interface Slot {
  /** Matrices keep the checkpoint's element type; vectors are widened to f32. */
  readonly kind: 'matrix' | 'vector';
  /** Row-major, innermost last. */
  readonly shape: readonly number[];
}

/** Buffers of the whole model. `lmHead` is absent when it is the embedding itself. */
export function globalSlots(config: ModelConfig): Readonly<Partial<Record<GlobalSlotName, Slot>>> {
  const table: Slot = { kind: 'matrix', shape: [config.vocabSize, config.hiddenSize] };
  return {
    embed: table,
    finalNorm: { kind: 'vector', shape: [config.hiddenSize] },
    ...(config.tiedEmbeddings ? {} : { lmHead: table }),
  };
}

/** Buffers of one layer. Absent biases have no entry. Layouts: docs/design.md, "Data layouts". */
export function layerSlots(config: ModelConfig): Readonly<Partial<Record<LayerSlotName, Slot>>> {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim, gated } = config;
  const matrix = (...shape: number[]): Slot => ({ kind: 'matrix', shape });
  const vector = (...shape: number[]): Slot => ({ kind: 'vector', shape });
  const qkvRows = (heads + 2 * kvHeads) * headDim;
  const inputs = gated ? 2 : 1;
  return {
    inputNorm: vector(hiddenSize),
    qkv: matrix(qkvRows, hiddenSize),
    ...(config.attentionBias ? { qkvBias: vector(qkvRows), oBias: vector(hiddenSize) } : {}),
    o: matrix(hiddenSize, heads * headDim),
    postNorm: vector(hiddenSize),
    ffIn: matrix(intermediateSize, inputs, hiddenSize),
    ffOut: matrix(intermediateSize, hiddenSize),
    ...(config.mlpBias ? { ffInBias: vector(intermediateSize, inputs), ffOutBias: vector(hiddenSize) } : {}),
  };
}

export function elementCount(slot: Slot): number {
  return slot.shape.reduce((product, size) => product * size, 1);
}

/** Where a checkpoint tensor goes. Offsets and strides count elements of the target. */
export interface Destination {
  readonly slot: GlobalSlotName | LayerSlotName;
  /** Absent for global slots. */
  readonly layer?: number;
  /** Element [0, 0] of the tensor in the slot. */
  readonly offset: number;
  /** Distance of target rows. */
  readonly stride: number;
  /** The tensor is [cols, rows] of what the slot holds. */
  readonly transpose?: boolean;
}

/** One tensor that a checkpoint must contain. A vector of n elements is [n]. */
export interface SourceTensor {
  readonly name: string;
  readonly kind: 'matrix' | 'vector';
  readonly shape: readonly number[];
  readonly destination: Destination;
}

/** One row of an architecture's table; `{layer}` in the name stands for the layer number. */
interface TensorRule {
  readonly name: string;
  readonly shape: (config: ModelConfig) => readonly number[];
  readonly slot: GlobalSlotName | LayerSlotName;
  /** Default 0. */
  readonly offset?: (config: ModelConfig) => number;
  /** Default: the last dimension of the shape (1 for vectors that are written whole). */
  readonly stride?: (config: ModelConfig) => number;
  readonly transpose?: boolean;
  readonly when?: (config: ModelConfig) => boolean;
}

interface ArchitectureTensors {
  readonly rules: readonly TensorRule[];
  /** Tensors that checkpoints carry and nothing needs: values that follow from the config, or copies. */
  readonly ignored: (name: string, config: ModelConfig) => boolean;
}

const queryRows = (c: ModelConfig): number => c.heads * c.headDim;
const keyRows = (c: ModelConfig): number => c.kvHeads * c.headDim;

/** Llama as saved by Hugging Face. Gate and up rows alternate in `ffIn`, so their stride is two rows (two elements for biases). */
const LLAMA: ArchitectureTensors = {
  rules: [
    { name: 'model.embed_tokens.weight', shape: (c) => [c.vocabSize, c.hiddenSize], slot: 'embed' },
    { name: 'model.layers.{layer}.input_layernorm.weight', shape: (c) => [c.hiddenSize], slot: 'inputNorm' },
    { name: 'model.layers.{layer}.self_attn.q_proj.weight', shape: (c) => [queryRows(c), c.hiddenSize], slot: 'qkv' },
    { name: 'model.layers.{layer}.self_attn.k_proj.weight', shape: (c) => [keyRows(c), c.hiddenSize], slot: 'qkv', offset: (c) => queryRows(c) * c.hiddenSize },
    { name: 'model.layers.{layer}.self_attn.v_proj.weight', shape: (c) => [keyRows(c), c.hiddenSize], slot: 'qkv', offset: (c) => (queryRows(c) + keyRows(c)) * c.hiddenSize },
    { name: 'model.layers.{layer}.self_attn.q_proj.bias', shape: (c) => [queryRows(c)], slot: 'qkvBias', when: (c) => c.attentionBias },
    { name: 'model.layers.{layer}.self_attn.k_proj.bias', shape: (c) => [keyRows(c)], slot: 'qkvBias', offset: queryRows, when: (c) => c.attentionBias },
    { name: 'model.layers.{layer}.self_attn.v_proj.bias', shape: (c) => [keyRows(c)], slot: 'qkvBias', offset: (c) => queryRows(c) + keyRows(c), when: (c) => c.attentionBias },
    { name: 'model.layers.{layer}.self_attn.o_proj.weight', shape: (c) => [c.hiddenSize, queryRows(c)], slot: 'o' },
    { name: 'model.layers.{layer}.self_attn.o_proj.bias', shape: (c) => [c.hiddenSize], slot: 'oBias', when: (c) => c.attentionBias },
    { name: 'model.layers.{layer}.post_attention_layernorm.weight', shape: (c) => [c.hiddenSize], slot: 'postNorm' },
    { name: 'model.layers.{layer}.mlp.gate_proj.weight', shape: (c) => [c.intermediateSize, c.hiddenSize], slot: 'ffIn', stride: (c) => 2 * c.hiddenSize },
    { name: 'model.layers.{layer}.mlp.up_proj.weight', shape: (c) => [c.intermediateSize, c.hiddenSize], slot: 'ffIn', stride: (c) => 2 * c.hiddenSize, offset: (c) => c.hiddenSize },
    { name: 'model.layers.{layer}.mlp.gate_proj.bias', shape: (c) => [c.intermediateSize], slot: 'ffInBias', stride: () => 2, when: (c) => c.mlpBias },
    { name: 'model.layers.{layer}.mlp.up_proj.bias', shape: (c) => [c.intermediateSize], slot: 'ffInBias', stride: () => 2, offset: () => 1, when: (c) => c.mlpBias },
    { name: 'model.layers.{layer}.mlp.down_proj.weight', shape: (c) => [c.hiddenSize, c.intermediateSize], slot: 'ffOut', stride: (c) => c.hiddenSize, transpose: true },
    { name: 'model.layers.{layer}.mlp.down_proj.bias', shape: (c) => [c.hiddenSize], slot: 'ffOutBias', when: (c) => c.mlpBias },
    { name: 'model.norm.weight', shape: (c) => [c.hiddenSize], slot: 'finalNorm' },
    { name: 'lm_head.weight', shape: (c) => [c.vocabSize, c.hiddenSize], slot: 'lmHead', when: (c) => !c.tiedEmbeddings },
  ],
  ignored: (name, config) => /(^|\.)rotary_emb\.inv_freq$/.test(name) || (config.tiedEmbeddings && name === 'lm_head.weight'),
};

const ARCHITECTURES: ReadonlyMap<string, ArchitectureTensors> = new Map([['LlamaForCausalLM', LLAMA]]);

function architectureTensors(config: ModelConfig): ArchitectureTensors {
  const entry = ARCHITECTURES.get(config.architecture);
  if (entry === undefined) {
    throw new CheckpointError(`no tensor table for architecture ${JSON.stringify(config.architecture)}; supported: ${[...ARCHITECTURES.keys()].join(', ')}`);
  }
  return entry;
}

/** Every tensor that a checkpoint of this config must contain, global ones first, then layer by layer. */
export function sourceTensors(config: ModelConfig): SourceTensor[] {
  const rules = architectureTensors(config).rules.filter((rule) => rule.when?.(config) ?? true);
  const instantiate = (rule: TensorRule, layer?: number): SourceTensor => {
    const shape = rule.shape(config);
    const kind = shape.length === 1 ? 'vector' : 'matrix';
    return {
      name: layer === undefined ? rule.name : rule.name.replace('{layer}', String(layer)),
      kind,
      shape,
      destination: {
        slot: rule.slot,
        offset: rule.offset?.(config) ?? 0,
        stride: rule.stride?.(config) ?? (kind === 'vector' ? 1 : (shape[1] as number)),
        ...(layer === undefined ? {} : { layer }),
        ...(rule.transpose === true ? { transpose: true } : {}),
      },
    };
  };
  const isPerLayer = (rule: TensorRule): boolean => rule.name.includes('{layer}');
  const perLayer = rules.filter(isPerLayer);
  return [
    ...rules.filter((rule) => !isPerLayer(rule)).map((rule) => instantiate(rule)),
    ...Array.from({ length: config.layers }, (_, layer) => perLayer.map((rule) => instantiate(rule, layer))).flat(),
  ];
}

/** Whether a tensor that no rule names may be left out without loss. */
export function isIgnoredTensor(name: string, config: ModelConfig): boolean {
  return architectureTensors(config).ignored(name, config);
}

import {
  attentionDecode,
  attentionPrefill,
  embed,
  ffActivation,
  ffCompact,
  ffDownGather,
  ffGateUpGather,
  flockStatistic,
  linearGemm,
  linearGemv,
  neuronMagnitude,
  rmsNorm,
  ropeKvWrite,
  sample,
  selectTopk,
} from '../../generated/launchers.js';
import { ACTIVATIONS, type LayerWeights, type ModelConfig, type ModelWeights } from '../checkpoint/types.js';
import type { Device, DeviceBuffer, IntArg, Kernel, Plan, PlanRecorder } from '../device/types.js';
import { ffGroup, qkvWidth, STATE, type Activations, type KvCache, type PackedFeedForward, type SharedBuffers } from './buffers.js';

/** Where the kernels of a plan come from: the kernel library, or a fixed set in tests. `dims` are the family's int scalars by name, as the tuner records them. */
export interface KernelSource {
  kernel(family: string, params: Readonly<Record<string, string>>, dims: Readonly<Record<string, number>>): Kernel;
  /** Which of the two linear families is the faster one for this product, as far as it was measured. */
  linearFamily(params: Readonly<Record<string, string>>, dims: Readonly<Record<string, number>>): 'linear_gemv' | 'linear_gemm';
}

/** Everything a recording refers to. */
export interface RecordContext {
  readonly device: Device;
  readonly kernels: KernelSource;
  readonly weights: ModelWeights;
  readonly shared: SharedBuffers;
  readonly activations: Activations;
  readonly kv: KvCache;
}

/** What the feed-forward blocks of a decode step read. */
export type FeedForwardPath = { readonly kind: 'dense' } | { readonly kind: 'gather'; readonly k: number } | { readonly kind: 'compact'; readonly packed: PackedFeedForward };

/**
 * One token: embed the token of `state`, run every layer at the position of `state`, sample the next token into `state` and advance the
 * position. Replayed once per token; nothing in it changes between tokens. For `gather`, k is read from `state`.
 */
export function recordDecode(context: RecordContext, path: FeedForwardPath): Plan {
  const { weights, shared, activations } = context;
  const recorder = context.device.record(`decode ${path.kind}`);
  const step = new StepRecorder(context, recorder, { rows: 1, rowsArg: 1 });
  step.embed(shared.token);
  weights.layers.forEach((layer, index) => {
    step.attentionBlock(layer, index, 'attention_decode');
    step.norm(activations.x, layer.postNorm, `layers.${index} post_norm`);
    step.sparseFeedForward(layer, index, path);
  });
  step.head(0, 1);
  return recorder.finish();
}

/**
 * One chunk of the prompt: up to `rows` tokens (how many is read from `state`) from the activations' token buffer, at the position of
 * `state`. With `statistic`, every layer adds its squared FF statistic to `scores`.
 */
export function recordPrefill(context: RecordContext, options: { readonly rows: number; readonly statistic: boolean }): Plan {
  const { weights, shared, activations } = context;
  const recorder = context.device.record(options.statistic ? 'prefill with statistic' : 'prefill');
  const step = new StepRecorder(context, recorder, { rows: options.rows, rowsArg: { buffer: shared.state, index: STATE.rows } });
  step.embed(activations.tokens);
  weights.layers.forEach((layer, index) => {
    step.attentionBlock(layer, index, 'attention_prefill');
    step.norm(activations.x, layer.postNorm, `layers.${index} post_norm`);
    step.denseFeedForward(layer, index, options.statistic);
  });
  return recorder.finish();
}

/** After the last chunk: logits of the last row of the residual stream, and the first token. The position stays as the host set it. */
export function recordTail(context: RecordContext): Plan {
  const recorder = context.device.record('prefill tail');
  const step = new StepRecorder(context, recorder, { rows: 1, rowsArg: 1 });
  step.head({ buffer: context.shared.state, index: STATE.lastRow }, 0);
  return recorder.finish();
}

/** The k largest scores of every layer, ascending, into `experts`. */
export function recordSelect(context: RecordContext, k: number): Plan {
  const { weights, shared, kernels } = context;
  const { layers, intermediateSize: intermediate } = weights.config;
  const recorder = context.device.record('select experts');
  const scalars = { layers, intermediate, k };
  selectTopk(recorder, kernels.kernel('select_topk', {}, scalars), { scores: shared.scores, experts: shared.experts }, scalars, { label: 'select_topk' });
  return recorder.finish();
}

/** Products of the weight row norms of every neuron into `scores`: what `magnitude` selects by. */
export function recordMagnitude(context: RecordContext): Plan {
  const { weights, shared, kernels } = context;
  const { config } = weights;
  const recorder = context.device.record('neuron magnitude');
  const scalars = { hidden: config.hiddenSize, intermediate: config.intermediateSize };
  const kernel = kernels.kernel('neuron_magnitude', { dtype: config.dtype, gated: gatedParam(config) }, scalars);
  weights.layers.forEach((layer, index) => {
    neuronMagnitude(recorder, kernel, { wIn: layer.ffIn, score: shared.layerScores[index]! }, scalars, { label: `layers.${index} magnitude` });
  });
  return recorder.finish();
}

/** Copies the kept neurons' weights into `packed`. */
export function recordCompact(context: RecordContext, packed: PackedFeedForward): Plan {
  const { weights, shared, kernels } = context;
  const { config } = weights;
  const recorder = context.device.record('compact experts');
  const { k } = packed;
  const copy = (source: DeviceBuffer, target: DeviceBuffer, width: number, dtype: string, layer: number, label: string): void => {
    const scalars = { width, intermediate: config.intermediateSize, k };
    const kernel = kernels.kernel('ff_compact', { dtype }, scalars);
    ffCompact(recorder, kernel, { source, experts: shared.layerExperts[layer]!, target }, scalars, { label: `layers.${layer} ${label}` });
  };
  packed.layers.forEach((target, index) => {
    const layer = weights.layers[index]!;
    copy(layer.ffIn, target.ffIn, ffGroup(config) * config.hiddenSize, config.dtype, index, 'compact W_in');
    copy(layer.ffOut, target.ffOut, config.hiddenSize, config.dtype, index, 'compact W_out');
    if (layer.ffInBias !== null && target.ffInBias !== null) copy(layer.ffInBias, target.ffInBias, ffGroup(config), 'f32', index, 'compact bias');
  });
  return recorder.finish();
}

function gatedParam(config: ModelConfig): 'gated' | 'plain' {
  return config.gated ? 'gated' : 'plain';
}

/** Adds the steps of a transformer to one recording. `rows` is the most rows there can be; `rowsArg` says where the number is read. */
class StepRecorder {
  private readonly config: ModelConfig;
  private readonly positionArg: IntArg;

  constructor(
    private readonly context: RecordContext,
    private readonly plan: PlanRecorder,
    private readonly size: { readonly rows: number; readonly rowsArg: IntArg },
  ) {
    this.config = context.weights.config;
    this.positionArg = { buffer: context.shared.state, index: STATE.position };
  }

  embed(tokens: DeviceBuffer): void {
    const { weights, activations, kernels } = this.context;
    const dims = { rows: this.size.rows, hidden: this.config.hiddenSize, vocab: this.config.vocabSize };
    embed(
      this.plan,
      kernels.kernel('embed', { dtype: this.config.dtype }, dims),
      { tokens, table: weights.embed, x: activations.x },
      { ...dims, rows: this.size.rowsArg },
      { label: 'embed', maxInts: { rows: this.size.rows } },
    );
  }

  /** x += attention(norm(x)) */
  attentionBlock(layer: LayerWeights, index: number, family: 'attention_decode' | 'attention_prefill'): void {
    const { activations, kv, shared, kernels } = this.context;
    const { heads, kvHeads, headDim, hiddenSize } = this.config;
    const name = (what: string): string => `layers.${index} ${what}`;
    this.norm(activations.x, layer.inputNorm, name('input_norm'));
    this.linear({ x: activations.normed, w: layer.qkv, bias: layer.qkvBias, residual: null, y: activations.qkv }, hiddenSize, qkvWidth(this.config), 'outin', name('qkv'));

    const shape = { heads, kvHeads, headDim, capacity: kv.capacity };
    const dims = { rows: this.size.rows, position: kv.capacity - this.size.rows, heads, kv_heads: kvHeads, head_dim: headDim, capacity: kv.capacity };
    const dynamic = { rows: this.size.rowsArg, position: this.positionArg };
    const maxInts = { rows: this.size.rows, position: kv.capacity - 1 };
    const cache = { qkv: activations.qkv, kCache: kv.keys[index]!, vCache: kv.values[index]! };
    ropeKvWrite(this.plan, kernels.kernel('rope_kv_write', {}, dims), { ...cache, invFreq: shared.invFreq }, { ...shape, ...dynamic }, { label: name('rope'), maxInts });
    const attention = family === 'attention_decode' ? attentionDecode : attentionPrefill;
    attention(
      this.plan,
      kernels.kernel(family, {}, dims),
      { ...cache, out: activations.attended },
      { ...shape, ...dynamic, window: 0, scale: 1 / Math.sqrt(headDim) },
      { label: name('attention'), maxInts },
    );
    this.linear({ x: activations.attended, w: layer.o, bias: layer.oBias, residual: activations.x, y: activations.x }, heads * headDim, hiddenSize, 'outin', name('o'));
  }

  /** x += FF of the kept neurons only; of all for `dense`. */
  sparseFeedForward(layer: LayerWeights, index: number, path: FeedForwardPath): void {
    const { activations, shared, kernels } = this.context;
    const { hiddenSize: hidden, intermediateSize: F, dtype } = this.config;
    const packed = path.kind === 'compact' ? path.packed.layers[index]! : null;
    const k = path.kind === 'dense' ? F : path.kind === 'gather' ? path.k : path.packed.k;
    // A packed block is a dense block of k neurons.
    const intermediate = packed === null ? F : k;
    const experts = path.kind === 'gather' ? shared.layerExperts[index]! : null;
    const kArg: IntArg = path.kind === 'gather' ? { buffer: shared.state, index: STATE.k } : k;
    const maxInts = path.kind === 'gather' ? { k: F } : {};
    const rows = this.size.rows;
    const activation = ACTIVATIONS[this.config.activation];
    ffGateUpGather(
      this.plan,
      kernels.kernel('ff_gate_up_gather', { dtype, gated: gatedParam(this.config) }, { rows, hidden, intermediate, k, activation }),
      { x: activations.normed, wIn: packed?.ffIn ?? layer.ffIn, bias: packed === null ? layer.ffInBias : packed.ffInBias, experts, h: activations.h },
      { rows: this.size.rowsArg, hidden, intermediate, k: kArg, activation },
      { label: `layers.${index} gate_up`, maxInts },
    );
    ffDownGather(
      this.plan,
      kernels.kernel('ff_down_gather', { dtype }, { rows, hidden, intermediate, k }),
      { h: activations.h, wOut: packed?.ffOut ?? layer.ffOut, experts, bias: layer.ffOutBias, residual: activations.x, y: activations.x },
      { rows: this.size.rowsArg, hidden, intermediate, k: kArg },
      { label: `layers.${index} down`, maxInts },
    );
  }

  /** x += FF of all neurons for many rows, as two products around the activation; adds to the statistic if asked. */
  denseFeedForward(layer: LayerWeights, index: number, statistic: boolean): void {
    const { activations, shared, kernels } = this.context;
    const { hiddenSize: hidden, intermediateSize: intermediate } = this.config;
    const name = (what: string): string => `layers.${index} ${what}`;
    const rows = this.size.rows;
    const maxInts = { rows };
    this.linear({ x: activations.normed, w: layer.ffIn, bias: null, residual: null, y: activations.u }, hidden, intermediate * ffGroup(this.config), 'outin', name('ff_in'));
    const activation = ACTIVATIONS[this.config.activation];
    ffActivation(
      this.plan,
      kernels.kernel('ff_activation', { gated: gatedParam(this.config) }, { rows, intermediate, activation }),
      { u: activations.u, bias: layer.ffInBias, h: activations.h, invNorm: activations.invNorm },
      { rows: this.size.rowsArg, intermediate, activation },
      { label: name('activation'), maxInts },
    );
    if (statistic) {
      flockStatistic(
        this.plan,
        kernels.kernel('flock_statistic', {}, { rows, intermediate }),
        { h: activations.h, invNorm: activations.invNorm, s2: shared.layerScores[index]! },
        { rows: this.size.rowsArg, intermediate },
        { label: name('statistic'), maxInts },
      );
    }
    this.linear({ x: activations.h, w: layer.ffOut, bias: layer.ffOutBias, residual: activations.x, y: activations.x }, intermediate, hidden, 'inout', name('ff_out'));
  }

  /** normed = rms_norm(source rows from `first` on) */
  norm(source: DeviceBuffer, weight: DeviceBuffer, label: string, first: IntArg = 0): void {
    const { activations, kernels } = this.context;
    const hidden = this.config.hiddenSize;
    rmsNorm(
      this.plan,
      kernels.kernel('rms_norm', {}, { rows: this.size.rows, first: 0, hidden }),
      { x: source, weight, y: activations.normed },
      { rows: this.size.rowsArg, first, hidden, eps: this.config.rmsNormEps },
      { label, maxInts: { rows: this.size.rows, first: activations.rows - 1 } },
    );
  }

  /** Logits of one row of the residual stream, and the next token. */
  head(row: IntArg, advance: 0 | 1): void {
    const { weights, activations, shared, kernels } = this.context;
    const vocab = this.config.vocabSize;
    this.norm(activations.x, weights.finalNorm, 'final_norm', row);
    this.linear({ x: activations.normed, w: weights.lmHead, bias: null, residual: null, y: shared.logits }, this.config.hiddenSize, vocab, 'outin', 'lm_head');
    sample(
      this.plan,
      kernels.kernel('sample', {}, { vocab, advance }),
      { logits: shared.logits, state: shared.state, settings: shared.settings, seen: shared.seen },
      { vocab, advance },
      { label: 'sample' },
    );
  }

  private linear(
    tensors: { x: DeviceBuffer; w: DeviceBuffer; bias: DeviceBuffer | null; residual: DeviceBuffer | null; y: DeviceBuffer },
    width: number,
    out: number,
    layout: 'outin' | 'inout',
    label: string,
  ): void {
    const { kernels } = this.context;
    const dims = { rows: this.size.rows, in: width, out };
    const scalars = { ...dims, rows: this.size.rowsArg };
    const options = { label, maxInts: { rows: this.size.rows } };
    const { dtype } = this.config;
    if (layout === 'outin' && kernels.linearFamily({ dtype }, dims) === 'linear_gemv') {
      linearGemv(this.plan, kernels.kernel('linear_gemv', { dtype }, dims), tensors, scalars, options);
    } else {
      linearGemm(this.plan, kernels.kernel('linear_gemm', { dtype, layout }, dims), tensors, scalars, options);
    }
  }
}

import type { DeviceBuffer } from '../device/types.js';

/** FF activation, by its Hugging Face name. The number is the `activation` scalar that kernels take. */
export const ACTIVATIONS = { silu: 0, gelu: 1, gelu_pytorch_tanh: 2, relu: 3 } as const;
export type Activation = keyof typeof ACTIVATIONS;

export type WeightDtype = 'f32' | 'f16' | 'bf16';

export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositions: number;
    };

/** A checkpoint's shape, normalised from `config.json` (or from a synthetic shape). */
export interface ModelConfig {
  readonly architecture: string;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly rmsNormEps: number;
  readonly activation: Activation;
  /** Gated FF (W_gate and W_up) or plain (W_1). */
  readonly gated: boolean;
  readonly tiedEmbeddings: boolean;
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | null;
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
  readonly dtype: WeightDtype;
}

/** Device-resident weights of one layer. Matrices keep the checkpoint's dtype; vectors are widened to f32. */
export interface LayerWeights {
  /** f32 [hidden] */
  readonly inputNorm: DeviceBuffer;
  /** [(heads + 2·kvHeads)·headDim, hidden]: q, k and v stacked, so that one product serves all three */
  readonly qkv: DeviceBuffer;
  /** f32 [(heads + 2·kvHeads)·headDim] */
  readonly qkvBias: DeviceBuffer | null;
  /** [hidden, heads·headDim] */
  readonly o: DeviceBuffer;
  readonly oBias: DeviceBuffer | null;
  /** f32 [hidden] */
  readonly postNorm: DeviceBuffer;
  /** [intermediate, G, hidden], G = 2 gated (row i: gate then up) or 1: a neuron's input weights are one contiguous record */
  readonly ffIn: DeviceBuffer;
  /** f32 [intermediate, G] */
  readonly ffInBias: DeviceBuffer | null;
  /** [intermediate, hidden]: W2 transposed, so that a neuron's output weights are one contiguous row */
  readonly ffOut: DeviceBuffer;
  /** f32 [hidden] */
  readonly ffOutBias: DeviceBuffer | null;
}

export interface ModelWeights {
  readonly config: ModelConfig;
  /** [vocab, hidden] */
  readonly embed: DeviceBuffer;
  readonly layers: readonly LayerWeights[];
  /** f32 [hidden] */
  readonly finalNorm: DeviceBuffer;
  /** [vocab, hidden]; the same buffer as `embed` when tied */
  readonly lmHead: DeviceBuffer;
  /** Bytes of all weights on the device. */
  readonly byteLength: number;
  dispose(): void;
}

import type { ModelConfig, RopeScaling } from '../checkpoint/types.js';

/**
 * Rotary position embedding frequencies: `inv_freq[i] = theta^(-2i/headDim)`, i < headDim/2, then the checkpoint's scaling.
 * Angles at position p are `p · inv_freq[i]`. Returned as f32 [headDim / 2]; computed in double.
 */
export function inverseFrequencies(config: Pick<ModelConfig, 'headDim' | 'ropeTheta' | 'ropeScaling'>): Float32Array {
  const half = config.headDim / 2;
  const frequencies = new Float32Array(half);
  for (let i = 0; i < half; i++) frequencies[i] = scaled(config.ropeTheta ** ((-2 * i) / config.headDim), config.ropeScaling);
  return frequencies;
}

/**
 * `linear` divides every frequency by the factor (position interpolation). `llama3` (Llama 3.1 model card and reference code) keeps
 * waves that fit many times into the original context, divides those longer than it, and blends between the two thresholds.
 */
function scaled(frequency: number, scaling: RopeScaling | null): number {
  if (scaling === null) return frequency;
  if (scaling.type === 'linear') return frequency / scaling.factor;
  const wavesInContext = (scaling.originalMaxPositions * frequency) / (2 * Math.PI);
  if (wavesInContext < scaling.lowFreqFactor) return frequency / scaling.factor;
  if (wavesInContext > scaling.highFreqFactor) return frequency;
  const blend = (wavesInContext - scaling.lowFreqFactor) / (scaling.highFreqFactor - scaling.lowFreqFactor);
  return ((1 - blend) * frequency) / scaling.factor + blend * frequency;
}

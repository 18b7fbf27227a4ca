/** Everything between a Hugging Face directory and weights on a device. */
export * from './types.js';
export { type ChatMessage, type ChatTemplate, type ChatTemplateOptions, readChatTemplate, renderChatTemplate } from './chat-template.js';
export { type Checkpoint, type PlannedTensor, openCheckpoint } from './checkpoint.js';
export { SUPPORTED_ARCHITECTURES, parseModelConfig, readModelConfig } from './config.js';
export { type GenerationConfig, parseGenerationConfig, readGenerationConfig } from './generation-config.js';
export { type WeightBytes, kvBytesPerToken, weightBytes } from './sizes.js';
export { type StreamDecoder, createStreamDecoder } from './stream-decoder.js';
export { SYNTHETIC_NAMES, type SyntheticOptions, syntheticConfig, syntheticWeights } from './synthetic.js';
export { type DecodeOptions, type EncodeOptions, type StreamOptions, type TextTokenizer, hasTokenizer, readTokenizer } from './tokenizer.js';
export { type LoadProgress, type LoadWeightsOptions, loadWeights } from './weights.js';

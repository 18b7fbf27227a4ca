/**
 * Generate text with GRIFFIN (arXiv 2404.01365) from a Hugging Face checkpoint:
 *
 *     import { loadModel } from 'griffin-kernels';
 *
 *     await using model = await loadModel('models/demo-llama-7m');
 *     for await (const piece of model.generate('In the beginning', { density: 0.5 })) process.stdout.write(piece.text);
 */
export { loadModel, type LoadModelOptions } from './model/load.js';
export { createModel, type GenerateResult, type Model, type ModelParts, type Timings } from './model/model.js';
export { GENERATE_DEFAULTS, type GenerateOptions } from './generate/options.js';
export type { Prompt } from './generate/prompt.js';
export type { FinishReason } from './generate/run.js';
export type { Piece } from './generate/text.js';
export { SELECTIONS, type Selection } from './griffin/selection.js';
export { openLibrary, type KernelLibrary, type LibraryOptions } from './library/library.js';
export { openDevice } from './device/index.js';
export type { Device, DeviceIdentity } from './device/types.js';
export type { ModelConfig } from './checkpoint/types.js';
export * from './errors.js';

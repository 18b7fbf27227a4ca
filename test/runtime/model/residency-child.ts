/** Loads the model named on the command line, generates a little, and prints what it took: run by load.test.ts in a process of its own. */
import { readFileSync } from 'node:fs';

import { loadModel } from '../../../runtime/index.js';

function status(field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(match?.[1] ?? Number.NaN) * 1024;
}

const dir = process.argv[2] ?? '';
// A tiny model first: code, addon, kernels and thread stacks are not what is measured here.
const warmUp = await loadModel(process.argv[3] ?? '', { threads: 2 });
await warmUp.generateText([1, 2, 3], { maxNewTokens: 4 });
await warmUp.dispose();

const before = status('VmRSS');
const model = await loadModel(dir, { threads: 2 });
const loaded = status('VmHWM') - before;
const prompt = Array.from({ length: 40 }, (_, i) => i + 1);
const result = await model.generateText(prompt, { maxNewTokens: 16, density: 0.5, ignoreEos: true });
const { layers, kvHeads, headDim } = model.config;
// The cache has room for 256 tokens, f32 keys and values.
const kvBytes = 2 * layers * kvHeads * headDim * 256 * 4;
const line = { loaded, peak: status('VmHWM') - before, weightBytes: model.weightBytes, kvBytes, tokens: result.tokenIds.length };
await model.dispose();
process.stdout.write(`${JSON.stringify({ ...line, after: status('VmRSS') - before })}\n`);

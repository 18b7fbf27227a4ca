import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { openCheckpoint } from '../../runtime/checkpoint/checkpoint.js';
import { loadWeights } from '../../runtime/checkpoint/weights.js';
import type { Device } from '../../runtime/device/types.js';
import { GriffinError } from '../../runtime/errors.js';
import { type Recipe, cook } from './mutations.js';

/** How a case ended: everything but these two is a bug. */
export type Outcome = 'loaded' | 'refused';

/**
 * Opens and loads the mutated checkpoint, and uses its tokenizer if it has one. Throws whatever is neither success nor a GriffinError,
 * and an Error where memory is kept, or asked for beyond what the files hold.
 */
export async function runCase(recipe: Recipe, device: Device, dir: string): Promise<Outcome> {
  const files = cook(recipe);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  let fileBytes = 0;
  for (const [name, content] of files) {
    writeFileSync(join(dir, name), content);
    fileBytes += content.length;
  }
  const before = device.allocatedBytes();
  try {
    return await load(device, dir, fileBytes);
  } catch (error) {
    if (error instanceof GriffinError && error.message !== '') return 'refused';
    throw error;
  } finally {
    const kept = device.allocatedBytes() - before;
    // eslint-disable-next-line no-unsafe-finally -- a leak must show even where the case failed otherwise
    if (kept !== 0) throw new Error(`${kept} bytes of device memory were kept`);
  }
}

async function load(device: Device, dir: string, fileBytes: number): Promise<Outcome> {
  const checkpoint = openCheckpoint(dir);
  const weights = await loadWeights(device, checkpoint);
  try {
    // Vectors widen from two bytes to four; nothing else grows.
    if (weights.byteLength > 2 * fileBytes) throw new Error(`${weights.byteLength} bytes of weights from ${fileBytes} bytes of files`);
    if (checkpoint.hasTokenizer) {
      const tokenizer = checkpoint.tokenizer();
      const ids = tokenizer.encode('the lo é😀 </s>');
      tokenizer.decode(ids);
      const stream = tokenizer.stream({ context: ids.slice(0, 2) });
      for (const id of ids) stream.push(id);
      stream.flush();
      checkpoint.renderChat([{ role: 'user', content: 'hello' }]);
    }
    return 'loaded';
  } finally {
    weights.dispose();
  }
}

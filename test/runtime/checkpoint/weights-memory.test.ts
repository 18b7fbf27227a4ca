// A file of its own, so a process of its own: the garbage of other tests would blur the figures.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, expect, it } from 'vitest';

import { openCheckpoint } from '../../../runtime/checkpoint/checkpoint.js';
import { loadWeights } from '../../../runtime/checkpoint/weights.js';
import { openCpuDevice } from '../../../runtime/device/cpu.js';
import { temporaryDirectories } from '../../support/temp-dir.js';
import { llamaTensorShapes, writeCheckpoint } from '../../support/write-checkpoint.js';

const freshDir = temporaryDirectories('weights-memory');
const device = openCpuDevice({ threads: 2 });
afterAll(() => device.dispose());

it('never holds much more than the weights in memory', async () => {
  const dir = freshDir();
  const { config } = writeCheckpoint(dir, { config: { num_hidden_layers: 1 } });
  const big = { ...config, hidden_size: 1024, num_attention_heads: 8, num_key_value_heads: 8, intermediate_size: 4096, num_hidden_layers: 6, vocab_size: 8000, torch_dtype: 'bfloat16' };
  let end = 0;
  const header = JSON.stringify(Object.fromEntries([...llamaTensorShapes(big)].map(([name, shape]) => {
    const begin = end;
    end += 2 * shape.reduce((a, b) => a * b, 1);
    return [name, { dtype: 'BF16', shape, data_offsets: [begin, end] }];
  })));
  const path = join(dir, 'model.safetensors');
  const length = new Uint8Array(8);
  new DataView(length.buffer).setUint32(0, header.length, true);
  writeFileSync(path, Buffer.concat([length, Buffer.from(header)]));
  truncateSync(path, 8 + header.length + end); // sparse: 230 MB of zeros that take no room on the disk
  writeFileSync(join(dir, 'config.json'), JSON.stringify(big));
  const checkpoint = openCheckpoint(dir);
  const memory = (field: string): number => 1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  writeFileSync('/proc/self/clear_refs', '5'); // the high-water mark starts again from here
  const before = memory('VmRSS');
  const weights = await loadWeights(device, checkpoint);
  const grown = memory('VmHWM') - before;
  expect(weights.byteLength).toBeGreaterThan(200e6);
  expect(grown).toBeGreaterThan(0.9 * weights.byteLength);
  expect(grown).toBeLessThan(1.15 * weights.byteLength);
  weights.dispose();
});

import { readFileSync } from 'node:fs';

import { type WeightType, decodeElements } from './halves.js';

/** All tensors of a well-formed safetensors file as numbers, read plainly: a second opinion on the runtime's reader. */
export function readTensors(path: string): Map<string, Float32Array> {
  const file = readFileSync(path);
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerBytes)) as Record<string, { dtype: string; data_offsets: [number, number] }>;
  delete header['__metadata__'];
  return new Map(
    Object.entries(header).map(([name, { dtype, data_offsets: [begin, end] }]) => [
      name,
      decodeElements(file.subarray(8 + headerBytes + begin, 8 + headerBytes + end), dtype.toLowerCase() as WeightType),
    ]),
  );
}

import { describe, expect, it } from 'vitest';
import { byOperation, randomTokenIds } from '../../../runtime/bench/workload.js';

describe('randomTokenIds', () => {
  it('stays inside the vocabulary and repeats with the seed', () => {
    const ids = randomTokenIds(5000, 7, 1);
    expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < 7)).toBe(true);
    expect(new Set(ids).size).toBe(7);
    expect(randomTokenIds(5000, 7, 1)).toEqual(ids);
    expect(randomTokenIds(5000, 7, 2)).not.toEqual(ids);
  });
});

describe('byOperation', () => {
  it('sums the same operation of all layers', () => {
    const profile = [
      { label: 'embed', kernel: 'e', elapsedNs: 1 },
      { label: 'layers.0 qkv', kernel: 'g', elapsedNs: 10 },
      { label: 'layers.11 qkv', kernel: 'g', elapsedNs: 5 },
    ];
    expect([...byOperation(profile)]).toEqual([
      ['embed', { kernel: 'e', calls: 1, ns: 1 }],
      ['qkv', { kernel: 'g', calls: 2, ns: 15 }],
    ]);
  });
});

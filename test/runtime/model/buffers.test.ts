import { describe, expect, it } from 'vitest';

import type { ModelConfig } from '../../../runtime/checkpoint/types.js';
import { DeviceError } from '../../../runtime/errors.js';
import { allocateActivations, allocateKvCache, allocatePacked, allocateShared, qkvWidth } from '../../../runtime/model/buffers.js';
import { inverseFrequencies } from '../../../runtime/model/rope.js';
import { openReferenceDevice } from '../../support/reference-device.js';

const config = {
  hiddenSize: 24, intermediateSize: 40, layers: 3, heads: 4, kvHeads: 2, headDim: 6, vocabSize: 50, maxPositions: 64,
  gated: true, ropeTheta: 10000, ropeScaling: null, dtype: 'bf16',
} as unknown as ModelConfig;

describe('buffers', () => {
  it('have the sizes of docs/design.md', () => {
    const device = openReferenceDevice();
    const shared = allocateShared(device, config);
    expect(shared.experts.byteLength).toBe(3 * 40 * 4);
    shared.layerExperts[2]!.write(Int32Array.of(7));
    expect(new Int32Array(shared.experts.read().buffer).indexOf(7)).toBe(80);
    expect(shared.layerScores.map((row) => row.byteLength)).toEqual([160, 160, 160]);
    expect(shared.state.byteLength).toBe(64);
    expect(new Float32Array(shared.invFreq.read().buffer)).toEqual(inverseFrequencies(config));
    const kv = allocateKvCache(device, config, 32);
    expect(kv.keys).toHaveLength(3);
    expect(kv.byteLength).toBe(2 * 3 * (2 * 32 * 6) * 4);
    expect(qkvWidth(config)).toBe(48);
    const packed = allocatePacked(device, config, 7, [true, false, true]);
    expect(packed.layers.map((layer) => layer.ffInBias?.byteLength ?? 0)).toEqual([56, 0, 56]);
    expect(packed.byteLength).toBe(3 * (7 * 2 * 24 + 7 * 24) * 2 + 2 * 56);
    const activations = allocateActivations(device, config, 5);
    expect(activations.u.byteLength).toBe(5 * 80 * 4);
    for (const group of [shared, kv, packed, activations]) group[Symbol.dispose]();
    expect(device.allocatedBytes()).toBe(0);
  });

  it('are given back when one of them cannot be had', () => {
    const device = openReferenceDevice();
    const allocate = device.allocate.bind(device);
    let left = 4;
    device.allocate = (bytes, options) => {
      if (left-- === 0) throw new DeviceError('out of memory');
      return allocate(bytes, options);
    };
    expect(() => allocateKvCache(device, config, 32)).toThrow(DeviceError);
    expect(device.allocatedBytes()).toBe(0);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ropeKvWrite } from '../../../generator/families/rope_kv_write.js';
import { describeKernels } from '../../support/run-kernel.js';
import { openKernels, type KernelBench } from '../../support/launch-kernel.js';
import { seededRandom } from '../../support/random.js';

describe('rope_kv_write reference', () => {
  it('turns pairs half a head apart and writes keys and values at the position', () => {
    const problem = { family: 'rope_kv_write', params: {}, dims: { rows: 1, position: 1, heads: 1, kv_heads: 1, head_dim: 2, capacity: 3 } };
    const quarter = Math.fround(Math.PI / 2);
    const out = ropeKvWrite.reference(problem, {
      qkv: Float64Array.of(1, 2, 3, 4, 5, 6),
      inv_freq: Float64Array.of(quarter),
      k_cache: new Float64Array(6).fill(-1),
      v_cache: new Float64Array(6).fill(-2),
    });
    const rounded = (name: string): number[] => [...(out[name]?.values ?? [])].map((x) => Math.round(x * 1e6) / 1e6);
    expect(rounded('qkv')).toEqual([-2, 1, -4, 3, 5, 6]);
    expect(rounded('k_cache')).toEqual([-1, -1, -4, 3, -1, -1]);
    expect(rounded('v_cache')).toEqual([-2, -2, 5, 6, -2, -2]);
  });
});

describeKernels(ropeKvWrite, { samples: 0 });

describe('sine and cosine in the rope_kv_write kernel', () => {
  let bench: KernelBench;
  beforeAll(async () => {
    bench = await openKernels(ropeKvWrite);
  });
  afterAll(() => bench.dispose());

  it('are right to 1e-6 for angles up to 131072', async () => {
    const half = 4096;
    const random = seededRandom(5);
    for (const position of [1, 2, 77, 4096, 131071]) {
      const frequencies = Float64Array.from({ length: half }, (_, i) => Math.fround(i < 8 ? i / 8 : (random() * 131072) / position));
      const qkv = new Float64Array(6 * half);
      qkv.fill(1, 0, half); // the query (1, 0) turns into (cos, sin)
      const problem = { family: 'rope_kv_write', params: {}, dims: { rows: 1, position, heads: 1, kv_heads: 1, head_dim: 2 * half, capacity: 1 } };
      for (const kernel of bench.kernels) {
        // The capacity of 1 also shows that a row past it is not written: the buffers are guarded.
        const out = await kernel.run(problem, { qkv, inv_freq: frequencies, k_cache: new Float64Array(2 * half), v_cache: new Float64Array(2 * half) });
        const turned = out['qkv'] ?? [];
        let worst = 0;
        frequencies.forEach((frequency, i) => {
          const angle = Math.fround(position * frequency);
          worst = Math.max(worst, Math.abs((turned[i] ?? NaN) - Math.cos(angle)), Math.abs((turned[half + i] ?? NaN) - Math.sin(angle)));
        });
        expect(worst, `${kernel.isa} at ${position}`).toBeLessThan(1e-7);
      }
    }
  });
});

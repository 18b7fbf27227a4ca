import { describe, expect, it } from 'vitest';
import { encodeTensor } from '../../../generator/families/common.js';
import { fillRandom, randomElement } from '../../../generator/families/fill_random.js';
import { openDevice } from '../../../runtime/device/index.js';
import { describeKernels } from '../../support/run-kernel.js';

describe('randomElement', () => {
  it('is uniform in [-scale, scale]', () => {
    const values = Array.from({ length: 4000 }, (_, i) => randomElement('f32', 5n, i, 2));
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(2);
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const square = values.reduce((sum, x) => sum + x * x, 0) / values.length;
    // Standard deviations of the two: 2/√3/√4000 = 0.018 and 4·√(4/45)/√4000 = 0.019.
    expect(Math.abs(mean)).toBeLessThan(0.08);
    expect(Math.abs(square - 4 / 3)).toBeLessThan(0.08);
  });

  it('gives the bytes that the native fill writes, across a border of units', async () => {
    const device = openDevice('cpu');
    try {
      for (const dtype of ['f32', 'f16', 'bf16'] as const) {
        const size = dtype === 'f32' ? 4 : 2;
        const n = 2 ** 20 / size + 9;
        const buffer = device.allocate(n * size, { label: 'random' });
        await device.fillRandom(buffer, dtype, 12345678901, 0.25);
        const bytes = buffer.read();
        for (const first of [0, n - 20]) {
          const expected = Array.from({ length: 20 }, (_, i) => randomElement(dtype, 12345678901n, first + i, 0.25));
          expect(bytes.slice(first * size, (first + 20) * size)).toEqual(encodeTensor(expected, dtype));
        }
      }
    } finally {
      await device.dispose();
    }
  });
});

describeKernels(fillRandom);

import { describe, expect, it } from 'vitest';
import { inverseFrequencies } from '../../../runtime/model/rope.js';

/** Same definition written from the wavelength side, as the Llama 3.1 reference does. */
function llama3ByWavelength(dim: number, theta: number, factor: number, low: number, high: number, context: number): number[] {
  return Array.from({ length: dim / 2 }, (_, i) => {
    const frequency = 1 / Math.pow(theta, (2 * i) / dim);
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < context / high) return frequency;
    if (wavelength > context / low) return frequency / factor;
    const smooth = (context / wavelength - low) / (high - low);
    return (1 - smooth) * (frequency / factor) + smooth * frequency;
  });
}

function expectClose(actual: Float32Array, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => expect(Math.abs(actual[i]! - value) / value).toBeLessThan(1e-7));
}

describe('inverseFrequencies', () => {
  it('is theta^(-2i/dim) without scaling', () => {
    const actual = inverseFrequencies({ headDim: 8, ropeTheta: 10_000, ropeScaling: null });
    expectClose(actual, [1, 0.1, 0.01, 0.001]);
  });

  it('divides by the factor for linear scaling', () => {
    const actual = inverseFrequencies({ headDim: 8, ropeTheta: 10_000, ropeScaling: { type: 'linear', factor: 4 } });
    expectClose(actual, [0.25, 0.025, 0.0025, 0.00025]);
  });

  it('follows the llama3 thresholds, with all three regions present', () => {
    const scaling = { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 8192 } as const;
    const actual = inverseFrequencies({ headDim: 128, ropeTheta: 500_000, ropeScaling: scaling });
    const plain = inverseFrequencies({ headDim: 128, ropeTheta: 500_000, ropeScaling: null });
    expectClose(actual, llama3ByWavelength(128, 500_000, 8, 1, 4, 8192));
    const ratios = Array.from(actual, (value, i) => value / plain[i]!);
    expect(ratios.filter((r) => r === 1).length).toBeGreaterThan(0);
    expect(ratios.filter((r) => r === 1 / 8).length).toBeGreaterThan(0);
    expect(ratios.filter((r) => r > 0.13 && r < 0.99).length).toBeGreaterThan(0);
  });
});

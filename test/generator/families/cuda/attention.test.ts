import { describe, expect, it } from 'vitest';
import { attentionDecode } from '../../../../generator/families/attention_decode.js';
import { attentionPrefill } from '../../../../generator/families/attention_prefill.js';
import { kernelId } from '../../../../generator/ids.js';
import { defaultVariant, sample } from '../../../../generator/space.js';
import type { Dims, Family } from '../../../../generator/types.js';
import { createCaseStore } from '../../../../tuning/cases.js';
import { type CudaVariant, emulateCase, emulatedModule } from '../../../support/emulate-kernel.js';
import { seededRandom } from '../../../support/random.js';

/**
 * Heads that the families' ragged problems leave out: the longest, those between the widths that registers are reserved for, and odd ones. A variant of a
 * narrow width is drawn for the heads that it takes.
 */
const SHAPES: readonly (readonly [rows: number, position: number, heads: number, kvHeads: number, headDim: number, window: number])[] = [
  [3, 70, 2, 1, 256, 0],
  [18, 30, 3, 1, 160, 20],
  [33, 3, 2, 2, 96, 0],
  [2, 120, 5, 1, 64, 0],
  [17, 40, 2, 2, 33, 0],
  [1, 90, 9, 1, 1, 0],
];

interface Shape {
  readonly family: Family;
  readonly dims: Dims;
}

const shapesOf = (family: Family): Shape[] =>
  SHAPES.map(([rows, position, heads, kvHeads, headDim, window]) => ({
    family,
    dims: { rows, position, heads, kv_heads: kvHeads, head_dim: headDim, capacity: position + rows + 3, window },
  }));

describe.each([attentionDecode, attentionPrefill].map((family) => [family.name, family] as const))('%s on the emulator', (name, family) => {
  const form = { family: name, params: {}, isa: 'sm80' } as const;
  const standard = defaultVariant(form) as CudaVariant;
  const cases = shapesOf(family).map(({ dims }, index) => ({ dims, drawn: sample(form, 1, seededRandom(index), { dims })[0] as CudaVariant }));
  const variants = [...new Map([standard, ...cases.map(({ drawn }) => drawn)].map((variant) => [kernelId(variant, family), variant])).values()];

  it.each(cases)('$dims', ({ dims, drawn }) => {
    const module = emulatedModule(family, variants, true);
    const one = createCaseStore().get(family, { family: name, params: {}, dims }, 23);
    expect(emulateCase(module, family, standard, one, { checked: true, schedule: 'random', seed: 5, asInPlans: false })).toBeNull();
    expect(emulateCase(module, family, drawn, one, { checked: true, schedule: 'reverse', seed: 5, asInPlans: true }), kernelId(drawn, family)).toBeNull();
  }, 120_000);
});

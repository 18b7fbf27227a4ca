import { describe, expect, it } from 'vitest';
import { requireFamily, type Form } from '../../../generator/ids.js';
import { defaultVariant, sample } from '../../../generator/space.js';
import { FAMILIES } from '../../../generator/families/index.js';
import { formsOf } from '../../../generator/forms.js';
import { analyticalPrior } from '../../../tuning/search/prior.js';
import { seededRandom } from '../../../tuning/statistics.js';

const priorOf = (form: Form, axes: Readonly<Record<string, number>>, capability?: number): number => {
  const family = requireFamily(form.family);
  const standard = defaultVariant(form, { family });
  return analyticalPrior({ form, family, dims: {}, ...(capability === undefined ? {} : { capability }) })({ ...standard, axes: { ...standard.axes, ...axes } });
};

describe('analytical prior', () => {
  it('has a finite opinion of every family on every instruction set', () => {
    for (const family of FAMILIES) {
      for (const form of [...formsOf(family, ['avx512bf16']).slice(0, 1), ...formsOf(family, ['sm80']).slice(0, 1), ...formsOf(family, ['sm90']).slice(0, 1)]) {
        const prior = analyticalPrior({ form, family, dims: {} });
        for (const variant of sample(form, 5, seededRandom(1), { family })) expect(prior(variant)).toSatisfy(Number.isFinite);
      }
    }
  });

  it('likes bytes in flight: prefetching on a CPU, loads per thread on a GPU', () => {
    const cpu: Form = { family: 'ff_down_gather', params: { dtype: 'bf16' }, isa: 'avx512bf16' };
    expect(priorOf(cpu, { ahead: 4096 })).toBeLessThan(priorOf(cpu, { ahead: 0, again: 0, hint: 0 }));
    const gpu: Form = { family: 'probe_read', params: {}, isa: 'sm80' };
    expect(priorOf(gpu, { loads: 8 }, 80)).toBeLessThan(priorOf(gpu, { loads: 2 }, 80));
  });

  it('likes the default where it knows nothing else, and what is near it', () => {
    const form: Form = { family: 'linear_gemm', params: { dtype: 'bf16', layout: 'outin' }, isa: 'avx512' };
    expect(priorOf(form, {})).toBeLessThan(priorOf(form, { panels: 2 }));
    expect(priorOf(form, { panels: 2 })).toBeLessThan(priorOf(form, { panels: 1 }));
  });
});

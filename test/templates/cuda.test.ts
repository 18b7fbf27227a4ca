import { describe, expect, it } from 'vitest';
import { FAMILIES } from '../../generator/families/index.js';
import { paramSets } from '../../generator/forms.js';
import { kernelId } from '../../generator/ids.js';
import { defaultVariant, sample } from '../../generator/space.js';
import type { CudaIsa, Family } from '../../generator/types.js';
import { createCaseStore } from '../../tuning/cases.js';
import { emulateCase, emulatedModule, type CudaVariant, type EmulatedRun } from '../support/emulate-kernel.js';
import { seededRandom } from '../support/random.js';

/**
 * CUDA kernels on the emulator, below the driver, under its checks and three schedules. The default variants meet the same problems through
 * all layers in `griffin verify` (test/tuning/verify-emulated.test.ts), so here are random variants, and the sm90 forms, which have no shipped
 * default; of dtypes, bf16. For work on one family, with the default and all parameters:
 *
 *     FAMILY=name VARIANTS=n PARAMS=bf16_gated npx vitest run test/templates/cuda.test.ts
 */
const only = process.env['FAMILY'];
const onlyParams = process.env['PARAMS'];
const samples = Number(process.env['VARIANTS'] ?? 1);

const RUNS: readonly EmulatedRun[] = [
  { checked: true, schedule: 'forward', seed: 1, asInPlans: false },
  { checked: true, schedule: 'reverse', seed: 1, asInPlans: true },
  { checked: true, schedule: 'random', seed: 7, asInPlans: true },
];

/** Families with fewer axes have little to vary; with FAMILY they are tested all the same. */
const FEWEST_AXES = 3;
const families = FAMILIES.filter((family) => family.cuda !== undefined && (only === undefined ? family.cuda.axes.length >= FEWEST_AXES : family.name === only));

describe.each(families.map((family) => [family.name, family] as const))('%s on the emulator', (_, family) => {
  const isas = family.cuda?.isas ?? [];
  for (const isa of isas) {
    for (const params of paramSets(family)) {
      const name = Object.values(params).join('_') || 'any';
      if (onlyParams !== undefined && onlyParams !== name) continue;
      if (only === undefined && (params['dtype'] ?? 'bf16') !== 'bf16') continue;
      it(`${isa} ${name}`, () => check(family, isa, params), 600_000);
    }
  }
});

function check(family: Family, isa: CudaIsa, params: Readonly<Record<string, string>>): void {
  const store = createCaseStore();
  const form = { family: family.name, params, isa };
  const standard = defaultVariant(form, { family }) as CudaVariant;
  const random = seededRandom(17);
  const others = (sample(form, samples, random, { family }) as CudaVariant[]).filter((variant) => kernelId(variant, family) !== kernelId(standard, family));
  const variants = only === undefined && isa === 'sm80' ? others : [standard, ...others];
  if (variants.length === 0) return; // a family without axes has no other variant
  const module = emulatedModule(family, variants, true);
  const wrong: string[] = [];
  family.raggedProblems(params).forEach((problem, index) => {
    variants.forEach((variant, v) => {
      // The default meets every schedule, a random variant one of them in turn.
      const runs = variant === standard ? RUNS : [RUNS[(index + v) % RUNS.length]!];
      for (const how of runs) {
        const message = emulateCase(module, family, variant, store.get(family, problem, 11 + index), how);
        if (message !== null) wrong.push(`${kernelId(variant, family)} ${JSON.stringify(problem.dims)} ${how.schedule}${how.asInPlans ? ' as in plans' : ''}: ${message}`);
      }
    });
  });
  expect(wrong).toEqual([]);
}

import { describe, expect, it } from 'vitest';
import { CAPABILITIES } from '../../../generator/capabilities.js';
import { FAMILIES } from '../../../generator/families/index.js';
import { formsOf } from '../../../generator/forms.js';
import { compileFatbins } from '../../../tuning/cuda/fatbins.js';
import { findNvcc } from '../../../tuning/cuda/nvcc.js';

const nvcc = await findNvcc();

describe('default CUDA kernels', () => {
  // What was compiled from the same sources, by this test or by `griffin kernels fatbins`, is not compiled again.
  it.skipIf(nvcc === null)(
    'compile for every listed capability without warnings or spills (skipped where there is no nvcc)',
    async () => {
      if (nvcc === null) return;
      const { families } = await compileFatbins({ nvcc });
      expect(families.flatMap(({ problems }) => problems)).toEqual([]);
      const forms = FAMILIES.flatMap((family) => formsOf(family, ['sm80']));
      expect(families.flatMap(({ sources }) => Object.keys(sources))).toHaveLength(forms.length);
      for (const { statistics } of families) {
        for (const perCapability of Object.values(statistics)) expect(Object.keys(perCapability)).toEqual(CAPABILITIES.map(({ capability }) => String(capability)));
      }
    },
    600_000,
  );
});

import { linearGemm } from '../../../generator/families/linear_gemm.js';
import { describeKernels } from '../../support/run-kernel.js';

describeKernels(linearGemm, { samples: 3 });

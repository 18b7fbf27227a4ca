import { linearGemv } from '../../../generator/families/linear_gemv.js';
import { describeKernels } from '../../support/run-kernel.js';

describeKernels(linearGemv);

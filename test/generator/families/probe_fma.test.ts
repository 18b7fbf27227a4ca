import { probeFma } from '../../../generator/families/probe_fma.js';
import { describeKernels } from '../../support/run-kernel.js';

describeKernels(probeFma);

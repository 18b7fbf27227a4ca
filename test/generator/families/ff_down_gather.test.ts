import { ffDownGather } from '../../../generator/families/ff_down_gather.js';
import { describeKernels } from '../../support/run-kernel.js';

describeKernels(ffDownGather);

import { ffGateUpGather } from '../../../generator/families/ff_gate_up_gather.js';
import { describeKernels } from '../../support/run-kernel.js';

describeKernels(ffGateUpGather);

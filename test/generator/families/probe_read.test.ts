import { probeRead } from '../../../generator/families/probe_read.js';
import { describeKernels } from '../../support/run-kernel.js';

describeKernels(probeRead);

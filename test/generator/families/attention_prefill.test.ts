import { attentionPrefill } from '../../../generator/families/attention_prefill.js';
import { describeKernels } from '../../support/run-kernel.js';

describeKernels(attentionPrefill, { samples: 3 });

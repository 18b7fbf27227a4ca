import { attentionDecode } from '../../../generator/families/attention_decode.js';
import { describeKernels } from '../../support/run-kernel.js';

describeKernels(attentionDecode, { samples: 3 });

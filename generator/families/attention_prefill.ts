import type { Family } from '../types.js';
import {
  ATTENTION_DIMS,
  ATTENTION_FORMULA,
  ATTENTION_SCALARS,
  ATTENTION_TENSORS,
  attentionCost,
  attentionInputs,
  attentionProblems,
  attentionReference,
} from './attention.js';
import { ceilDiv, dim, roundUp } from './common.js';
import { attentionPrefillCuda } from './cuda/attention_prefill.js';

/** Attention of a chunk of many tokens: blocks of queries against blocks of keys, with a running softmax. */
export const attentionPrefill: Family = {
  name: 'attention_prefill',
  summary: 'Causal attention over the KV cache for many rows, in blocks of queries and keys.',
  formula: ATTENTION_FORMULA,
  source: 'FlashAttention (Dao et al., arXiv 2205.14135), on a CPU: keys are transposed once, so that scores come out of broadcasts',
  params: [],
  dims: ATTENTION_DIMS,
  tensors: ATTENTION_TENSORS,
  scalars: ATTENTION_SCALARS,
  cpu: {
    kind: 'cpu',
    axes: [
      {
        name: 'queries',
        values: [16, 32, 64],
        doc: 'rows per work unit: 64 reads each block of keys from L2 half as often as 32, 16 gives short prompts more units',
      },
      { name: 'keys', values: [32, 64, 128], doc: 'tokens of context per block: 64 keys and values of 64 numbers are 16 KiB each' },
    ],
    constraints: [],
    template: 'cpu/attention_prefill.cc.hbs',
    defaults: () => ({ queries: 32, keys: 64 }),
    launch: ({ dims }, { axes }) => {
      const rows = dim(dims, 'rows');
      const keys = dim(axes, 'keys');
      const context = dim(dims, 'position') + rows;
      return {
        phases: [
          { name: 'transpose', units: rows === 0 ? 0 : dim(dims, 'kv_heads') * ceilDiv(context, keys) },
          { name: 'attend', units: dim(dims, 'heads') * ceilDiv(rows, dim(axes, 'queries')) },
        ],
        scratchBytes: (4 * keys + 2 * dim(axes, 'queries')) * 4,
        workspaceBytes: dim(dims, 'kv_heads') * roundUp(context, keys) * dim(dims, 'head_dim') * 4,
      };
    },
    numericsClass: ({ isa, axes }) => `${isa}-keys${String(axes['keys'])}`,
  },
  cuda: attentionPrefillCuda,
  cost: attentionCost,
  makeInputs: attentionInputs,
  reference: attentionReference,
  raggedProblems: () => attentionProblems('attention_prefill'),
};

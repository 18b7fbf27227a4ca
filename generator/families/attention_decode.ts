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
import { ceilDiv, dim } from './common.js';
import { attentionDecodeCuda } from './cuda/attention_decode.js';

/** Attention of one or a few tokens over a long cache: the cache is cut, and each piece is read once for all heads that share it. */
export const attentionDecode: Family = {
  name: 'attention_decode',
  summary: 'Causal attention over the KV cache for few rows, split over the context.',
  formula: ATTENTION_FORMULA,
  source: 'standard; the split and its combination follow Flash-Decoding (Dao et al., 2023)',
  params: [],
  dims: ATTENTION_DIMS,
  tensors: ATTENTION_TENSORS,
  scalars: ATTENTION_SCALARS,
  cpu: {
    kind: 'cpu',
    axes: [
      {
        name: 'split',
        values: [64, 128, 256, 512],
        doc: 'tokens of context per work unit: at 256 a context of 4096 tokens gives 16 units per kv head; 64 spreads short contexts over threads',
      },
    ],
    constraints: [
      {
        name: 'scores-in-l1',
        reason: 'the scores of a split for 8 queries are written and read again twice and must stay in a first-level cache of 32 KiB',
        holds: ({ axes }) => dim(axes, 'split') * 8 * 4 <= 16384,
      },
    ],
    template: 'cpu/attention_decode.cc.hbs',
    defaults: () => ({ split: 128 }),
    launch: ({ dims }, { axes }) => {
      const rows = dim(dims, 'rows');
      const splits = ceilDiv(dim(dims, 'position') + rows, dim(axes, 'split'));
      const outputs = rows * dim(dims, 'heads');
      return {
        phases: [
          { name: 'splits', units: rows === 0 ? 0 : dim(dims, 'kv_heads') * splits },
          { name: 'combine', units: outputs },
        ],
        scratchBytes: 8 * dim(axes, 'split') * 4,
        workspaceBytes: outputs * splits * (dim(dims, 'head_dim') + 2) * 4,
      };
    },
    numericsClass: ({ isa, axes }) => `${isa}-split${String(axes['split'])}`,
  },
  cuda: attentionDecodeCuda,
  cost: attentionCost,
  makeInputs: attentionInputs,
  reference: attentionReference,
  raggedProblems: () => attentionProblems('attention_decode'),
};

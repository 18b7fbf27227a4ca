import type { Family } from '../types.js';
import { attentionDecode } from './attention_decode.js';
import { attentionPrefill } from './attention_prefill.js';
import { embed } from './embed.js';
import { ffActivation } from './ff_activation.js';
import { ffCompact } from './ff_compact.js';
import { ffDownGather } from './ff_down_gather.js';
import { ffGateUpGather } from './ff_gate_up_gather.js';
import { fillRandom } from './fill_random.js';
import { flockStatistic } from './flock_statistic.js';
import { linearGemm } from './linear_gemm.js';
import { linearGemv } from './linear_gemv.js';
import { neuronMagnitude } from './neuron_magnitude.js';
import { probeFma } from './probe_fma.js';
import { probeRead } from './probe_read.js';
import { rmsNorm } from './rms_norm.js';
import { ropeKvWrite } from './rope_kv_write.js';
import { sample } from './sample.js';
import { selectTopk } from './select_topk.js';
import { splitBf16 } from './split_bf16.js';
import { transpose } from './transpose.js';

/** Every kernel family, in the order of docs/design.md. A new family is one module beside this file and one line here. */
export const FAMILIES: readonly Family[] = [
  linearGemv,
  linearGemm,
  ffGateUpGather,
  ffDownGather,
  ffCompact,
  ffActivation,
  flockStatistic,
  selectTopk,
  neuronMagnitude,
  rmsNorm,
  embed,
  ropeKvWrite,
  attentionDecode,
  attentionPrefill,
  sample,
  transpose,
  fillRandom,
  splitBf16,
  probeRead,
  probeFma,
];

/** The family of that name, or undefined. */
export function findFamily(name: string): Family | undefined {
  return FAMILIES.find((family) => family.name === name);
}

/** The kernel problems of a model, with how often each is run: what there is to tune, and how much it matters. */
import { findFamily } from '../generator/families/index.js';
import { rawSize } from '../generator/space.js';
import type { Dims, Family, Isa, Params, Problem } from '../generator/types.js';
import { ACTIVATIONS, type ModelConfig } from '../runtime/checkpoint/types.js';
import { TuneError } from '../runtime/errors.js';
import type { TuningProblem } from './types.js';

export interface ProblemOptions {
  /** Share of the FF neurons kept. Default 0.5. */
  readonly density?: number;
  /** Rows of a prefill chunk. Default 256. */
  readonly prefillChunk?: number;
  /** Tokens in the cache that attention is tuned at. Default: half of the model's positions, at most 2048. */
  readonly context?: number;
  /** Whose tuning axes count. Default `portable`: the CPU's instruction sets share them. */
  readonly isa?: Isa;
  /** Families by name. Default: the registry. */
  readonly find?: (name: string) => Family | undefined;
}

/** Problems weigh by this kind of generation: one prompt chunk, then this many tokens. */
const TOKENS_PER_CHUNK = 128;
/** Rough machine for weights before anything is measured: bytes and floating-point operations per nanosecond. */
const ASSUMED = { bytesPerNs: 10, flopsPerNs: 50, launchNs: 3000 } as const;

interface Entry {
  readonly family: string;
  readonly params: Params;
  /** Sizes by name; a family takes those that it declares. */
  readonly sizes: Dims;
  readonly label: string;
  readonly perToken: number;
  readonly perChunk: number;
}

/**
 * The problems of a model that have something to choose, equal problems merged (their calls add up), heaviest first. Throws TuneError
 * when a family is missing.
 */
export function modelProblems(config: ModelConfig, options: ProblemOptions = {}): readonly TuningProblem[] {
  const find = options.find ?? findFamily;
  const merged = new Map<string, TuningProblem>();
  for (const entry of entriesOf(config, options)) {
    const family = find(entry.family);
    if (family === undefined) throw new TuneError(`the model needs the kernel family ${entry.family}, which does not exist`);
    if (rawSize(family, options.isa ?? 'portable') <= 1) continue;
    const problem: Problem = { family: family.name, params: entry.params, dims: declaredSizes(family, entry.sizes) };
    const key = JSON.stringify([problem.family, problem.params, dispatchDims(family, problem)]);
    const before = merged.get(key);
    merged.set(key, {
      problem: before?.problem ?? problem,
      label: before === undefined ? entry.label : `${before.label}, ${entry.label}`,
      callsPerToken: (before?.callsPerToken ?? 0) + entry.perToken,
      callsPerChunk: (before?.callsPerChunk ?? 0) + entry.perChunk,
    });
  }
  const weigh = (problem: TuningProblem): number => expectedTime(find(problem.problem.family) as Family, problem);
  return [...merged.values()].sort((a, b) => weigh(b) - weigh(a));
}

/** Nanoseconds of a typical generation that go into this problem, per token, estimated from bytes and operations. */
export function expectedTime(family: Family, { problem, callsPerToken, callsPerChunk }: TuningProblem): number {
  const { readBytes, writeBytes, flops } = family.cost(problem);
  const launchNs = ASSUMED.launchNs + Math.max((readBytes + writeBytes) / ASSUMED.bytesPerNs, flops / ASSUMED.flopsPerNs);
  return launchNs * (callsPerToken + callsPerChunk / TOKENS_PER_CHUNK);
}

/** The sizes that the runtime names when it asks the library for a kernel: the int scalars of the family. */
export function dispatchDims(family: Family, problem: Problem): Dims {
  const ints = family.scalars.filter((scalar) => scalar.type === 'int');
  return Object.fromEntries(ints.map((scalar) => [scalar.name, scalar.value(problem.dims, problem.params)]));
}

/** Options that a family declares and a model does not name keep the family's default. */
function declaredSizes(family: Family, sizes: Dims): Dims {
  return Object.fromEntries(family.dims.flatMap(({ name }) => (sizes[name] === undefined ? [] : [[name, sizes[name]]])));
}

function entriesOf(config: ModelConfig, options: ProblemOptions): readonly Entry[] {
  const { hiddenSize: hidden, intermediateSize: intermediate, layers, heads, kvHeads, headDim, vocabSize: vocab, dtype } = config;
  const chunk = Math.min(options.prefillChunk ?? 256, config.maxPositions);
  const kept = Math.floor(intermediate * (options.density ?? 0.5));
  const context = Math.min(options.context ?? 2048, Math.max(1, Math.floor(config.maxPositions / 2)));
  const gated = config.gated ? 'gated' : 'plain';
  const group = config.gated ? 2 : 1;
  const activation = ACTIVATIONS[config.activation];
  const attentionBias = config.attentionBias ? 1 : 0;
  const mlpBias = config.mlpBias ? 1 : 0;
  const attention = { heads, kv_heads: kvHeads, head_dim: headDim };
  const qkvOut = (heads + 2 * kvHeads) * headDim;
  const both = { perToken: layers, perChunk: 0 };
  const chunks = { perToken: 0, perChunk: layers };
  const linear = (width: number, out: number, bias: number, residual: number): Dims => ({ in: width, out, bias, residual });
  const ff = { rows: 1, hidden, intermediate, activation, bias: mlpBias };

  const halves = (k: number, dense: 0 | 1, name: string, calls: { perToken: number; perChunk: number }): readonly Entry[] => [
    { family: 'ff_gate_up_gather', params: { dtype, gated }, sizes: { ...ff, k, dense }, label: `decode gate/up ${name}`, ...calls },
    { family: 'ff_down_gather', params: { dtype }, sizes: { ...ff, k, dense, residual: 1 }, label: `decode down ${name}`, ...calls },
  ];
  const gemm = (layout: 'outin' | 'inout', sizes: Dims, label: string): Entry => ({
    family: 'linear_gemm',
    params: { dtype, layout },
    sizes: { rows: chunk, ...sizes },
    label,
    ...chunks,
  });

  return [
    { family: 'linear_gemv', params: { dtype }, sizes: { rows: 1, ...linear(hidden, qkvOut, attentionBias, 0) }, label: 'decode qkv', ...both },
    { family: 'linear_gemv', params: { dtype }, sizes: { rows: 1, ...linear(heads * headDim, hidden, attentionBias, 1) }, label: 'decode o', ...both },
    { family: 'linear_gemv', params: { dtype }, sizes: { rows: 1, ...linear(hidden, vocab, 0, 0) }, label: 'lm_head', perToken: 1, perChunk: 1 },
    ...halves(kept, 0, `k=${kept}`, both),
    ...halves(intermediate, 1, 'dense', both),
    { family: 'attention_decode', params: {}, sizes: { rows: 1, position: context - 1, capacity: context, ...attention }, label: 'decode attention', ...both },
    gemm('outin', linear(hidden, qkvOut, attentionBias, 0), 'prefill qkv'),
    gemm('outin', linear(heads * headDim, hidden, attentionBias, 1), 'prefill o'),
    gemm('outin', linear(hidden, group * intermediate, 0, 0), 'prefill ff in'),
    gemm('inout', linear(intermediate, hidden, mlpBias, 1), 'prefill ff out'),
    { family: 'attention_prefill', params: {}, sizes: { rows: chunk, position: Math.max(0, context - chunk), capacity: Math.max(context, chunk), ...attention }, label: 'prefill attention', ...chunks },
    { family: 'ff_activation', params: { gated }, sizes: { rows: chunk, intermediate, activation, bias: mlpBias }, label: 'prefill activation', ...chunks },
    { family: 'flock_statistic', params: {}, sizes: { rows: chunk, intermediate }, label: 'statistic', ...chunks },
    { family: 'select_topk', params: {}, sizes: { layers, intermediate, k: kept }, label: 'selection', perToken: 0, perChunk: 1 },
    { family: 'rms_norm', params: {}, sizes: { rows: 1, first: 0, hidden }, label: 'decode norm', perToken: 2 * layers + 1, perChunk: 0 },
    { family: 'rope_kv_write', params: {}, sizes: { rows: 1, position: context - 1, capacity: context, ...attention }, label: 'decode rope', ...both },
    { family: 'ff_compact', params: { dtype }, sizes: { width: group * hidden, intermediate, k: kept }, label: 'compact ff in', ...chunks },
    { family: 'ff_compact', params: { dtype }, sizes: { width: hidden, intermediate, k: kept }, label: 'compact ff out', ...chunks },
    { family: 'sample', params: {}, sizes: { vocab, advance: 1 }, label: 'sampling', perToken: 1, perChunk: 1 },
  ];
}

import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultTemplateRoot } from '../../generator/templates.js';
import type { Family, Params, Problem } from '../../generator/types.js';

/** A family small enough to check by hand: y = scale · x, one unit per `block` elements. */
export const TINY: Family = {
  name: 'tiny_scale',
  summary: 'Scales a vector.',
  formula: 'y[i] = scale * x[i]',
  source: 'made for tests',
  params: [{ name: 'dtype', values: ['f32', 'bf16'], doc: 'Element type of x.' }],
  dims: [{ name: 'n', doc: 'Elements.' }],
  tensors: [
    { name: 'x', role: 'input', dtype: (p) => (p['dtype'] === 'bf16' ? 'bf16' : 'f32'), shape: (d) => [d['n'] ?? 0], doc: 'What is scaled.' },
    { name: 'offset', role: 'input', dtype: () => 'f32', shape: (d) => [d['n'] ?? 0], optional: true, doc: 'Added; null adds nothing.' },
    { name: 'y', role: 'output', dtype: () => 'f32', shape: (d) => [d['n'] ?? 0], doc: 'The result.' },
  ],
  scalars: [
    { name: 'n', type: 'int', dynamic: true, value: (d) => d['n'] ?? 0, doc: 'Elements.' },
    { name: 'scale', type: 'float', value: () => 2, doc: 'The factor.' },
    { name: 'stride', type: 'int', value: () => 1, doc: 'Distance of elements in x.' },
  ],
  cpu: {
    kind: 'cpu',
    axes: [
      { name: 'block', values: [16, 32, 64, 128], doc: 'Elements of one work unit.' },
      { name: 'unroll', values: [1, 2, 4], doc: 'Elements of one loop iteration.' },
    ],
    constraints: [
      { name: 'registers', reason: 'Portable code has too few registers to unroll four times.', holds: ({ isa, axes }) => isa !== 'portable' || axes['unroll'] !== 4 },
      { name: 'fits', reason: 'A block larger than the problem leaves threads idle.', holds: ({ axes, dims }) => dims === undefined || (axes['block'] ?? 0) <= (dims['n'] ?? 0) },
    ],
    template: 'cpu/tiny_scale.cc.hbs',
    defaults: () => ({ block: 64, unroll: 2 }),
    launch: (problem, variant) => ({
      phases: [{ name: 'scale', units: Math.ceil((problem.dims['n'] ?? 0) / (variant.axes['block'] ?? 1)) }],
      scratchBytes: 0,
      workspaceBytes: 0,
    }),
    numericsClass: () => 'exact',
    view: ({ axes }) => ({ steps: (axes['block'] ?? 0) / (axes['unroll'] ?? 1) }),
  },
  cost: (problem) => ({ readBytes: 4 * (problem.dims['n'] ?? 0), writeBytes: 4 * (problem.dims['n'] ?? 0), flops: problem.dims['n'] ?? 0 }),
  makeInputs: (problem, random) => ({ x: Float64Array.from({ length: problem.dims['n'] ?? 0 }, () => random()), offset: null }),
  reference: (_problem, inputs) => ({ y: { values: Float64Array.from(inputs['x'] ?? [], (v) => 2 * v), bound: 0 } }),
  raggedProblems: (params: Params): readonly Problem[] => [1, 17, 130].map((n) => ({ family: 'tiny_scale', params, dims: { n } })),
};

const PRELUDE = `{{> cpu/kernel_abi}}
#ifndef GK_TEST_PRELUDE
#define GK_TEST_PRELUDE
// prelude of {{isa}}
namespace gk { struct f16 { uint16_t bits; }; struct bf16 { uint16_t bits; }; static constexpr int kLanes = {{lanes}}; }
#endif
`;

export const TINY_TEMPLATE = `{{!-- tiny --}}
// {{id}}: {{family.formula}}
{{> cpu/prelude}}


namespace {{ns}} {

{{> cpu/args}}

static constexpr uint32_t kPhases = 1;
static constexpr uint64_t kScratchBytes = 0;
static uint64_t workspace_bytes(const Args&) { return 0; }
static int64_t units(const Args& a, uint32_t) { return (a.n + {{axes.block}} - 1) / {{axes.block}}; }
{{#if (eq params.dtype "bf16")}}
static float load(const {{cType.x}}* p) { union { uint32_t u; float f; } v; v.u = uint32_t(p->bits) << 16; return v.f; }
{{else}}
static float load(const {{cType.x}}* p) { return *p; }
{{/if}}
static void run(const Args& a, uint32_t, int64_t begin, int64_t end, void*) {
  int64_t last = end * {{axes.block}} < a.n ? end * {{axes.block}} : a.n;
  for (int64_t i = begin * {{axes.block}}; i < last; i++) {
    a.y[i] = a.scale * load(a.x + i * a.stride) + (a.offset ? a.offset[i] : 0.0f);
  }
}
// {{#repeat axes.unroll}}step {{@index}} of {{axes.unroll}}{{#unless @last}}, {{/unless}}{{/repeat}}; {{steps}} steps

}  // namespace {{ns}}

{{> cpu/export}}
`;

/** The tiny family with forms for CUDA as well. */
export const TINY_CUDA: Family = {
  ...TINY,
  cuda: {
    kind: 'cuda',
    isas: ['sm80', 'sm90'],
    axes: [{ name: 'threads', values: [64, 128], doc: 'Threads of a block, one element each.' }],
    constraints: [{ name: 'small', reason: 'Only newer devices take blocks of 128 threads here.', holds: ({ axes, capability }) => axes['threads'] === 64 || (capability ?? 80) >= 86 }],
    template: 'cuda/tiny_scale.cu.hbs',
    defaults: () => ({ threads: 64 }),
    launch: ({ axes }) => ({
      phases: [{ name: 'main', grid: [`ceilDiv(n, ${axes['threads'] ?? 0})`, '1', '1'], block: axes['threads'] ?? 0, sharedBytes: '0' }],
      workspaceBytes: '0',
      counters: '0',
    }),
    numericsClass: () => 'exact',
  },
};

export const TINY_CUDA_TEMPLATE = `{{!-- tiny, on CUDA --}}
// {{id}}: {{family.formula}}
{{> cuda/prelude}}

namespace {{ns}} {

{{> cuda/params}}

GK_KERNEL({{symbol}}__main, Params, {{axes.threads}}, 1) {
  gk::waitForPrevious();
  const int32_t i = int32_t(blockIdx.x) * {{axes.threads}} + int32_t(threadIdx.x);
  if (i < n(params)) params.y[i] = fmaf(params.scale, gk::toFloat(params.x[int64_t(i) * stride(params)]), params.offset ? params.offset[i] : 0.0f);
}

}  // namespace {{ns}}

{{> cuda/describe}}
`;

/** A fresh template directory with the shared partials, a minimal prelude and the tiny kernel; `files` adds or replaces some. */
export function tinyTemplates(files: Readonly<Record<string, string>> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'griffin-templates-'));
  mkdirSync(join(root, 'cpu'));
  mkdirSync(join(root, 'cuda'));
  for (const name of ['args.h.hbs', 'export.h.hbs', 'kernel_abi.h']) cpSync(join(defaultTemplateRoot(), 'cpu', name), join(root, 'cpu', name));
  for (const name of ['params.cuh.hbs', 'describe.cuh.hbs', 'prelude.cuh.hbs', 'device.cuh']) cpSync(join(defaultTemplateRoot(), 'cuda', name), join(root, 'cuda', name));
  const all = { 'cpu/prelude.h.hbs': PRELUDE, 'cpu/tiny_scale.cc.hbs': TINY_TEMPLATE, 'cuda/tiny_scale.cu.hbs': TINY_CUDA_TEMPLATE, ...files };
  for (const [name, text] of Object.entries(all)) writeFileSync(join(root, name), text);
  return root;
}

/** A seeded uniform generator in [0, 1) (xorshift, 32 bits). */
export function seededRandom(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

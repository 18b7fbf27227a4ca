import { createHash } from 'node:crypto';
import { GeneratorError } from './errors.js';
import { cudaView } from './cuda-view.js';
import { kernelId, namespaceOfId, requireFamily, symbolOfId } from './ids.js';
import { ISA_SPECS } from './isa.js';
import { defaultTemplateRoot, loadTemplates, type TemplateSet } from './templates.js';
import { isCudaIsa, targetOf } from './targets.js';
import type { CpuIsa, Dtype, Family, Params, ScalarSpec, TensorSpec, Variant } from './types.js';

export interface RenderOptions {
  /** Directory that holds `cpu/`. Default: this package's `templates/`. */
  readonly templateRoot?: string;
  /** The variant's family, where it is not in the registry. */
  readonly family?: Family;
  /**
   * `inline` (default): the source stands alone. `include`: the shared prelude is one `#include`: for a CPU of "prelude.h", whose text is
   * what `renderPrelude` returns for the same instruction set; for CUDA of "device.cuh", which is `templates/cuda/device.cuh` as it is.
   */
  readonly prelude?: 'inline' | 'include';
}

/** Partials that `prelude: 'include'` replaces by an include. */
export const PRELUDE_INCLUDE = '#include "prelude.h"';
export const CUDA_PRELUDE_INCLUDE = '#include "device.cuh"';
const INCLUDES = { 'cpu/prelude': `${PRELUDE_INCLUDE}\n`, 'cuda/prelude': `${CUDA_PRELUDE_INCLUDE}\n` };

const C_TYPES: Readonly<Record<Dtype, string>> = { f32: 'float', f16: 'gk::f16', bf16: 'gk::bf16', i32: 'int32_t' };

const cache = new Map<string, TemplateSet>();

function templates(root: string, prelude: 'inline' | 'include'): TemplateSet {
  const key = `${prelude}\0${root}`;
  let set = cache.get(key);
  if (set === undefined) {
    set = loadTemplates(root, prelude === 'include' ? INCLUDES : {});
    cache.set(key, set);
  }
  return set;
}

/**
 * The C++ source of one variant. The same variant and templates always give the same text. Throws a GeneratorError that names the
 * template, the line and the variable when a template uses something that the view lacks.
 */
export function renderKernel(variant: Variant, options: RenderOptions = {}): string {
  const family = options.family ?? requireFamily(variant.family);
  const set = templates(options.templateRoot ?? defaultTemplateRoot(), options.prelude ?? 'inline');
  return tidy(set.get(targetOf(family, variant.isa).template)(viewOf(variant, family)));
}

/** The shared prelude of a CPU instruction set: the SIMD layer and the kernel ABI. It may depend on `isa` and `lanes` only. */
export function renderPrelude(isa: CpuIsa, options: Pick<RenderOptions, 'templateRoot'> = {}): string {
  const set = templates(options.templateRoot ?? defaultTemplateRoot(), 'inline');
  return tidy(set.get('cpu/prelude.h.hbs')(isaView(isa)));
}

/** The shared prelude of CUDA kernels: `device.cuh` as `prelude: 'include'` expects it. */
export function renderCudaPrelude(options: Pick<RenderOptions, 'templateRoot'> = {}): string {
  const set = templates(options.templateRoot ?? defaultTemplateRoot(), 'inline');
  return tidy(set.get('cuda/prelude.cuh.hbs')({}));
}

/** SHA-256 (hex) of a text: the content hash of a source. */
export function sourceHash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What a template sees; docs/templates.md lists it. */
export function viewOf(variant: Variant, family: Family): Readonly<Record<string, unknown>> {
  const id = kernelId(variant, family);
  const tensors = family.tensors.map((tensor, index) => tensorView(tensor, index, variant.params));
  const standard: Record<string, unknown> = {
    id,
    symbol: symbolOfId(id),
    ns: namespaceOfId(id),
    family: { name: family.name, summary: family.summary, formula: family.formula, source: family.source },
    ...(isCudaIsa(variant.isa) ? cudaView({ ...variant, isa: variant.isa }, id, family) : isaView(variant.isa)),
    params: variant.params,
    axes: variant.axes,
    tensors,
    cType: Object.fromEntries(tensors.map((tensor) => [tensor.name, tensor.cType])),
    scalars: scalarViews(family.scalars),
  };
  const extra = targetOf(family, variant.isa).view?.(variant) ?? {};
  for (const name of Object.keys(extra)) {
    if (name in standard) throw new GeneratorError('TEMPLATE', `${family.name}: view() returns "${name}", which the standard view already has`);
  }
  return { ...standard, ...extra };
}

function isaView(isa: CpuIsa): { isa: CpuIsa; lanes: number } {
  return { isa, lanes: ISA_SPECS[isa].lanes };
}

function tensorView(tensor: TensorSpec, index: number, params: Params) {
  const dtype = tensor.dtype(params);
  return {
    name: tensor.name,
    role: tensor.role,
    dtype,
    cType: C_TYPES[dtype],
    constness: tensor.role === 'input' ? 'const ' : '',
    optional: tensor.optional ?? false,
    index,
    doc: oneLine(tensor.doc),
  };
}

function scalarViews(scalars: readonly ScalarSpec[]) {
  const next = { int: 0, float: 0 };
  return scalars.map((scalar) => ({
    name: scalar.name,
    type: scalar.type,
    cType: scalar.type === 'int' ? 'int64_t' : 'float',
    dynamic: scalar.dynamic ?? false,
    array: scalar.type === 'int' ? 'ints' : 'floats',
    index: next[scalar.type]++,
    doc: oneLine(scalar.doc),
  }));
}

/** Docs go into `//` comments: one line, and no backslash that would swallow the next one. */
function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/\\$/, '').trim();
}

/** No trailing spaces, at most one blank line in a row, none at either end. */
function tidy(text: string): string {
  return `${text.replace(/[ \t]+$/gm, '').replace(/\n{3,}/g, '\n\n').trim()}\n`;
}

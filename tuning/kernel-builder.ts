/** Variants to shared objects: renders, hashes, compiles, and remembers. */
import { join } from 'node:path';
import { formId, kernelId, type Form } from '../generator/ids.js';
import { renderKernel, sourceHash } from '../generator/render.js';
import { defaultVariant } from '../generator/space.js';
import { isCudaIsa, targetOf } from '../generator/targets.js';
import type { Family, Isa, Variant } from '../generator/types.js';
import { cpuCompiler, type KernelCompiler } from './kernel-compilers.js';
import type { KernelBinary } from './types.js';

export type BuiltKernel =
  | { readonly ok: true; readonly binary: KernelBinary }
  /** `spills`: it compiles, but keeps registers in memory, and is not measured for that. */
  | { readonly ok: false; readonly reason?: 'compiler' | 'spills'; readonly message: string };

export interface KernelBuilder {
  /** First line of the compiler's version: part of the key of every measurement. */
  readonly compiler: string;
  /** SHA-256 of a variant's source. Throws a GeneratorError when it cannot be rendered. */
  sourceHash(variant: Variant, family: Family): string;
  /** SHA-256 of the default variant's source: tells the runtime when templates have changed since. */
  formHash(form: Form, family: Family): string;
  /** Whether there is a result for a kernel, good or bad; and for how many there is. */
  isBuilt(kernelId: string): boolean;
  builtCount(): number;
  /** The shared object of a kernel that was built, or null. */
  pathOf(kernelId: string): string | null;
  /** One result per variant, by kernel id. Rejects with AbortedError, CompilerError or FileError; a kernel that does not compile is a result. */
  build(variants: readonly { readonly variant: Variant; readonly family: Family }[], signal?: AbortSignal, onBuilt?: () => void): Promise<ReadonlyMap<string, BuiltKernel>>;
}

/** Compiles into `directory`, where binaries of earlier runs are found again by their content hash; default kernels are taken from the build. */
export async function createKernelBuilder(directory: string, compiler?: KernelCompiler): Promise<KernelBuilder> {
  const { version, prebuilt, compile } = compiler ?? (await cpuCompiler());
  const sources = new Map<string, { text: string; hash: string }>();
  const built = new Map<string, BuiltKernel>();

  function sourceOf(variant: Variant, family: Family): { text: string; hash: string } {
    const id = kernelId(variant, family);
    let source = sources.get(id);
    if (source === undefined) {
      const text = renderKernel(variant, { family });
      source = { text, hash: sourceHash(text) };
      sources.set(id, source);
    }
    return source;
  }

  const formHashes = new Map<string, string>();
  return {
    compiler: version,
    sourceHash: (variant, family) => sourceOf(variant, family).hash,
    formHash(form, family) {
      const id = formId(form, family);
      const hash = formHashes.get(id) ?? sourceOf(defaultVariant(form, { family }), family).hash;
      formHashes.set(id, hash);
      return hash;
    },
    isBuilt: (id) => built.has(id),
    builtCount: () => built.size,
    pathOf(id) {
      const kernel = built.get(id);
      return kernel?.ok === true ? kernel.binary.path : null;
    },
    async build(variants, signal, onBuilt) {
      const byIsa = new Map<Isa, { id: string; text: string }[]>();
      const spillers = new Set<string>();
      for (const { variant, family } of variants) {
        const id = kernelId(variant, family);
        if (built.has(id)) continue;
        const path = prebuilt(id, variant.isa);
        if (path !== null) {
          built.set(id, { ok: true, binary: { kernelId: id, path } });
          continue;
        }
        if (maySpill(variant, family)) spillers.add(id);
        const batch = byIsa.get(variant.isa) ?? [];
        byIsa.set(variant.isa, batch);
        if (!batch.some((source) => source.id === id)) batch.push({ id, text: sourceOf(variant, family).text });
      }
      for (const [isa, batch] of byIsa) {
        const results = await compile(batch, isa, {
          directory,
          maySpill: (id) => spillers.has(id),
          ...(signal === undefined ? {} : { signal }),
          ...(onBuilt === undefined ? {} : { onBuilt }),
        });
        for (const result of results) {
          const { id } = result;
          if (result.ok) built.set(id, { ok: true, binary: { kernelId: id, path: result.file } });
          else built.set(id, { ok: false, message: result.message, ...(result.reason === undefined ? {} : { reason: result.reason }) });
        }
      }
      return built;
    },
  };
}

function maySpill(variant: Variant, family: Family): boolean {
  if (!isCudaIsa(variant.isa)) return false;
  return targetOf(family, variant.isa).maySpill?.({ isa: variant.isa, params: variant.params, axes: variant.axes }) === true;
}

/** Where candidates are compiled: winners are copied from here into `kernels/`; the rest may be deleted at any time. */
export function candidateDirectory(library: string): string {
  return join(library, 'candidates');
}

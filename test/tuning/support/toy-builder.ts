/** A kernel builder without a compiler: "binaries" are small files, one mode does not compile. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kernelId } from '../../../generator/ids.js';
import { targetOf } from '../../../generator/targets.js';
import type { Family, Variant } from '../../../generator/types.js';
import type { BuiltKernel, KernelBuilder } from '../../../tuning/kernel-builder.js';
import { MODES } from './toy-family.js';

export interface ToyBuilder extends KernelBuilder {
  /** Kernel ids in the order in which they were built. */
  readonly order: readonly string[];
}

export function createToyBuilder(directory: string, compiler = 'toy 1.0'): ToyBuilder {
  const built = new Map<string, BuiltKernel>();
  const order: string[] = [];
  const hash = (variant: Variant, family: Family): string => createHash('sha256').update(kernelId(variant, family)).digest('hex');
  return {
    compiler,
    order,
    sourceHash: hash,
    formHash: (form, family) => hash({ ...form, axes: targetOf(family, form.isa).defaults(form) }, family),
    isBuilt: (id) => built.has(id),
    builtCount: () => built.size,
    pathOf(id) {
      const kernel = built.get(id);
      return kernel?.ok === true ? kernel.binary.path : null;
    },
    build(variants) {
      mkdirSync(directory, { recursive: true });
      for (const { variant, family } of variants) {
        const id = kernelId(variant, family);
        if (built.has(id)) continue;
        order.push(id);
        if (variant.axes['mode'] === MODES.doesNotCompile) {
          built.set(id, { ok: false, message: 'error: toy does not compile' });
          continue;
        }
        const path = join(directory, `${hash(variant, family).slice(0, 32)}.so`);
        writeFileSync(path, `binary of ${id}`);
        writeFileSync(path.replace(/so$/, 'cc'), `source of ${id}`);
        built.set(id, { ok: true, binary: { kernelId: id, path } });
      }
      return Promise.resolve(built);
    },
  };
}

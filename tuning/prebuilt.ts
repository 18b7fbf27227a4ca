/** Default kernels that `npm run build` has compiled already: the tuner need not compile them again. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseKernelId } from '../generator/ids.js';
import { compilerFlags } from '../generator/isa.js';
import { renderKernel } from '../generator/render.js';
import { isCpuIsa } from '../generator/targets.js';
import type { CpuIsa, Isa } from '../generator/types.js';
import { defaultKernelDirectory, findObject, readKernelIndex, type KernelIndex, type KernelObject } from '../runtime/library/manifest.js';
import { targetArchitecture, type Compiler } from './compiler.js';

export interface Prebuilt {
  /** The shared object that holds this kernel, compiled from today's templates with this compiler; else null. */
  find(kernelId: string, isa: Isa): string | null;
}

export function openPrebuilt(compiler: Compiler, directory: string = defaultKernelDirectory()): Prebuilt {
  const index = readIndex(directory);
  const checked = new Map<KernelObject, boolean>();
  return {
    find(kernelId, isa) {
      const object = index === null ? undefined : findObject(index, isa, kernelId);
      if (object === undefined || !isCpuIsa(isa)) return null;
      const usable = checked.get(object) ?? isCurrent(object, isa, compiler, directory);
      checked.set(object, usable);
      return usable ? join(directory, object.file) : null;
    },
  };
}

function readIndex(directory: string): KernelIndex | null {
  try {
    return readKernelIndex(directory);
  } catch {
    return null; // not built, or not ours: everything is compiled
  }
}

/** The object's key is a hash of everything that decides its content: recomputed from the templates, so that a stale object is never measured. */
function isCurrent(object: KernelObject, isa: CpuIsa, compiler: Compiler, directory: string): boolean {
  try {
    const texts = object.kernels.map((id) => renderKernel(parseKernelId(id)));
    const key = createHash('sha256').update(JSON.stringify([targetArchitecture(), compiler.version, compilerFlags(isa), texts])).digest('hex');
    const path = join(directory, object.file);
    return key === object.key && existsSync(path) && createHash('sha256').update(readFileSync(path)).digest('hex') === object.sha256;
  } catch {
    return false; // a kernel id that today's families do not have
  }
}

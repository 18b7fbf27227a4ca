import { GeneratorError } from './errors.js';
import { symbolOfId } from './ids.js';
import { targetOf } from './targets.js';
import type { CudaIsa, CudaLaunch, Family, Variant } from './types.js';

/** Version of the contract between CUDA kernels and the device that launches them (docs/cuda.md, "Kernel ABI"). */
export const CUDA_ABI_VERSION = 1;

type CudaVariant = Variant & { readonly isa: CudaIsa };

/** How a CUDA variant is launched, with its phases checked. Throws a GeneratorError for a block or phase name that no device takes. */
export function cudaLaunch(variant: CudaVariant, family: Family): CudaLaunch {
  const launch = targetOf(family, variant.isa).launch({ isa: variant.isa, params: variant.params, axes: variant.axes });
  for (const phase of launch.phases) {
    if (!/^[a-z][a-z0-9]*$/.test(phase.name)) throw new GeneratorError('VARIANT', `${family.name}: phase name "${phase.name}" is not one lower-case word`);
    if (phase.block % 32 !== 0 || phase.block < 32 || phase.block > 1024) {
      throw new GeneratorError('VARIANT', `${family.name}: phase ${phase.name} has ${phase.block} threads; a block has 32 to 1024 in steps of 32`);
    }
  }
  return launch;
}

/** Bytes of the parameter block: pointers, then 32-bit scalars, rounded up to 8. */
export function parameterBytes(family: Family): { readonly bytes: number; readonly padded: boolean } {
  const pointers = family.tensors.length + family.scalars.filter((scalar) => scalar.dynamic === true).length + 2;
  return { bytes: pointers * 8 + Math.ceil(family.scalars.length / 2) * 8, padded: family.scalars.length % 2 === 1 };
}

/** The description that a module carries of one kernel, as the device parses it. */
export function describeKernel(variant: CudaVariant, id: string, family: Family): Readonly<Record<string, unknown>> {
  const launch = cudaLaunch(variant, family);
  const names = (type: 'int' | 'float'): string[] => family.scalars.filter((scalar) => scalar.type === type).map((scalar) => scalar.name);
  return {
    abi: CUDA_ABI_VERSION,
    id,
    isa: variant.isa,
    tensors: family.tensors.length,
    ints: names('int'),
    dynamic: family.scalars.filter((scalar) => scalar.dynamic === true).map((scalar) => scalar.name),
    floats: names('float'),
    paramBytes: parameterBytes(family).bytes,
    phases: launch.phases.map((phase) => ({
      entry: `${symbolOfId(id)}__${phase.name}`,
      grid: phase.grid,
      block: phase.block,
      shared: phase.sharedBytes,
      cluster: phase.cluster ?? 1,
    })),
    workspace: launch.workspaceBytes,
    counters: launch.counters,
  };
}

/** What a CUDA template sees beside the common view. */
export function cudaView(variant: CudaVariant, id: string, family: Family): Readonly<Record<string, unknown>> {
  const { bytes, padded } = parameterBytes(family);
  // A JSON text inside a JSON text is also a C string literal: both escape quotes and backslashes alike, and the text is ASCII.
  const description = JSON.stringify(JSON.stringify(describeKernel(variant, id, family)));
  return { isa: variant.isa, paramBytes: bytes, padded, description };
}

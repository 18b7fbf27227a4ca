import { GeneratorError } from './errors.js';
import { CPU_ISAS, CUDA_ISAS, ISAS, type CpuIsa, type CpuTarget, type CudaIsa, type CudaTarget, type Family, type Isa, type Target } from './types.js';

/** Whether a name is that of an instruction set. */
export function isIsa(name: string): name is Isa {
  return (ISAS as readonly string[]).includes(name);
}

/** Whether an instruction set is one of the CPU's. */
export function isCpuIsa(isa: string): isa is CpuIsa {
  return (CPU_ISAS as readonly string[]).includes(isa);
}

/** Whether an instruction set is one of CUDA's. */
export function isCudaIsa(isa: string): isa is CudaIsa {
  return (CUDA_ISAS as readonly string[]).includes(isa);
}

/** The part of a family that belongs to an instruction set. Throws a GeneratorError where the family has no form for it. */
export function targetOf(family: Family, isa: CpuIsa): CpuTarget;
export function targetOf(family: Family, isa: CudaIsa): CudaTarget;
export function targetOf(family: Family, isa: Isa): Target;
export function targetOf(family: Family, isa: Isa): Target {
  if (isCpuIsa(isa)) return family.cpu;
  if (family.cuda?.isas.includes(isa) === true) return family.cuda;
  throw new GeneratorError('VARIANT', `${family.name} has no form for ${isa}; it has ${isasOf(family).join(', ')}`);
}

/** Instruction sets that a family has forms for, weakest first, the CPU's before CUDA's. */
export function isasOf(family: Family): readonly Isa[] {
  return [...CPU_ISAS, ...(family.cuda?.isas ?? [])];
}

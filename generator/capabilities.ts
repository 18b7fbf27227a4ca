import { GeneratorError } from './errors.js';
import type { CudaIsa } from './types.js';

/**
 * What a multiprocessor and a block may use, per compute capability. Source: CUDA C++ Programming Guide, "Technical Specifications per
 * Compute Capability".
 */
export interface CapabilityLimits {
  /** 10 × major + minor, e.g. 86. */
  readonly capability: number;
  /** Bytes of shared memory that one block may opt in to, static and dynamic together. */
  readonly sharedPerBlock: number;
  readonly sharedPerMultiprocessor: number;
  /** 32-bit registers. */
  readonly registersPerMultiprocessor: number;
  readonly threadsPerMultiprocessor: number;
  readonly blocksPerMultiprocessor: number;
}

const KIB = 1024;
/** Shared memory that the driver keeps for itself in every block. */
export const RESERVED_SHARED_PER_BLOCK = KIB;
export const REGISTERS_PER_THREAD = 255;
/** Static shared memory, and dynamic without opting in. */
export const SHARED_WITHOUT_OPT_IN = 48 * KIB;

const limits = (capability: number, sharedBlock: number, sharedMultiprocessor: number, threads: number, blocks: number): CapabilityLimits => ({
  capability,
  sharedPerBlock: sharedBlock * KIB,
  sharedPerMultiprocessor: sharedMultiprocessor * KIB,
  registersPerMultiprocessor: 65536,
  threadsPerMultiprocessor: threads,
  blocksPerMultiprocessor: blocks,
});

/** The capabilities that default kernels are compiled for, oldest first. */
export const CAPABILITIES: readonly CapabilityLimits[] = [
  limits(80, 163, 164, 2048, 32),
  limits(86, 99, 100, 1536, 16),
  limits(89, 99, 100, 1536, 24),
  limits(90, 227, 228, 2048, 32),
  limits(100, 227, 228, 2048, 32),
  limits(120, 99, 100, 1536, 24),
];

/** The limits of a capability; of the newest known one of the same or an older generation where it is not listed (8.7 → 8.6, 10.3 → 10.0). */
export function limitsOf(capability: number): CapabilityLimits {
  const found = CAPABILITIES.filter((entry) => entry.capability <= capability).at(-1);
  if (found === undefined) throw new GeneratorError('VARIANT', `compute capability ${capability / 10} is too old; kernels need 8.0 or newer`);
  return found;
}

/** The lowest capability that runs an instruction set. */
export function firstCapability(isa: CudaIsa): number {
  return isa === 'sm80' ? 80 : 90;
}

/** Limits that hold on every capability of an instruction set, or those of one capability when it is given. */
export function limitsFor(isa: CudaIsa, capability?: number): CapabilityLimits {
  if (capability !== undefined) return limitsOf(capability);
  const all = CAPABILITIES.filter((entry) => entry.capability >= firstCapability(isa));
  const least = (pick: (entry: CapabilityLimits) => number): number => Math.min(...all.map(pick));
  return {
    capability: firstCapability(isa),
    sharedPerBlock: least((entry) => entry.sharedPerBlock),
    sharedPerMultiprocessor: least((entry) => entry.sharedPerMultiprocessor),
    registersPerMultiprocessor: least((entry) => entry.registersPerMultiprocessor),
    threadsPerMultiprocessor: least((entry) => entry.threadsPerMultiprocessor),
    blocksPerMultiprocessor: least((entry) => entry.blocksPerMultiprocessor),
  };
}

/** What one kernel asks of a multiprocessor. */
export interface BlockNeeds {
  readonly threads: number;
  readonly registersPerThread: number;
  readonly sharedBytes: number;
}

/**
 * Blocks that fit on one multiprocessor at once: the least of what threads, block slots, registers (granted to warps in steps of 256) and
 * shared memory allow. 0 when not even one fits.
 */
export function blocksThatFit(needs: BlockNeeds, limit: CapabilityLimits): number {
  if (needs.sharedBytes > limit.sharedPerBlock || needs.registersPerThread > REGISTERS_PER_THREAD) return 0;
  const warps = Math.ceil(needs.threads / 32);
  const registers = warps * Math.ceil((needs.registersPerThread * 32) / 256) * 256;
  return Math.min(
    Math.floor(limit.threadsPerMultiprocessor / (warps * 32)),
    limit.blocksPerMultiprocessor,
    registers === 0 ? Infinity : Math.floor(limit.registersPerMultiprocessor / registers),
    Math.floor(limit.sharedPerMultiprocessor / (needs.sharedBytes + RESERVED_SHARED_PER_BLOCK)),
  );
}

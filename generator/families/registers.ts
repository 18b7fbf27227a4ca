import type { CpuIsa } from '../types.js';

/** What kernels may count on in a core, by instruction set. Constraints compute with these numbers and state them in their reasons. */

/** Vectors of the SIMD layer that fit in registers. The portable layer's 8 lanes take two 128-bit registers of a baseline CPU. */
export const VECTOR_REGISTERS: Readonly<Record<CpuIsa, number>> = { portable: 8, avx2: 16, avx512: 32, avx512bf16: 32 };

/** The smallest level-1 data cache of CPUs that people run models on. */
export const L1_BYTES = 32 * 1024;

/** The smallest level-2 cache per core that the blocking counts on. */
export const L2_BYTES = 512 * 1024;

export const CACHE_LINE_BYTES = 64;

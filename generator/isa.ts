import type { CpuIsa } from './types.js';

export interface IsaSpec {
  readonly name: CpuIsa;
  readonly doc: string;
  /** fp32 numbers in one vector of the SIMD layer. */
  readonly lanes: number;
  /** Target flags for g++ and clang++. */
  readonly flags: readonly string[];
}

/**
 * Flags for every kernel, each for a reason:
 *
 * - `-std=c++17 -O3 -fPIC -shared`: a shared object of optimised code.
 * - `-fvisibility=hidden`: only `gk_` symbols are exported, so that inlining is free and objects never bind to each other's code.
 * - `-ffp-contract=off`: a fused multiply-add happens where the template says so, not where a compiler version likes it: results
 *   then depend on the source alone.
 * - `-fno-math-errno -fno-trapping-math`: no kernel reads errno or floating-point traps, and both block vectorisation of sqrt and
 *   selects. NaN, infinities, signed zeros and the order of sums keep their IEEE meaning: `-ffast-math` would break the
 *   treatment of NaN and the promise of identical bits.
 * - `-fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-asynchronous-unwind-tables`: kernels throw nothing and own no
 *   static objects; without these the object needs the C++ runtime library.
 * - `-fno-semantic-interposition -fno-plt`: calls inside an object stay direct.
 * - `-fno-stack-protector`: a distribution default that costs a check in every function with an array.
 * - `-fno-ident`: no compiler version string in the file, so that equal code gives equal bytes.
 * - `-Wl,-z,defs`: a function that nobody defines fails here, with its name, and not when the object is loaded.
 * - `-Wl,--as-needed`: no dependency on the C++ runtime library unless something uses it.
 */
export const COMMON_FLAGS: readonly string[] = [
  '-std=c++17',
  '-O3',
  '-fPIC',
  '-shared',
  '-fvisibility=hidden',
  '-ffp-contract=off',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-fno-exceptions',
  '-fno-rtti',
  '-fno-threadsafe-statics',
  '-fno-asynchronous-unwind-tables',
  '-fno-semantic-interposition',
  '-fno-plt',
  '-fno-stack-protector',
  '-fno-ident',
  '-Wl,-z,defs',
  '-Wl,--as-needed',
];

const AVX2 = ['-mavx2', '-mfma', '-mf16c'];
// Without the width preference g++ auto-vectorises with 256-bit registers even where 512-bit ones are allowed.
const AVX512 = [...AVX2, '-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mprefer-vector-width=512'];

export const ISA_SPECS: Readonly<Record<CpuIsa, IsaSpec>> = {
  portable: {
    name: 'portable',
    doc: "plain C++ for any CPU: vectors are arrays of 8 that the compiler maps to the target's baseline",
    lanes: 8,
    flags: [],
  },
  avx2: { name: 'avx2', doc: 'AVX2 with FMA and F16C', lanes: 8, flags: AVX2 },
  avx512: { name: 'avx512', doc: 'AVX-512 F, BW, VL and DQ', lanes: 16, flags: AVX512 },
  avx512bf16: {
    name: 'avx512bf16',
    doc: 'AVX-512 with the BF16 dot product (vdpbf16ps), a numerics class of its own',
    lanes: 16,
    flags: [...AVX512, '-mavx512bf16'],
  },
};

/** All flags for one instruction set, without input, output or include paths. */
export function compilerFlags(isa: CpuIsa): readonly string[] {
  return [...COMMON_FLAGS, ...ISA_SPECS[isa].flags];
}

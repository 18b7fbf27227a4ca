// CUDA's built-ins, as far as kernels use them. Warp functions take a mask and are checked against it; those with "sync" in their name that
// order memory are __syncwarp and the __syncthreads family, nothing else does.
#ifndef GK_EMULATION_CUDA_H
#define GK_EMULATION_CUDA_H

#define __device__
#define __host__
#define __global__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __grid_constant__

#define threadIdx (::gk_emu::threadIndex())
#define blockIdx (::gk_emu::blockIndex())
#define blockDim (::gk_emu::blockSize())
#define gridDim (::gk_emu::gridSize())
constexpr int warpSize = 32;

// ---- vector types --------------------------------------------------------------------------------------------------------------

#define GK_EMU_VECTORS(element, base, align2, align4)                                                                          \
  struct __attribute__((aligned(align2))) base##2 { element x, y; };                                                           \
  struct base##3 { element x, y, z; };                                                                                         \
  struct __attribute__((aligned(align4))) base##4 { element x, y, z, w; };                                                     \
  static inline __attribute__((always_inline, unused)) base##2 make_##base##2(element x, element y) { return base##2{x, y}; }  \
  static inline __attribute__((always_inline, unused)) base##3 make_##base##3(element x, element y, element z) { return base##3{x, y, z}; } \
  static inline __attribute__((always_inline, unused)) base##4 make_##base##4(element x, element y, element z, element w) { return base##4{x, y, z, w}; }
GK_EMU_VECTORS(float, float, 8, 16)
GK_EMU_VECTORS(int, int, 8, 16)
GK_EMU_VECTORS(unsigned int, uint, 8, 16)
GK_EMU_VECTORS(short, short, 4, 8)
GK_EMU_VECTORS(unsigned short, ushort, 4, 8)
GK_EMU_VECTORS(signed char, char, 2, 4)
GK_EMU_VECTORS(unsigned char, uchar, 2, 4)
#undef GK_EMU_VECTORS
struct __attribute__((aligned(16))) longlong2 { long long x, y; };
struct __attribute__((aligned(16))) ulonglong2 { unsigned long long x, y; };
struct __attribute__((aligned(16))) double2 { double x, y; };
#define GK_EMU_PAIR(element, name) \
  static inline __attribute__((always_inline, unused)) name make_##name(element x, element y) { return name{x, y}; }
GK_EMU_PAIR(long long, longlong2)
GK_EMU_PAIR(unsigned long long, ulonglong2)
GK_EMU_PAIR(double, double2)
#undef GK_EMU_PAIR

// ---- barriers and warps --------------------------------------------------------------------------------------------------------

GK_EMU_INLINE void __syncthreads() { gk_emu::table->sync_threads(); }
GK_EMU_INLINE int __syncthreads_count(int predicate) { return gk_emu::table->sync_threads_reduce(GK_EMU_COUNT, predicate); }
GK_EMU_INLINE int __syncthreads_and(int predicate) { return gk_emu::table->sync_threads_reduce(GK_EMU_AND, predicate); }
GK_EMU_INLINE int __syncthreads_or(int predicate) { return gk_emu::table->sync_threads_reduce(GK_EMU_OR, predicate); }
GK_EMU_INLINE void __syncwarp(uint32_t mask = 0xffffffffu) { gk_emu::table->sync_warp(mask); }
GK_EMU_INLINE void __threadfence() { gk_emu::table->fence(); }
GK_EMU_INLINE void __threadfence_block() { gk_emu::table->fence(); }
GK_EMU_INLINE void __threadfence_system() { gk_emu::table->fence(); }
GK_EMU_INLINE void __trap() { gk_emu::table->trap("__trap()"); __builtin_unreachable(); }

namespace gk_emu {
GK_EMU_INLINE uint64_t shuffleBits(uint32_t kind, uint32_t mask, uint64_t bits, int argument, int width) {
  return table->shuffle(kind, mask, bits, argument, width);
}
// By value: a variable whose address is taken would leave the registers.
template <typename T>
GK_DEVICE T shuffle(uint32_t kind, uint32_t mask, T value, int argument, int width) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 32 or 64 bits");
  T result;
  if constexpr (sizeof(T) == 4) {
    uint32_t bits;
    __builtin_memcpy(&bits, &value, 4);
    bits = uint32_t(shuffleBits(kind, mask, bits, argument, width));
    __builtin_memcpy(&result, &bits, 4);
  } else {
    uint64_t bits;
    __builtin_memcpy(&bits, &value, 8);
    bits = shuffleBits(kind, mask, bits, argument, width);
    __builtin_memcpy(&result, &bits, 8);
  }
  return result;
}
GK_EMU_INLINE uint32_t vote(uint32_t kind, uint32_t mask, int predicate) { return table->vote(kind, mask, predicate); }
GK_EMU_INLINE uint32_t reduce(uint32_t kind, uint32_t mask, uint32_t value) { return table->reduce(kind, mask, value); }
GK_EMU_INLINE uint32_t matchAny(uint32_t mask, uint64_t value) { return table->match_any(mask, value); }
}  // namespace gk_emu

template <typename T> GK_DEVICE T __shfl_sync(uint32_t mask, T value, int lane, int width = 32) { return gk_emu::shuffle(GK_EMU_SHFL_INDEX, mask, value, lane, width); }
template <typename T> GK_DEVICE T __shfl_up_sync(uint32_t mask, T value, unsigned delta, int width = 32) { return gk_emu::shuffle(GK_EMU_SHFL_UP, mask, value, int(delta), width); }
template <typename T> GK_DEVICE T __shfl_down_sync(uint32_t mask, T value, unsigned delta, int width = 32) { return gk_emu::shuffle(GK_EMU_SHFL_DOWN, mask, value, int(delta), width); }
template <typename T> GK_DEVICE T __shfl_xor_sync(uint32_t mask, T value, int lanes, int width = 32) { return gk_emu::shuffle(GK_EMU_SHFL_XOR, mask, value, lanes, width); }
GK_DEVICE uint32_t __ballot_sync(uint32_t mask, int predicate) { return gk_emu::vote(GK_EMU_VOTE_BALLOT, mask, predicate); }
GK_DEVICE int __any_sync(uint32_t mask, int predicate) { return int(gk_emu::vote(GK_EMU_VOTE_ANY, mask, predicate)); }
GK_DEVICE int __all_sync(uint32_t mask, int predicate) { return int(gk_emu::vote(GK_EMU_VOTE_ALL, mask, predicate)); }
GK_DEVICE uint32_t __match_any_sync(uint32_t mask, uint32_t value) { return gk_emu::matchAny(mask, value); }
GK_DEVICE uint32_t __match_any_sync(uint32_t mask, int value) { return gk_emu::matchAny(mask, uint32_t(value)); }
GK_DEVICE uint32_t __reduce_add_sync(uint32_t mask, uint32_t v) { return gk_emu::reduce(GK_EMU_REDUCE_ADD, mask, v); }
GK_DEVICE int __reduce_add_sync(uint32_t mask, int v) { return int(gk_emu::reduce(GK_EMU_REDUCE_ADD, mask, uint32_t(v))); }
GK_DEVICE uint32_t __reduce_min_sync(uint32_t mask, uint32_t v) { return gk_emu::reduce(GK_EMU_REDUCE_MIN_UNSIGNED, mask, v); }
GK_DEVICE uint32_t __reduce_max_sync(uint32_t mask, uint32_t v) { return gk_emu::reduce(GK_EMU_REDUCE_MAX_UNSIGNED, mask, v); }
GK_DEVICE int __reduce_min_sync(uint32_t mask, int v) { return int(gk_emu::reduce(GK_EMU_REDUCE_MIN_SIGNED, mask, uint32_t(v))); }
GK_DEVICE int __reduce_max_sync(uint32_t mask, int v) { return int(gk_emu::reduce(GK_EMU_REDUCE_MAX_SIGNED, mask, uint32_t(v))); }
GK_DEVICE uint32_t __reduce_and_sync(uint32_t mask, uint32_t v) { return gk_emu::reduce(GK_EMU_REDUCE_AND, mask, v); }
GK_DEVICE uint32_t __reduce_or_sync(uint32_t mask, uint32_t v) { return gk_emu::reduce(GK_EMU_REDUCE_OR, mask, v); }
GK_DEVICE uint32_t __reduce_xor_sync(uint32_t mask, uint32_t v) { return gk_emu::reduce(GK_EMU_REDUCE_XOR, mask, v); }

// ---- atomics (no float ones: their sums would depend on timing) ------------------------------------------------------------------

namespace gk_emu {
GK_EMU_INLINE uint64_t atomic(uint32_t op, void* p, uint32_t bytes, uint64_t operand, uint64_t compare = 0) {
  return table->atomic(op, p, bytes, operand, compare);
}
}  // namespace gk_emu

#define GK_EMU_ATOMICS(T, min_op, max_op)                                                                                              \
  GK_DEVICE T atomicAdd(T* p, T v) { return static_cast<T>(gk_emu::atomic(GK_EMU_ATOMIC_ADD, p, sizeof(T), uint64_t(v))); }                         \
  GK_DEVICE T atomicSub(T* p, T v) { return static_cast<T>(gk_emu::atomic(GK_EMU_ATOMIC_ADD, p, sizeof(T), uint64_t(0) - uint64_t(v))); }           \
  GK_DEVICE T atomicMin(T* p, T v) { return static_cast<T>(gk_emu::atomic(min_op, p, sizeof(T), uint64_t(v))); }                                    \
  GK_DEVICE T atomicMax(T* p, T v) { return static_cast<T>(gk_emu::atomic(max_op, p, sizeof(T), uint64_t(v))); }                                    \
  GK_DEVICE T atomicAnd(T* p, T v) { return static_cast<T>(gk_emu::atomic(GK_EMU_ATOMIC_AND, p, sizeof(T), uint64_t(v))); }                         \
  GK_DEVICE T atomicOr(T* p, T v) { return static_cast<T>(gk_emu::atomic(GK_EMU_ATOMIC_OR, p, sizeof(T), uint64_t(v))); }                           \
  GK_DEVICE T atomicXor(T* p, T v) { return static_cast<T>(gk_emu::atomic(GK_EMU_ATOMIC_XOR, p, sizeof(T), uint64_t(v))); }                         \
  GK_DEVICE T atomicExch(T* p, T v) { return static_cast<T>(gk_emu::atomic(GK_EMU_ATOMIC_EXCHANGE, p, sizeof(T), uint64_t(v))); }                   \
  GK_DEVICE T atomicCAS(T* p, T expected, T v) { return static_cast<T>(gk_emu::atomic(GK_EMU_ATOMIC_CAS, p, sizeof(T), uint64_t(v), uint64_t(expected))); }
GK_EMU_ATOMICS(int, GK_EMU_ATOMIC_MIN_SIGNED, GK_EMU_ATOMIC_MAX_SIGNED)
GK_EMU_ATOMICS(unsigned int, GK_EMU_ATOMIC_MIN, GK_EMU_ATOMIC_MAX)
GK_EMU_ATOMICS(unsigned long long, GK_EMU_ATOMIC_MIN, GK_EMU_ATOMIC_MAX)
#undef GK_EMU_ATOMICS

// ---- bits, numbers, loads --------------------------------------------------------------------------------------------------------

GK_DEVICE float __uint_as_float(uint32_t x) { float y; __builtin_memcpy(&y, &x, 4); return y; }
GK_DEVICE uint32_t __float_as_uint(float x) { uint32_t y; __builtin_memcpy(&y, &x, 4); return y; }
GK_DEVICE float __int_as_float(int x) { return __uint_as_float(uint32_t(x)); }
GK_DEVICE int __float_as_int(float x) { return int(__float_as_uint(x)); }
GK_DEVICE double __longlong_as_double(long long x) { double y; __builtin_memcpy(&y, &x, 8); return y; }
GK_DEVICE long long __double_as_longlong(double x) { long long y; __builtin_memcpy(&y, &x, 8); return y; }

GK_DEVICE int __popc(uint32_t x) { return __builtin_popcount(x); }
GK_DEVICE int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
GK_DEVICE int __clz(int x) { return x ? __builtin_clz(uint32_t(x)) : 32; }
GK_DEVICE int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
GK_DEVICE int __ffs(int x) { return __builtin_ffs(x); }
GK_DEVICE int __ffsll(long long x) { return __builtin_ffsll(x); }
GK_DEVICE uint32_t __brev(uint32_t x) {
  x = ((x >> 1) & 0x55555555u) | ((x & 0x55555555u) << 1);
  x = ((x >> 2) & 0x33333333u) | ((x & 0x33333333u) << 2);
  x = ((x >> 4) & 0x0f0f0f0fu) | ((x & 0x0f0f0f0fu) << 4);
  return __builtin_bswap32(x);
}
// Bits of the 64-bit value high:low, shifted by `shift` modulo 32: the upper (l) or lower (r) half.
GK_DEVICE uint32_t __funnelshift_l(uint32_t low, uint32_t high, uint32_t shift) {
  return uint32_t((((uint64_t(high) << 32) | low) << (shift & 31)) >> 32);
}
GK_DEVICE uint32_t __funnelshift_r(uint32_t low, uint32_t high, uint32_t shift) {
  return uint32_t(((uint64_t(high) << 32) | low) >> (shift & 31));
}
// Byte i of the result is byte (selector's nibble i) of y:x; with the nibble's top bit, copies of that byte's sign.
GK_DEVICE uint32_t __byte_perm(uint32_t x, uint32_t y, uint32_t selector) {
  const uint64_t both = (uint64_t(y) << 32) | x;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    const uint32_t pick = (selector >> (4 * i)) & 15;
    uint32_t byte = uint32_t(both >> (8 * (pick & 7))) & 255;
    if (pick & 8) byte = (byte & 128) ? 255 : 0;
    result |= byte << (8 * i);
  }
  return result;
}

GK_DEVICE float rsqrtf(float x) { return float(1.0 / sqrt(double(x))); }
GK_DEVICE float __fmul_rn(float a, float b) { return a * b; }
GK_DEVICE float __fadd_rn(float a, float b) { return a + b; }
GK_DEVICE float __fsub_rn(float a, float b) { return a - b; }
GK_DEVICE float __fdiv_rn(float a, float b) { return a / b; }
GK_DEVICE float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
GK_DEVICE float __fsqrt_rn(float a) { return sqrtf(a); }
GK_DEVICE float __frcp_rn(float a) { return 1.0f / a; }
GK_DEVICE float __frsqrt_rn(float a) { return rsqrtf(a); }
GK_DEVICE float __fdividef(float a, float b) { return a / b; }
GK_DEVICE float __int2float_rn(int x) { return float(x); }
GK_DEVICE float __uint2float_rn(uint32_t x) { return float(x); }
// Out of range they saturate and NaN gives 0, as on the device.
GK_DEVICE int __float2int_rn(float x) { return x != x ? 0 : x >= 2147483648.0f ? 2147483647 : x <= -2147483648.0f ? -2147483647 - 1 : int(rintf(x)); }
GK_DEVICE int __float2int_rz(float x) { return __float2int_rn(truncf(x)); }
GK_DEVICE int __float2int_rd(float x) { return __float2int_rn(floorf(x)); }
GK_DEVICE int __float2int_ru(float x) { return __float2int_rn(ceilf(x)); }
GK_DEVICE uint32_t __float2uint_rn(float x) { return x != x || x <= 0 ? 0 : x >= 4294967296.0f ? 0xffffffffu : uint32_t(rintf(x)); }
GK_DEVICE uint32_t __float2uint_rz(float x) { return __float2uint_rn(truncf(x)); }
GK_DEVICE uint32_t __umulhi(uint32_t a, uint32_t b) { return uint32_t((uint64_t(a) * b) >> 32); }
GK_DEVICE unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>((static_cast<unsigned __int128>(a) * b) >> 64);
}
// The C library declares functions of these names.
#define __expf(x) expf(x)
#define __exp2f(x) exp2f(x)
#define __exp10f(x) exp10f(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __sincosf(x, s, c) sincosf(x, s, c)
#define __powf(x, y) powf(x, y)

#define GK_EMU_MINMAX(T)                                      \
  GK_DEVICE constexpr T min(T a, T b) { return b < a ? b : a; } \
  GK_DEVICE constexpr T max(T a, T b) { return a < b ? b : a; }
GK_EMU_MINMAX(int)
GK_EMU_MINMAX(unsigned int)
GK_EMU_MINMAX(long)
GK_EMU_MINMAX(unsigned long)
GK_EMU_MINMAX(long long)
GK_EMU_MINMAX(unsigned long long)
#undef GK_EMU_MINMAX
GK_DEVICE constexpr unsigned int min(int a, unsigned int b) { return min(static_cast<unsigned int>(a), b); }
GK_DEVICE constexpr unsigned int min(unsigned int a, int b) { return min(a, static_cast<unsigned int>(b)); }
GK_DEVICE constexpr unsigned int max(int a, unsigned int b) { return max(static_cast<unsigned int>(a), b); }
GK_DEVICE constexpr unsigned int max(unsigned int a, int b) { return max(a, static_cast<unsigned int>(b)); }
GK_DEVICE float min(float a, float b) { return fminf(a, b); }
GK_DEVICE float max(float a, float b) { return fmaxf(a, b); }

namespace gk_emu {
// Loads through the read-only path: `Bytes` at a multiple of `Bytes`, from memory that the launch does not write.
template <typename T>
#if GK_EMU_CHECKED
__attribute__((noinline, no_sanitize("thread"), no_sanitize("alignment"))) T
#else
GK_DEVICE T
#endif
loadConstant(const void* p) {
#if GK_EMU_CHECKED
  table->access(p, sizeof(T), GK_EMU_READ | GK_EMU_ALIGNED | GK_EMU_CONSTANT);
#endif
  return *static_cast<const T*>(p);
}
template <typename T>
#if GK_EMU_CHECKED
__attribute__((noinline, no_sanitize("thread"), no_sanitize("alignment"))) T
#else
GK_DEVICE T
#endif
loadPlain(const void* p) {
#if GK_EMU_CHECKED
  table->access(p, sizeof(T), GK_EMU_READ | GK_EMU_ALIGNED);
#endif
  return *static_cast<const T*>(p);
}
}  // namespace gk_emu

template <typename T> GK_DEVICE T __ldg(const T* p) { return gk_emu::loadConstant<T>(p); }
template <typename T> GK_DEVICE T __ldcs(const T* p) { return gk_emu::loadPlain<T>(p); }
template <typename T> GK_DEVICE T __ldcg(const T* p) { return gk_emu::loadPlain<T>(p); }
template <typename T> GK_DEVICE void __stcs(T* p, T value) { *p = value; }
template <typename T> GK_DEVICE void __stcg(T* p, T value) { *p = value; }
GK_EMU_INLINE size_t __cvta_generic_to_shared(const void* p) { return gk_emu::sharedOffset(p); }

#endif

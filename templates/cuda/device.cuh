// The device functions that every CUDA kernel is written with. One name, two bodies: PTX for silicon (below), and plain C++ for the
// emulated device (emulation.h, in runtime/emulator/). Kernels hold no inline PTX of their own.
//
// Semantics are those of the PTX ISA manual (version 8.x); what a function needs beyond compute capability 8.0 stands beside it.
#ifndef GK_DEVICE_CUH
#define GK_DEVICE_CUH

#if defined(GK_EMULATED)
#include "emulation.h"
#else

#if defined(__CUDACC_RTC__)
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#else
#include <stdint.h>
#endif

#define GK_DEVICE __device__ __forceinline__

// Defines a kernel: `GK_KERNEL(entry, Params, max_threads, min_blocks) { ... params ... }`. min_blocks is what the register allocator aims at.
#define GK_KERNEL(entry, params_type, max_threads, min_blocks) \
  extern "C" __global__ void __launch_bounds__(max_threads, min_blocks) entry(const __grid_constant__ params_type params)

// Text that the driver can read from the loaded module.
#define GK_TEXT(symbol, text) extern "C" __device__ const char symbol[] = text

// Shared memory: an array of the block, and the dynamic part that the launch sizes (128-byte aligned, at most one per kernel).
#define GK_SHARED(type, name, count) __shared__ __align__(16) type name[count]
#define GK_SHARED_DYNAMIC(name) extern __shared__ __align__(128) unsigned char name[]

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define GK_HOPPER 1
#else
#define GK_HOPPER 0
#endif

namespace gk {

// ---- numbers -------------------------------------------------------------------------------------------------------------------

// 16-bit floats as their bits: weights are only ever widened, so no arithmetic type is needed.
struct bf16 { uint16_t bits; };
struct f16 { uint16_t bits; };

GK_DEVICE float toFloat(float x) { return x; }
GK_DEVICE float toFloat(bf16 x) { return __uint_as_float(uint32_t(x.bits) << 16); }
GK_DEVICE float toFloat(f16 x) { float y; asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits)); return y; }

// The two 16-bit floats of a 32-bit word, low half first.
GK_DEVICE float2 unpackBf16(uint32_t pair) { return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u)); }
GK_DEVICE float2 unpackF16(uint32_t pair) {
  return make_float2(toFloat(f16{uint16_t(pair & 0xffffu)}), toFloat(f16{uint16_t(pair >> 16)}));
}

// Rounds two numbers to bf16 (nearest even) into one word, `low` in the low half.
GK_DEVICE uint32_t packBf16(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}
GK_DEVICE uint32_t packF16(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}
// Rounds to tf32 (10 bits of mantissa, nearest, ties away); the low 13 bits of the result are zero in meaning.
GK_DEVICE uint32_t toTf32(float x) { uint32_t y; asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x)); return y; }

// 2^x with at most 2 ulp of error; denormal results are zero.
GK_DEVICE float exp2Approx(float x) { float y; asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }

// ---- global memory -------------------------------------------------------------------------------------------------------------

// How a load treats the caches. kCached: as any load. kStream: evict first, for weights that are read once. kNoL1: past level 1.
// kNoL1Wide: past level 1, level 2 fetches 256 bytes.
enum CacheHint { kCached = 0, kStream = 1, kNoL1 = 2, kNoL1Wide = 3 };

// 16, 8 and 4 bytes from 16-, 8-, 4-byte aligned memory that no thread writes during the kernel. `volatile` keeps the order of the
// program, so that loads which were written first are in flight first.
template <int Hint>
GK_DEVICE uint4 load16(const void* p) {
  uint4 v;
  if constexpr (Hint == kStream) asm volatile("ld.global.cs.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
  else if constexpr (Hint == kNoL1) asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
  else if constexpr (Hint == kNoL1Wide) asm volatile("ld.global.nc.L1::no_allocate.L2::256B.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
  else asm volatile("ld.global.nc.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
  return v;
}
template <int Hint>
GK_DEVICE uint2 load8(const void* p) {
  uint2 v;
  if constexpr (Hint == kStream) asm volatile("ld.global.cs.v2.u32 {%0,%1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(p));
  else if constexpr (Hint == kCached) asm volatile("ld.global.nc.v2.u32 {%0,%1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(p));
  else asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0,%1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(p));
  return v;
}
template <int Hint>
GK_DEVICE uint32_t load4(const void* p) {
  uint32_t v;
  if constexpr (Hint == kStream) asm volatile("ld.global.cs.u32 %0, [%1];" : "=r"(v) : "l"(p));
  else if constexpr (Hint == kCached) asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(v) : "l"(p));
  else asm volatile("ld.global.nc.L1::no_allocate.u32 %0, [%1];" : "=r"(v) : "l"(p));
  return v;
}

// Brings the line (or, on 9.0, `bytes` in multiples of 16 from 16-byte aligned memory) into level 2. A hint: the address must be valid all the same.
GK_DEVICE void prefetchL2(const void* p) { asm volatile("prefetch.global.L2 [%0];" ::"l"(p)); }
GK_DEVICE void bulkPrefetchL2(const void* p, uint32_t bytes) {
#if GK_HOPPER
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(p), "r"(bytes) : "memory");
#else
  for (uint32_t i = 0; i < bytes; i += 128) prefetchL2(static_cast<const char*>(p) + i);
#endif
}

// A counter in global memory that blocks hand work over with: everything this thread (and, after a block barrier, its block) wrote
// before is visible to whoever reads the counter with one of these functions afterwards.
GK_DEVICE uint32_t atomicAddRelease(uint32_t* p, uint32_t v) { __threadfence(); const uint32_t old = atomicAdd(p, v); __threadfence(); return old; }
// Plain loads of what another block wrote must not come from level 1.
GK_DEVICE float loadFresh(const float* p) { float v; asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(v) : "l"(p) : "memory"); return v; }
GK_DEVICE float4 loadFresh4(const float4* p) {
  float4 v;
  asm volatile("ld.global.cg.v4.f32 {%0,%1,%2,%3}, [%4];" : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "l"(p) : "memory");
  return v;
}

// ---- asynchronous copies to shared memory (8.0) --------------------------------------------------------------------------------

GK_DEVICE uint32_t sharedAddress(const void* p) { return uint32_t(__cvta_generic_to_shared(p)); }

// 16 bytes, both addresses 16-byte aligned; where `valid` is false the target gets zeros and the source is not read.
GK_DEVICE void copyAsync16(void* shared, const void* global, bool valid) {
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(sharedAddress(shared)), "l"(global), "r"(bytes) : "memory");
}
GK_DEVICE void copyAsync8(void* shared, const void* global, bool valid) {
  const int bytes = valid ? 8 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(sharedAddress(shared)), "l"(global), "r"(bytes) : "memory");
}
GK_DEVICE void copyAsync4(void* shared, const void* global, bool valid) {
  const int bytes = valid ? 4 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(sharedAddress(shared)), "l"(global), "r"(bytes) : "memory");
}
GK_DEVICE void copyAsyncCommit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most N of this thread's groups are pending. Other threads see the data after a barrier.
template <int N>
GK_DEVICE void copyAsyncWait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

// ---- warps ---------------------------------------------------------------------------------------------------------------------

constexpr uint32_t kFullWarp = 0xffffffffu;
GK_DEVICE int laneIndex() { return threadIdx.x & 31; }   // blocks are one-dimensional
GK_DEVICE int warpIndex() { return threadIdx.x >> 5; }

// Sum and maximum over the 32 lanes, the same bits in every lane: partners at distance 16, 8, 4, 2, 1, in this order.
GK_DEVICE float warpSum(float x) {
#pragma unroll
  for (int d = 16; d > 0; d >>= 1) x += __shfl_xor_sync(kFullWarp, x, d);
  return x;
}
GK_DEVICE float warpMax(float x) {
#pragma unroll
  for (int d = 16; d > 0; d >>= 1) x = fmaxf(x, __shfl_xor_sync(kFullWarp, x, d));
  return x;
}
GK_DEVICE uint32_t warpSumUint(uint32_t x) {
#pragma unroll
  for (int d = 16; d > 0; d >>= 1) x += __shfl_xor_sync(kFullWarp, x, d);
  return x;
}

// ---- matrix instructions -------------------------------------------------------------------------------------------------------

// Fragments as in the PTX manual; g = lane / 4, t = lane % 4. m16n8k16 with 16-bit elements, row.col:
// a[0] = (g, 2t..2t+1), a[1] = (g+8, 2t..), a[2] = (g, 2t+8..), a[3] = (g+8, 2t+8..); b[0] = (k 2t..2t+1, n g), b[1] = (k 2t+8.., n g);
// d[0..1] = (g, 2t..2t+1), d[2..3] = (g+8, 2t..2t+1).
GK_DEVICE void mmaBf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
GK_DEVICE void mmaF16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// m16n8k8 with tf32: a[0] = (g, t), a[1] = (g+8, t), a[2] = (g, t+4), a[3] = (g+8, t+4); b[0] = (k t, n g), b[1] = (k t+4, n g); d as above.
GK_DEVICE void mmaTf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four (two) 8×8 matrices of 16-bit elements from shared memory; lanes 0..7 point at the rows of the first, 8..15 of the second, and so on,
// each 16-byte aligned. Lane l receives elements (l/4, 2(l%4)..+1) of each; the transposed form (2(l%4)..+1, l/4).
GK_DEVICE void loadMatrix4(uint32_t (&d)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "r"(sharedAddress(row)) : "memory");
}
GK_DEVICE void loadMatrix4Transposed(uint32_t (&d)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "r"(sharedAddress(row)) : "memory");
}
GK_DEVICE void loadMatrix2(uint32_t (&d)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(d[0]), "=r"(d[1]) : "r"(sharedAddress(row)) : "memory");
}

// ---- barriers ------------------------------------------------------------------------------------------------------------------

// Barrier `id` (1..15; 0 is __syncthreads) for the first `threads` threads that come, a multiple of 32: every warp of the group calls it.
GK_DEVICE void namedBarrier(int id, int threads) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"); }

// Programmatic dependent launch. Before `waitForPrevious` a kernel may read only what is constant while its plan runs (weights, expert
// lists, immediate arguments) and write nothing. `letNextStart` comes after it, in every thread or at the end. Both do nothing below 9.0 or
// when the launch was an ordinary one.
GK_DEVICE void waitForPrevious() {
#if GK_HOPPER
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
GK_DEVICE void letNextStart() {
#if GK_HOPPER
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// ---- Hopper: transaction barriers and bulk copies (9.0; only for kernels of instruction set sm90) -------------------------------------

#if GK_HOPPER || !defined(__CUDA_ARCH__)
// `barrier` is 8 bytes of shared memory, 8-byte aligned. One thread initialises, then fenceBarrierInit, then a block barrier.
GK_DEVICE void barrierInit(uint64_t* barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(sharedAddress(barrier)), "r"(arrivals) : "memory");
}
GK_DEVICE void fenceBarrierInit() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
// One arrival that also announces `bytes` of bulk copies which the phase waits for.
GK_DEVICE void barrierArriveExpect(uint64_t* barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(sharedAddress(barrier)), "r"(bytes) : "memory");
}
GK_DEVICE void barrierArrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(sharedAddress(barrier)) : "memory");
}
// Waits until the phase of the given parity (0 first, then 1, 0, …) is complete.
GK_DEVICE void barrierWait(uint64_t* barrier, uint32_t parity) {
  asm volatile(
      "{\n.reg .pred done;\nGK_WAIT:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n@done bra GK_DONE;\nbra GK_WAIT;\nGK_DONE:\n}\n" ::"r"(
          sharedAddress(barrier)),
      "r"(parity)
      : "memory");
}
// Generic writes to shared memory before it are visible to bulk copies after it, and the other way round.
GK_DEVICE void fenceAsync() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
// Global to shared, `bytes` a multiple of 16, both addresses 16-byte aligned; one thread calls it. kStream marks the lines evict-first.
template <int Hint>
GK_DEVICE void bulkCopy(void* shared, const void* global, uint32_t bytes, uint64_t* barrier) {
  if constexpr (Hint == kCached) {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(sharedAddress(shared)), "l"(global),
                 "r"(bytes), "r"(sharedAddress(barrier)) : "memory");
  } else {
    uint64_t policy;
    asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], %4;" ::"r"(sharedAddress(shared)),
                 "l"(global), "r"(bytes), "r"(sharedAddress(barrier)), "l"(policy) : "memory");
  }
}

// ---- Hopper: clusters (9.0; only for kernels of instruction set sm90) ------------------------------------------------------------

GK_DEVICE uint32_t clusterRank() { uint32_t r; asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(r)); return r; }
GK_DEVICE uint32_t clusterSize() { uint32_t r; asm volatile("mov.u32 %0, %%cluster_nctarank;" : "=r"(r)); return r; }
// All threads of all blocks of the cluster; orders shared memory of the cluster.
GK_DEVICE void clusterBarrier() {
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}
// Reads what `p` (in this block's shared memory) is in the shared memory of block `rank` of the cluster.
GK_DEVICE float loadFromCluster(const float* p, uint32_t rank) {
  uint32_t address;
  float v;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(address) : "r"(sharedAddress(p)), "r"(rank));
  asm volatile("ld.shared::cluster.f32 %0, [%1];" : "=f"(v) : "r"(address) : "memory");
  return v;
}
#endif

}  // namespace gk

#endif  // GK_EMULATED
#endif  // GK_DEVICE_CUH

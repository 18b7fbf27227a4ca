// The functions of device.cuh, for the emulated device. What each does is said there; here stands what the emulation adds.
#ifndef GK_EMULATION_GK_H
#define GK_EMULATION_GK_H

namespace gk {

// ---- numbers -------------------------------------------------------------------------------------------------------------------

struct bf16 { uint16_t bits; };
struct f16 { uint16_t bits; };

GK_DEVICE float toFloat(float x) { return x; }
GK_DEVICE float toFloat(bf16 x) { return __uint_as_float(uint32_t(x.bits) << 16); }
// Exact. The bits as an f32 of too small an exponent, times 2^112; what was infinite or NaN gets the exponent of such.
GK_DEVICE float toFloat(f16 x) {
  const float magnitude = __uint_as_float(uint32_t(x.bits & 0x7fffu) << 13) * 0x1p112f;
  uint32_t bits = __float_as_uint(magnitude);
  if ((x.bits & 0x7c00u) == 0x7c00u) bits |= 0x7f800000u;
  return __uint_as_float(bits | (uint32_t(x.bits & 0x8000u) << 16));
}

GK_DEVICE float2 unpackBf16(uint32_t pair) { return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u)); }
GK_DEVICE float2 unpackF16(uint32_t pair) {
  return make_float2(toFloat(f16{uint16_t(pair & 0xffffu)}), toFloat(f16{uint16_t(pair >> 16)}));
}

// Nearest, ties to even; NaN becomes 0x7fff.
GK_DEVICE uint32_t roundToBf16(float x) {
  const uint32_t bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffu;
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}
// Nearest, ties to even; NaN becomes 0x7fff, what rounds above 65504 infinity. Denormals are rounded by adding the power of two whose
// unit in the last place is theirs.
GK_DEVICE uint32_t roundToF16(float x) {
  const uint32_t bits = __float_as_uint(x), sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7fffu;
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;
  if (magnitude < 0x38800000u) return sign | (__float_as_uint(__uint_as_float(magnitude) + 0.5f) - 0x3f000000u);
  return sign | ((magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13);
}
GK_DEVICE uint32_t packBf16(float low, float high) { return roundToBf16(low) | (roundToBf16(high) << 16); }
GK_DEVICE uint32_t packF16(float low, float high) { return roundToF16(low) | (roundToF16(high) << 16); }
GK_DEVICE uint32_t toTf32(float x) {
  const uint32_t bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffffffu;
  if ((bits & 0x7fffffffu) == 0x7f800000u) return bits;
  return (bits + 0x1000u) & 0xffffe000u;
}

// The correctly rounded neighbourhood of what silicon gives; denormals are zero in and out.
GK_DEVICE float exp2Approx(float x) {
  const float y = exp2f(fabsf(x) < 0x1p-126f ? 0.0f : x);
  return y < 0x1p-126f ? 0.0f : y;
}

// ---- global memory -------------------------------------------------------------------------------------------------------------

enum CacheHint { kCached = 0, kStream = 1, kNoL1 = 2, kNoL1Wide = 3 };

template <int Hint> GK_DEVICE uint4 load16(const void* p) { return ::gk_emu::loadConstant<uint4>(p); }
template <int Hint> GK_DEVICE uint2 load8(const void* p) { return ::gk_emu::loadConstant<uint2>(p); }
template <int Hint> GK_DEVICE uint32_t load4(const void* p) { return ::gk_emu::loadConstant<uint32_t>(p); }

GK_DEVICE void prefetchL2(const void*) {}
GK_DEVICE void bulkPrefetchL2(const void*, uint32_t) {}

GK_DEVICE uint32_t atomicAddRelease(uint32_t* p, uint32_t v) { __threadfence(); const uint32_t old = atomicAdd(p, v); __threadfence(); return old; }
GK_DEVICE float loadFresh(const float* p) { return ::gk_emu::loadPlain<float>(p); }
GK_DEVICE float4 loadFresh4(const float4* p) { return ::gk_emu::loadPlain<float4>(p); }

// ---- asynchronous copies to shared memory: they land at the wait, not before --------------------------------------------------------

GK_DEVICE uint32_t sharedAddress(const void* p) { return ::gk_emu::sharedOffset(p); }
GK_EMU_INLINE void copyAsync16(void* shared, const void* global, bool valid) { ::gk_emu::table->copy_async(shared, global, 16, valid); }
GK_EMU_INLINE void copyAsync8(void* shared, const void* global, bool valid) { ::gk_emu::table->copy_async(shared, global, 8, valid); }
GK_EMU_INLINE void copyAsync4(void* shared, const void* global, bool valid) { ::gk_emu::table->copy_async(shared, global, 4, valid); }
GK_EMU_INLINE void copyAsyncCommit() { ::gk_emu::table->copy_async_commit(); }
GK_EMU_INLINE void copyAsyncWaitFor(int pending) { ::gk_emu::table->copy_async_wait(pending); }
template <int N> GK_DEVICE void copyAsyncWait() { copyAsyncWaitFor(N); }

// ---- warps: each reduction is one meeting of the lanes, with the bits of the shuffle tree -------------------------------------------

constexpr uint32_t kFullWarp = 0xffffffffu;
GK_DEVICE int laneIndex() { return int(threadIdx.x & 31); }
GK_DEVICE int warpIndex() { return int(threadIdx.x >> 5); }

GK_DEVICE float warpSum(float x) { return __uint_as_float(::gk_emu::reduce(GK_EMU_REDUCE_FLOAT_SUM, kFullWarp, __float_as_uint(x))); }
GK_DEVICE float warpMax(float x) { return __uint_as_float(::gk_emu::reduce(GK_EMU_REDUCE_FLOAT_MAX, kFullWarp, __float_as_uint(x))); }
GK_DEVICE uint32_t warpSumUint(uint32_t x) { return ::gk_emu::reduce(GK_EMU_REDUCE_ADD, kFullWarp, x); }

// ---- matrix instructions -------------------------------------------------------------------------------------------------------

// Operands and results travel by value, so that the caller's arrays stay in registers.
struct MatrixOperands { float d[4]; uint32_t a[4]; uint32_t b[2]; };
struct MatrixResult { float d[4]; };
struct MatrixWords { uint32_t d[4]; };
GK_EMU_INLINE MatrixResult multiplyMatrices(uint32_t kind, MatrixOperands o) {
  gk_emu_mma m = {{o.d[0], o.d[1], o.d[2], o.d[3]}, {o.a[0], o.a[1], o.a[2], o.a[3]}, {o.b[0], o.b[1]}};
  ::gk_emu::table->mma(kind, &m);
  return MatrixResult{{m.d[0], m.d[1], m.d[2], m.d[3]}};
}
GK_DEVICE void multiplyInto(uint32_t kind, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  const MatrixResult r = multiplyMatrices(kind, MatrixOperands{{d[0], d[1], d[2], d[3]}, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}});
  d[0] = r.d[0];
  d[1] = r.d[1];
  d[2] = r.d[2];
  d[3] = r.d[3];
}
GK_DEVICE void mmaBf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { multiplyInto(GK_EMU_MMA_BF16, d, a, b); }
GK_DEVICE void mmaF16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { multiplyInto(GK_EMU_MMA_F16, d, a, b); }
GK_DEVICE void mmaTf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { multiplyInto(GK_EMU_MMA_TF32, d, a, b); }

GK_EMU_INLINE MatrixWords loadMatrices(uint32_t count, int transposed, const void* row) {
  MatrixWords w = {};
  ::gk_emu::table->load_matrix(count, transposed, row, w.d);
  return w;
}
GK_DEVICE void loadMatrix4(uint32_t (&d)[4], const void* row) {
  const MatrixWords w = loadMatrices(4, 0, row);
  d[0] = w.d[0];
  d[1] = w.d[1];
  d[2] = w.d[2];
  d[3] = w.d[3];
}
GK_DEVICE void loadMatrix4Transposed(uint32_t (&d)[4], const void* row) {
  const MatrixWords w = loadMatrices(4, 1, row);
  d[0] = w.d[0];
  d[1] = w.d[1];
  d[2] = w.d[2];
  d[3] = w.d[3];
}
GK_DEVICE void loadMatrix2(uint32_t (&d)[2], const void* row) {
  const MatrixWords w = loadMatrices(2, 0, row);
  d[0] = w.d[0];
  d[1] = w.d[1];
}

// ---- barriers ------------------------------------------------------------------------------------------------------------------

GK_EMU_INLINE void namedBarrier(int id, int threads) { ::gk_emu::table->named_barrier(id, threads); }
GK_EMU_INLINE void waitForPrevious() { ::gk_emu::table->wait_for_previous(); }
GK_EMU_INLINE void letNextStart() { ::gk_emu::table->let_next_start(); }

#if GK_HOPPER
GK_EMU_INLINE void barrierInit(uint64_t* barrier, uint32_t arrivals) { ::gk_emu::table->barrier_init(barrier, arrivals); }
GK_EMU_INLINE void fenceBarrierInit() { ::gk_emu::table->fence_barrier_init(); }
GK_EMU_INLINE void barrierArriveExpect(uint64_t* barrier, uint32_t bytes) { ::gk_emu::table->barrier_arrive(barrier, bytes); }
GK_EMU_INLINE void barrierArrive(uint64_t* barrier) { ::gk_emu::table->barrier_arrive(barrier, 0); }
GK_EMU_INLINE void barrierWait(uint64_t* barrier, uint32_t parity) { ::gk_emu::table->barrier_wait(barrier, parity); }
GK_EMU_INLINE void fenceAsync() { ::gk_emu::table->fence_async(); }
GK_EMU_INLINE void startBulkCopy(void* shared, const void* global, uint32_t bytes, uint64_t* barrier) { ::gk_emu::table->bulk_copy(shared, global, bytes, barrier); }
template <int Hint>
GK_DEVICE void bulkCopy(void* shared, const void* global, uint32_t bytes, uint64_t* barrier) { startBulkCopy(shared, global, bytes, barrier); }

GK_EMU_INLINE uint32_t clusterRank() { return ::gk_emu::current->block->cluster_rank; }
GK_EMU_INLINE uint32_t clusterSize() { return ::gk_emu::current->block->cluster_size; }
GK_EMU_INLINE void clusterBarrier() { ::gk_emu::table->cluster_barrier(); }
GK_EMU_INLINE float loadFromCluster(const float* p, uint32_t rank) {
  const void* const there = ::gk_emu::table->cluster_address(p, rank);
#if GK_EMU_CHECKED
  ::gk_emu::table->access(there, 4, GK_EMU_READ | GK_EMU_ALIGNED);
#endif
  return *static_cast<const float*>(there);
}
#endif

}  // namespace gk

#endif

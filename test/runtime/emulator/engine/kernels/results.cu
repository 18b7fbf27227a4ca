#include "common.cuh"

// What the functions of the emulation answer; each writes words of 32 bits that the test computes in its own way. Row r of out is out[r * threads + thread].
#define ROW(r) reinterpret_cast<uint32_t*>(params.out)[(r) * blockDim.x + threadIdx.x]

GK_KERNEL(shuffles, Params, 32, 1) {
  const uint32_t all = gk::kFullWarp, x = threadIdx.x * 3 + 1;
  const int lane = gk::laneIndex();
  ROW(0) = __shfl_sync(all, x, 7);
  ROW(1) = __shfl_sync(all, x, lane * 5);
  ROW(2) = __shfl_sync(all, x, 3, 8);
  ROW(3) = __shfl_up_sync(all, x, 3);
  ROW(4) = __shfl_up_sync(all, x, 2, 8);
  ROW(5) = __shfl_down_sync(all, x, 5);
  ROW(6) = __shfl_down_sync(all, x, 1, 4);
  ROW(7) = __shfl_xor_sync(all, x, 9);
  ROW(8) = __shfl_xor_sync(all, x, 3, 8);
  ROW(9) = uint32_t(__shfl_xor_sync(all, (uint64_t(x) << 40) + x, 1) >> 40);
  ROW(10) = uint32_t(__shfl_xor_sync(all, -int(x), 16));
  ROW(11) = __float_as_uint(__shfl_down_sync(all, float(x), 16));
  uint32_t half = 0;
  if (lane >= 16) half = __shfl_sync(0xffff0000u, x, 17);
  ROW(12) = half;
}

GK_KERNEL(votes, Params, 32, 1) {
  const uint32_t all = gk::kFullWarp;
  const int lane = gk::laneIndex();
  ROW(0) = __ballot_sync(all, lane % 3 == 0);
  ROW(1) = uint32_t(__any_sync(all, lane == 31)) | uint32_t(__any_sync(all, 0)) << 1;
  ROW(2) = uint32_t(__all_sync(all, lane >= 0)) | uint32_t(__all_sync(all, lane > 0)) << 1;
  ROW(3) = __match_any_sync(all, uint32_t(lane % 5));
  ROW(4) = __reduce_add_sync(all, uint32_t(lane));
  ROW(5) = uint32_t(__reduce_min_sync(all, lane - 10));
  ROW(6) = __reduce_max_sync(all, uint32_t(lane * lane));
  ROW(7) = __reduce_xor_sync(all, 1u << lane);
  ROW(8) = gk::warpSumUint(uint32_t(lane + 1));
  ROW(9) = lane < 8 ? __ballot_sync(0xffu, lane & 1) : __ballot_sync(0xffffff00u, 1);
}

// The built-in reductions against the tree of shuffles that they stand for.
GK_KERNEL(warp_reductions, Params, 64, 1) {
  const float x = params.in[threadIdx.x];
  float sum = x, most = x;
  for (int d = 16; d > 0; d >>= 1) sum += __shfl_xor_sync(gk::kFullWarp, sum, d);
  for (int d = 16; d > 0; d >>= 1) most = fmaxf(most, __shfl_xor_sync(gk::kFullWarp, most, d));
  ROW(0) = __float_as_uint(gk::warpSum(x));
  ROW(1) = __float_as_uint(sum);
  ROW(2) = __float_as_uint(gk::warpMax(x));
  ROW(3) = __float_as_uint(most);
}

GK_KERNEL(barrier_reductions, Params, 1024, 1) {
  ROW(0) = uint32_t(__syncthreads_count(threadIdx.x % 3 == 0));
  ROW(1) = uint32_t(__syncthreads_and(threadIdx.x < 1024)) | uint32_t(__syncthreads_and(threadIdx.x != 500)) << 1;
  ROW(2) = uint32_t(__syncthreads_or(threadIdx.x == 1023)) | uint32_t(__syncthreads_or(0)) << 1;
}

GK_KERNEL(atomics, Params, 64, 1) {
  GK_SHARED(unsigned int, u, 8);
  GK_SHARED(int, s, 4);
  GK_SHARED(unsigned long long, w, 2);
  const unsigned int t = threadIdx.x;
  if (t < 8) u[t] = t == 2 ? 1000u : t == 4 ? ~0u : 0u;
  if (t < 4) s[t] = 0;
  if (t < 2) w[t] = 0;
  __syncthreads();
  const unsigned int before = atomicAdd(&u[0], 1u);
  atomicSub(&u[1], 1u);
  atomicMin(&u[2], t + 5);
  atomicMax(&u[3], t);
  atomicAnd(&u[4], ~(1u << (t % 32)) | 0xff000000u);
  atomicOr(&u[5], 1u << (t % 16));
  atomicXor(&u[6], t);
  atomicMin(&s[0], -int(t));
  atomicMax(&s[1], int(t) - 10);
  atomicAdd(&s[2], -1);
  atomicAdd(&w[0], 1ull << 33);
  if (t == 0) {
    atomicCAS(&u[7], 0u, 42u);
    atomicCAS(&u[7], 41u, 7u);
    atomicExch(&s[3], 9);
  }
  __syncthreads();
  ROW(0) = before;
  ROW(1) = t < 8 ? u[t] : t < 12 ? uint32_t(s[t - 8]) : t == 12 ? uint32_t(w[0] >> 33) : 0;
}

GK_KERNEL(bits, Params, 32, 1) {
  const uint32_t x = reinterpret_cast<const uint32_t*>(params.in)[threadIdx.x];
  ROW(0) = uint32_t(__popc(x));
  ROW(1) = uint32_t(__clz(int(x)));
  ROW(2) = uint32_t(__ffs(int(x)));
  ROW(3) = __brev(x);
  ROW(4) = __funnelshift_l(x, ~x, threadIdx.x);
  ROW(5) = __funnelshift_r(x, ~x, threadIdx.x);
  ROW(6) = __byte_perm(x, ~x, 0x7513);
  ROW(7) = __byte_perm(x, ~x, 0xc4a0);
  ROW(8) = uint32_t(__popcll((uint64_t(x) << 32) | x));
  ROW(9) = __umulhi(x, 0x9e3779b9u);
}

// Words of 16-bit floats widened, and narrowed again; n counts words.
GK_KERNEL(widen, Params, 256, 1) {
  const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
  uint32_t* const out = reinterpret_cast<uint32_t*>(params.out);
  const gk::bf16 b{uint16_t(i)};
  const gk::f16 h{uint16_t(i)};
  out[i] = __float_as_uint(gk::toFloat(b));
  out[65536 + i] = __float_as_uint(gk::toFloat(h));
  out[2 * 65536 + i] = gk::packBf16(gk::toFloat(b), gk::unpackBf16(uint32_t(i) << 16).y);
  out[3 * 65536 + i] = gk::packF16(gk::toFloat(h), gk::unpackF16(uint32_t(i) << 16).y);
}

GK_KERNEL(narrow, Params, 256, 1) {
  const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= params.n) return;
  uint32_t* const out = reinterpret_cast<uint32_t*>(params.out);
  const float x = params.in[i];
  out[i] = gk::packBf16(x, -x);
  out[params.n + i] = gk::packF16(x, -x);
  out[2 * params.n + i] = gk::toTf32(x);
}

// in: a (16×16 or 16×8), b (8 rows of K: the n-th column of b), c (16×8), as fp32; rounded here. out: by fragments, then through loadMatrix.
template <int Kind>
static __device__ void product(const Params& params) {
  GK_SHARED(uint16_t, a, 16 * 16);
  GK_SHARED(uint16_t, b, 8 * 16);
  GK_SHARED(uint16_t, bt, 16 * 8);
  const int lane = gk::laneIndex(), g = lane / 4, t = lane % 4;
  const auto round = [](float x) { return uint16_t(Kind ? gk::packF16(x, 0) : gk::packBf16(x, 0)); };
  for (int i = lane; i < 256; i += 32) a[i] = round(params.in[i]);
  for (int i = lane; i < 128; i += 32) {
    b[i] = round(params.in[256 + i]);
    bt[i % 16 * 8 + i / 16] = b[i];
  }
  __syncwarp();
  const float* const c = params.in + 384;
  const auto pair = [](const uint16_t* p) { return uint32_t(p[0]) | uint32_t(p[1]) << 16; };
  uint32_t fa[4], fb[2];
  for (int i = 0; i < 4; ++i) fa[i] = pair(a + (g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8);
  for (int i = 0; i < 2; ++i) fb[i] = pair(b + g * 16 + 2 * t + i * 8);
  const auto run = [&](int slot) {
    float d[4];
    for (int i = 0; i < 4; ++i) d[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
    if (Kind) gk::mmaF16(d, fa, fb);
    else gk::mmaBf16(d, fa, fb);
    for (int i = 0; i < 4; ++i) params.out[slot * 128 + (g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
  };
  run(0);
  gk::loadMatrix4(fa, a + lane % 16 * 16 + lane / 16 * 8);
  gk::loadMatrix2(fb, b + lane % 8 * 16 + lane / 8 % 2 * 8);
  run(1);
  uint32_t both[4];
  gk::loadMatrix4Transposed(both, bt + lane % 16 * 8);
  fb[0] = both[0];
  fb[1] = both[1];
  run(2);
}

GK_KERNEL(product_bf16, Params, 32, 1) { product<0>(params); }
GK_KERNEL(product_f16, Params, 32, 1) { product<1>(params); }

GK_KERNEL(product_tf32, Params, 32, 1) {
  const int lane = gk::laneIndex(), g = lane / 4, t = lane % 4;
  const float *a = params.in, *b = params.in + 256, *c = params.in + 384;
  uint32_t fa[4], fb[2];
  float d[4];
  for (int i = 0; i < 4; ++i) fa[i] = __float_as_uint(a[(g + i % 2 * 8) * 8 + t + i / 2 * 4]);
  for (int i = 0; i < 2; ++i) fb[i] = gk::toTf32(b[g * 8 + t + i * 4]);
  for (int i = 0; i < 4; ++i) d[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
  gk::mmaTf32(d, fa, fb);
  for (int i = 0; i < 4; ++i) params.out[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
}

#include "common.cuh"

GK_KERNEL(global_bounds, Params, 256, 1) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (params.bug == 2 && i == 3) params.out[i] = params.in[-1];
  else if (i < params.n + (params.bug == 1)) params.out[i] = params.in[i < params.n ? i : 0];
}

// Four floats of which the last lies past the end.
GK_KERNEL(global_bounds_wide, Params, 256, 1) {
  const float4 v = *reinterpret_cast<const float4*>(params.in + (params.bug ? params.n / 4 * 4 : 0));
  if (threadIdx.x == 0) params.out[0] = v.x + v.w;
}

GK_KERNEL(reads_in, Params, 256, 1) {
  params.out[threadIdx.x] = params.in[threadIdx.x];
}

GK_KERNEL(no_address, Params, 32, 1) {
  const float* p = params.bug == 1 ? nullptr : params.bug == 2 ? reinterpret_cast<const float*>(uintptr_t(0x123456780)) : params.in;
  params.out[threadIdx.x] = p[threadIdx.x];
}

GK_KERNEL(shared_bounds, Params, 64, 1) {
  GK_SHARED(float, first, 64);
  GK_SHARED(float, tile, 64);
  first[threadIdx.x] = 1.0f;
  tile[threadIdx.x + (params.bug == 1)] = float(threadIdx.x);
  if (params.bug == 2 && threadIdx.x == 0) (&tile[0])[-1] = 0.0f;
  __syncthreads();
  params.out[threadIdx.x] = tile[threadIdx.x] + first[threadIdx.x];
}

GK_KERNEL(dynamic_bounds, Params, 64, 1) {
  GK_SHARED_DYNAMIC(bytes);
  float* const tile = reinterpret_cast<float*>(bytes);
  tile[threadIdx.x + (params.bug == 1)] = float(threadIdx.x);
  __syncthreads();
  params.out[threadIdx.x] = tile[threadIdx.x];
}

GK_KERNEL(misaligned, Params, 32, 1) {
  float x = 0;
  if (params.bug == 1) x = *reinterpret_cast<const float*>(reinterpret_cast<const char*>(params.in) + 2);
  else if (params.bug == 2) x = reinterpret_cast<const float4*>(params.in + 1)->y;
  else if (params.bug == 3) x = __uint_as_float(gk::load16<gk::kStream>(params.in + 2).x);
  else if (params.bug == 4) *reinterpret_cast<float2*>(params.out + 33) = make_float2(1, 2);
  else if (params.bug == 5) atomicAdd(reinterpret_cast<uint32_t*>(reinterpret_cast<char*>(params.counters) + 1), 1u);
  else x = reinterpret_cast<const float4*>(params.in)->y;
  params.out[threadIdx.x] = x;
}

struct alignas(8) Half4 { uint16_t x, y, z, w; };

GK_KERNEL(uninitialised_global, Params, 32, 1) {
  float* const scratch = static_cast<float*>(params.extra);
  if (threadIdx.x == 0) {
    scratch[0] = 1.0f;
    uint16_t* const half = reinterpret_cast<uint16_t*>(scratch + 4);
    half[0] = 1;
    if (params.bug != 2) half[1] = 2;
    float x = scratch[params.bug == 1];
    x += float(*reinterpret_cast<const uint32_t*>(scratch + 4));
    params.out[0] = x;
  }
}

GK_KERNEL(uninitialised_shared, Params, 64, 1) {
  GK_SHARED(float, tile, 64);
  if (!params.bug || threadIdx.x < 63) tile[threadIdx.x] = 1.0f;
  __syncthreads();
  params.out[threadIdx.x] = tile[63 - threadIdx.x];
}

// Each block has shared memory of its own: what the block before left there does not count.
GK_KERNEL(leftover_shared, Params, 32, 1) {
  GK_SHARED(float, tile, 32);
  if (!params.bug || blockIdx.x == 0) tile[threadIdx.x] = 1.0f;
  __syncwarp();
  params.out[blockIdx.x * 32 + threadIdx.x] = tile[threadIdx.x];
}

GK_KERNEL(static_limit, Params, 32, 1) {
  if (params.bug == 1) {
    GK_SHARED(float, large, 12 * 1024 + 1);
    large[threadIdx.x] = 0;
  }
  GK_SHARED(float, small, 8 * 1024);
  small[threadIdx.x] = 1.0f;
  params.out[threadIdx.x] = small[threadIdx.x];
}

GK_KERNEL(read_only_path, Params, 64, 1) {
  params.out[threadIdx.x] = float(threadIdx.x);
  __syncthreads();
  const float* const p = params.bug ? params.out : params.in;
  const float x = __uint_as_float(gk::load4<gk::kCached>(p + threadIdx.x));
  __syncthreads();
  params.out[threadIdx.x] = x;
}

static __attribute__((noinline)) float deep(const Params& params, int n) {
  float local[256];
  for (int i = 0; i < 256; ++i) local[i] = params.in[i % 32] + float(n);
  if (n > 0) local[n % 256] += deep(params, n - 1);
  float sum = 0;
  for (int i = 0; i < 256; ++i) sum += local[(i * 7) % 256];
  return sum;
}

GK_KERNEL(stack_use, Params, 32, 1) {
  params.out[threadIdx.x] = deep(params, params.bug ? 1000 : 2);
}

__constant__ const float kTable[4] = {1, 2, 3, 4};

// What must not be taken for a fault: a table of the module, locals whose address is taken, memcpy, neighbours of two bytes.
GK_KERNEL(innocent, Params, 64, 1) {
  GK_SHARED(uint16_t, halves, 64);
  float local[4];
  memcpy(local, params.in + (threadIdx.x & 28), sizeof local);
  halves[threadIdx.x] = uint16_t(threadIdx.x);
  uint16_t* const out = reinterpret_cast<uint16_t*>(params.extra);
  out[threadIdx.x] = uint16_t(threadIdx.x);
  const float* const p = params.bug == 77 ? params.in : kTable;
  float s, c;
  sincosf(p[threadIdx.x & 3], &s, &c);
  __syncthreads();
  params.out[threadIdx.x] = local[threadIdx.x & 3] + s + c + float(halves[threadIdx.x ^ 1]);
}

GK_KERNEL(never_ends, Params, 32, 1) {
  if (params.bug == 1) while (params.in[0] >= 0) params.out[threadIdx.x] = params.in[threadIdx.x];
  if (params.bug == 2) while (atomicAdd(params.counters, 0u) == 0) {}
  params.out[threadIdx.x] = 0;
}

GK_KERNEL(traps, Params, 32, 1) {
  if (params.bug && threadIdx.x == 5) __trap();
  params.out[threadIdx.x] = 0;
}

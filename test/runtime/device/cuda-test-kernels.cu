// Small kernels in the ABI of docs/cuda.md for the tests of the device layer.
#include "device.cuh"

// y[i] += a * x[i]
namespace axpy {
struct Params {
  const float* x;
  float* y;
  void* workspace;
  uint32_t* counters;
  int32_t imm_n;
  float a;
};
}  // namespace axpy
GK_KERNEL(gk_axpy__main, axpy::Params, 64, 1) {
  gk::waitForPrevious();
  const int i = blockIdx.x * 64 + threadIdx.x;
  if (i < params.imm_n) params.y[i] = fmaf(params.a, params.x[i], params.y[i]);
  gk::letNextStart();
}
GK_TEXT(gk_meta_axpy, R"json({"abi":1,"id":"axpy","isa":"sm80","tensors":2,"ints":["n"],"dynamic":[],"floats":["a"],"paramBytes":40,
  "phases":[{"entry":"gk_axpy__main","grid":["ceilDiv(n, 64)","1","1"],"block":64,"shared":"0","cluster":1}],"workspace":"0","counters":"0"})json");

// The log's first entry counts, the value is put behind the last one.
namespace append {
struct Params {
  int32_t* log;
  const int32_t* at_value;
  void* workspace;
  uint32_t* counters;
  int32_t imm_value;
  int32_t imm_spare;
};
}  // namespace append
GK_KERNEL(gk_append__main, append::Params, 32, 1) {
  gk::waitForPrevious();
  if (threadIdx.x == 0) {
    const int32_t value = params.at_value ? *params.at_value : params.imm_value;
    const int32_t count = params.log[0] + 1;
    params.log[0] = count;
    params.log[count] = value;
  }
  gk::letNextStart();
}
GK_TEXT(gk_meta_append, R"json({"abi":1,"id":"append","isa":"sm80","tensors":1,"ints":["value","spare"],"dynamic":["value"],"floats":[],"paramBytes":40,
  "phases":[{"entry":"gk_append__main","grid":["1","1","1"],"block":32,"shared":"0"}],"workspace":"0","counters":"0"})json");

// out[0] = the sum of the first n of x: a phase of partial sums, and one that adds them up. `n` may come from device memory.
namespace total {
struct Params {
  const float* x;
  float* out;
  const int32_t* at_n;
  void* workspace;
  uint32_t* counters;
  int32_t imm_n;
  uint32_t padding;
};
GK_DEVICE int32_t n(const Params& params) { return params.at_n ? *params.at_n : params.imm_n; }
}  // namespace total
GK_KERNEL(gk_total__partial, total::Params, 32, 1) {
  gk::waitForPrevious();
  const int i = blockIdx.x * 32 + threadIdx.x;
  const float sum = gk::warpSum(i < total::n(params) ? params.x[i] : 0.0f);
  if (threadIdx.x == 0) static_cast<float*>(params.workspace)[blockIdx.x] = sum;
  gk::letNextStart();
}
GK_KERNEL(gk_total__sum, total::Params, 32, 1) {
  gk::waitForPrevious();
  if (threadIdx.x == 0) {
    float sum = 0;
    for (int i = 0; i * 32 < total::n(params); i++) sum += static_cast<const float*>(params.workspace)[i];
    params.out[0] = sum;
  }
  gk::letNextStart();
}
GK_TEXT(gk_meta_total, R"json({"abi":1,"id":"total","isa":"sm80","tensors":2,"ints":["n"],"dynamic":["n"],"floats":[],"paramBytes":48,
  "phases":[{"entry":"gk_total__partial","grid":["ceilDiv(n, 32)","1","1"],"block":32,"shared":"0","cluster":1},
            {"entry":"gk_total__sum","grid":["1","1","1"],"block":32,"shared":"0","cluster":1}],"workspace":"ceilDiv(n, 32) * 4","counters":"0"})json");

// The same in one phase: the last block that comes adds up, and leaves the counter at zero.
namespace count_total {
struct Params {
  const float* x;
  float* out;
  void* workspace;
  uint32_t* counters;
  int32_t imm_n;
  uint32_t padding;
};
}  // namespace count_total
GK_KERNEL(gk_count_total__main, count_total::Params, 32, 1) {
  gk::waitForPrevious();
  const int i = blockIdx.x * 32 + threadIdx.x;
  const float sum = gk::warpSum(i < params.imm_n ? params.x[i] : 0.0f);
  if (threadIdx.x == 0) {
    float* const partial = static_cast<float*>(params.workspace);
    partial[blockIdx.x] = sum;
    if (gk::atomicAddRelease(params.counters, 1) + 1 == gridDim.x) {
      float all = 0;
      for (unsigned b = 0; b < gridDim.x; b++) all += gk::loadFresh(partial + b);
      params.out[0] = all;
      *params.counters = 0;
    }
  }
  gk::letNextStart();
}
GK_TEXT(gk_meta_count_total, R"json({"abi":1,"id":"count_total","isa":"sm80","tensors":2,"ints":["n"],"dynamic":[],"floats":[],"paramBytes":40,
  "phases":[{"entry":"gk_count_total__main","grid":["ceilDiv(n, 32)","1","1"],"block":32,"shared":"0","cluster":1}],"workspace":"ceilDiv(n, 32) * 4","counters":"1"})json");

// out[i] = i, by way of dynamic shared memory; the grid follows the number of multiprocessors.
namespace wide {
struct Params {
  float* out;
  void* workspace;
  uint32_t* counters;
  int32_t imm_n;
  uint32_t padding;
};
}  // namespace wide
GK_KERNEL(gk_wide__main, wide::Params, 32, 1) {
  GK_SHARED_DYNAMIC(bytes);
  float* const all = reinterpret_cast<float*>(bytes);
  gk::waitForPrevious();
  for (int i = threadIdx.x; i < params.imm_n; i += 32) all[i] = float(i);
  __syncthreads();
  if (blockIdx.x == 0)
    for (int i = 31 - threadIdx.x; i < params.imm_n; i += 32) params.out[i] = all[i];
  gk::letNextStart();
}
GK_TEXT(gk_meta_wide, R"json({"abi":1,"id":"wide","isa":"sm80","tensors":1,"ints":["n"],"dynamic":[],"floats":[],"paramBytes":32,
  "phases":[{"entry":"gk_wide__main","grid":["sms","1","1"],"block":32,"shared":"n * 4","cluster":1}],"workspace":"0","counters":"0"})json");

// Writes a zero `offset` bytes from the buffer's start, wherever that is.
namespace stray {
struct Params {
  uint8_t* target;
  void* workspace;
  uint32_t* counters;
  int32_t imm_offset;
  uint32_t padding;
};
}  // namespace stray
GK_KERNEL(gk_stray__main, stray::Params, 32, 1) {
  gk::waitForPrevious();
  if (threadIdx.x == 0) params.target[params.imm_offset] = 0;
  gk::letNextStart();
}
GK_TEXT(gk_meta_stray, R"json({"abi":1,"id":"stray","isa":"sm80","tensors":1,"ints":["offset"],"dynamic":[],"floats":[],"paramBytes":32,
  "phases":[{"entry":"gk_stray__main","grid":["1","1","1"],"block":32,"shared":"0","cluster":1}],"workspace":"0","counters":"0"})json");

// out[b] = the number of block b in its cluster of two.
namespace pairs {
struct Params {
  int32_t* out;
  void* workspace;
  uint32_t* counters;
  int32_t imm_n;
  uint32_t padding;
};
}  // namespace pairs
#if GK_HOPPER
GK_KERNEL(gk_pairs__main, pairs::Params, 32, 1) {
  gk::waitForPrevious();
  if (threadIdx.x == 0 && int(blockIdx.x) < params.imm_n) params.out[blockIdx.x] = int32_t(10 * gk::clusterSize() + gk::clusterRank());
  gk::letNextStart();
}
#endif
GK_TEXT(gk_meta_pairs, R"json({"abi":1,"id":"pairs","isa":"sm90","tensors":1,"ints":["n"],"dynamic":[],"floats":[],"paramBytes":32,
  "phases":[{"entry":"gk_pairs__main","grid":["n","1","1"],"block":32,"shared":"0","cluster":2}],"workspace":"0","counters":"0"})json");

// The two kernels that a device makes use of itself, plain. target[c, r] = source[r, c]
namespace transpose {
struct Params {
  const uint16_t* source;
  uint16_t* target;
  void* workspace;
  uint32_t* counters;
  int32_t imm_rows, imm_cols, imm_source_stride, imm_target_stride;
};
}  // namespace transpose
GK_KERNEL(gk_transpose__main, transpose::Params, 32, 1) {
  gk::waitForPrevious();
  const int row = blockIdx.y;
  const int col = blockIdx.x * 32 + threadIdx.x;
  if (col < params.imm_cols)
    params.target[size_t(col) * params.imm_target_stride + row] = params.source[size_t(row) * params.imm_source_stride + col];
  gk::letNextStart();
}
GK_TEXT(gk_meta_transpose, R"json({"abi":1,"id":"transpose","isa":"sm80","tensors":2,"ints":["rows","cols","source_stride","target_stride"],"dynamic":[],"floats":[],"paramBytes":48,
  "phases":[{"entry":"gk_transpose__main","grid":["ceilDiv(cols, 32)","rows","1"],"block":32,"shared":"0","cluster":1}],"workspace":"0","counters":"0"})json");

// f32 contents from element `first` on (runtime/native/fill_random.cc).
namespace fill_random {
struct Params {
  float* target;
  void* workspace;
  uint32_t* counters;
  int32_t imm_n, imm_first_low, imm_first_high, imm_seed_low, imm_seed_high;
  float scale;
};
GK_DEVICE uint64_t mix(uint64_t seed, uint64_t counter) {
  uint64_t z = seed + (counter + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
}  // namespace fill_random
GK_KERNEL(gk_fill_random__main, fill_random::Params, 256, 1) {
  gk::waitForPrevious();
  const uint64_t seed = fill_random::mix(uint64_t(uint32_t(params.imm_seed_high)) << 32 | uint32_t(params.imm_seed_low), 0);
  const uint64_t first = uint64_t(uint32_t(params.imm_first_high)) << 32 | uint32_t(params.imm_first_low);
  for (int i = blockIdx.x * 256 + threadIdx.x; i < params.imm_n; i += gridDim.x * 256) {
    const uint64_t word = first + uint64_t(i), unit = fill_random::mix(seed, word >> 18);
    uint32_t x = uint32_t(unit) + uint32_t(word & 0x3ffff) * 0x9e3779b9u;
    x = (x ^ (x >> 16)) * 0x85ebca6bu;
    x = (x ^ (x >> 13)) * 0xc2b2ae35u;
    x = x ^ (x >> 16) ^ uint32_t(unit >> 32);
    params.target[i] = float(int32_t(x)) * 0x1p-31f * params.scale;
  }
  gk::letNextStart();
}
GK_TEXT(gk_meta_fill_random, R"json({"abi":1,"id":"fill_random","isa":"sm80","tensors":1,"ints":["n","first_low","first_high","seed_low","seed_high"],"dynamic":[],"floats":["scale"],"paramBytes":48,
  "phases":[{"entry":"gk_fill_random__main","grid":["min(ceilDiv(n, 256), 8)","1","1"],"block":256,"shared":"0","cluster":1}],"workspace":"0","counters":"0"})json");

// What must be refused.
GK_TEXT(gk_meta_old, R"json({"abi":0,"id":"old"})json");
GK_TEXT(gk_meta_broken, "{");
GK_TEXT(gk_meta_lost_entry, R"json({"abi":1,"id":"lost_entry","isa":"sm80","tensors":0,"ints":[],"dynamic":[],"floats":[],"paramBytes":16,
  "phases":[{"entry":"gk_lost_entry__main","grid":["1","1","1"],"block":32,"shared":"0","cluster":1}],"workspace":"0","counters":"0"})json");

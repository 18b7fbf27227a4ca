// What the tests of the emulated driver launch: one kernel per thing that the driver has to see.
#include "device.cuh"

struct Params {
  const float* x;
  float* y;
  int32_t n;
  float value;
};

GK_TEXT(gk_note, "a text in the module");
extern "C" {
GK_EMU_EXPORT int32_t gk_number = 7;  // a variable that may be written
}

GK_KERNEL(add, Params, 128, 1) {
  gk::waitForPrevious();
  const int32_t i = int32_t(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < params.n) params.y[i] = params.x[i] + params.value;
}

// As add, but reads before what came before has ended: wrong exactly where it was launched as a dependent.
GK_KERNEL(hasty, Params, 128, 1) {
  const int32_t i = int32_t(blockIdx.x * blockDim.x + threadIdx.x);
  const float x = i < params.n ? params.x[i] : 0.f;
  gk::waitForPrevious();
  if (i < params.n) params.y[i] = x + params.value;
}

// Writes one element at index n, wherever that is.
GK_KERNEL(write_at, Params, 128, 1) {
  gk::waitForPrevious();
  if (blockIdx.x == 0 && threadIdx.x == 0) params.y[params.n] = params.value;
}

GK_KERNEL(forever, Params, 128, 1) {
  gk::waitForPrevious();
  for (int32_t i = 0; i >= 0; i = (i + 1) & 0xffff) {
    if (threadIdx.x == 0) params.y[0] = float(i);
    __syncthreads();
  }
}

GK_KERNEL(shared_sum, Params, 128, 1) {
  GK_SHARED_DYNAMIC(bytes);
  float* const values = reinterpret_cast<float*>(bytes);
  gk::waitForPrevious();
  values[threadIdx.x] = params.x[threadIdx.x];
  __syncthreads();
  if (threadIdx.x == 0) {
    float sum = 0.f;
    for (uint32_t i = 0; i < blockDim.x; i++) sum += values[i];
    params.y[blockIdx.x] = sum;
  }
}

#if GK_HOPPER
GK_KERNEL(rank_of, Params, 128, 1) {
  gk::waitForPrevious();
  if (threadIdx.x == 0) params.y[blockIdx.x] = float(gk::clusterRank() * 100 + gk::clusterSize());
}
#endif

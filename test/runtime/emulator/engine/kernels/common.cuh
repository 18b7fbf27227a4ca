// What the kernels of these tests have in common: one parameter block, and `bug`: 0 is the correct kernel, 1 (2, …) has a fault planted.
#include "device.cuh"

struct Params {
  float* out;
  const float* in;
  uint32_t* counters;
  void* extra;
  int32_t n;
  int32_t bug;
};

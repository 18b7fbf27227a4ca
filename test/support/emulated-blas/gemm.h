// What the emulated cuBLASLt gives its kernel.
#ifndef GRIFFIN_TEST_GEMM_H
#define GRIFFIN_TEST_GEMM_H
#include <cstdint>

constexpr unsigned kGemmWorkspaceBytes = 256;  // spoiled by the kernel, as a vendor's may

struct GemmParams {
  const void *a, *b;
  const float *c, *bias;
  float* d;
  uint32_t* workspace;
  int64_t m, n, k, lda, ldb, ldc, ldd;
  int32_t transposed, bf16;  // a is stored k × m; a and b are bf16, else f32
  float alpha, beta;
};

#endif

// The matrix product behind the emulated cuBLASLt: one thread per cell of D, column-major, sums in fp32. Launched as vendor kernels are: it neither waits for
// the kernel before it by itself, nor lets the next one begin early.
#include "device.cuh"
#include "gemm.h"

GK_KERNEL(gk_blas_gemm, GemmParams, 128, 1) {
  if (blockIdx.x == 0 && threadIdx.x < kGemmWorkspaceBytes / 4) params.workspace[threadIdx.x] = 0xffffffffu;
  const int64_t cell = int64_t(blockIdx.x) * 128 + threadIdx.x;
  if (cell >= params.m * params.n) return;
  const int64_t row = cell % params.m, column = cell / params.m;
  float sum = 0;
  for (int64_t i = 0; i < params.k; i++) {
    const int64_t a = params.transposed ? row * params.lda + i : i * params.lda + row, b = column * params.ldb + i;
    if (params.bf16) sum = fmaf(gk::toFloat(static_cast<const gk::bf16*>(params.a)[a]), gk::toFloat(static_cast<const gk::bf16*>(params.b)[b]), sum);
    else sum = fmaf(static_cast<const float*>(params.a)[a], static_cast<const float*>(params.b)[b], sum);
  }
  sum *= params.alpha;
  if (params.beta != 0) sum = fmaf(params.beta, params.c[column * params.ldc + row], sum);
  if (params.bias) sum += params.bias[row];
  params.d[column * params.ldd + row] = sum;
}

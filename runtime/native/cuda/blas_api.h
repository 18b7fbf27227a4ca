// The part of cuBLASLt's binary interface (12.0 and later) that this project calls, written here so that nothing of CUDA is needed to build. Handles are
// opaque pointers, statuses ints with 0 for success. The numbers were written without cublasLt.h at hand and no test compares them with
// it; only `griffin verify` on a GPU that has the library can show that they are right, and until it has, a product that is wrong loses in verification and our own kernels run.
#ifndef GRIFFIN_CUDA_BLAS_API_H
#define GRIFFIN_CUDA_BLAS_API_H
#include <cstddef>
#include <cstdint>

using BlasHandle = struct BlasHandleOfLibrary*;
using BlasMatmulDesc = struct BlasMatmulDescOfLibrary*;
using BlasMatrixLayout = struct BlasMatrixLayoutOfLibrary*;
using BlasPreference = struct BlasPreferenceOfLibrary*;
using BlasStream = struct CUstream_st*;

struct BlasAlgorithm {
  uint64_t data[8];
};

struct BlasHeuristicResult {
  BlasAlgorithm algorithm;
  size_t workspace_bytes;
  int status;
  float waves;
  int reserved[4];
};
static_assert(sizeof(BlasHeuristicResult) == 96, "layout of cublasLtMatmulHeuristicResult_t");

// cudaDataType_t, cublasComputeType_t, cublasOperation_t
constexpr int kBlasR32F = 0, kBlasR16BF = 14;
constexpr int kBlasCompute32F = 68;
constexpr int32_t kBlasOpN = 0, kBlasOpT = 1;
// cublasLtMatmulDescAttributes_t and cublasLtEpilogue_t
constexpr int kBlasDescTransA = 3, kBlasDescTransB = 4, kBlasDescEpilogue = 7, kBlasDescBiasPointer = 8, kBlasDescBiasDataType = 26;
constexpr int32_t kBlasEpilogueDefault = 1, kBlasEpilogueBias = 4;
// cublasLtMatmulPreferenceAttributes_t; of the reduction schemes, the mask allows partial sums in fp32 in the workspace alone.
constexpr int kBlasPreferWorkspace = 1, kBlasPreferReductionMask = 3;
constexpr int kBlasPreferAlignmentA = 5, kBlasPreferAlignmentB = 6, kBlasPreferAlignmentC = 7, kBlasPreferAlignmentD = 8;
constexpr uint32_t kBlasReductionComputeType = 2;

// X(result, name, (parameters))
#define GRIFFIN_BLAS_FUNCTIONS(X)                                                                                                     \
  X(size_t, cublasLtGetVersion, ())                                                                                                   \
  X(int, cublasLtCreate, (BlasHandle * handle))                                                                                       \
  X(int, cublasLtDestroy, (BlasHandle handle))                                                                                        \
  X(int, cublasLtMatmulDescCreate, (BlasMatmulDesc * desc, int compute_type, int scale_type))                                         \
  X(int, cublasLtMatmulDescDestroy, (BlasMatmulDesc desc))                                                                            \
  X(int, cublasLtMatmulDescSetAttribute, (BlasMatmulDesc desc, int attribute, const void* value, size_t bytes))                       \
  X(int, cublasLtMatrixLayoutCreate, (BlasMatrixLayout * layout, int type, uint64_t rows, uint64_t cols, int64_t leading))            \
  X(int, cublasLtMatrixLayoutDestroy, (BlasMatrixLayout layout))                                                                      \
  X(int, cublasLtMatmulPreferenceCreate, (BlasPreference * preference))                                                               \
  X(int, cublasLtMatmulPreferenceDestroy, (BlasPreference preference))                                                                \
  X(int, cublasLtMatmulPreferenceSetAttribute, (BlasPreference preference, int attribute, const void* value, size_t bytes))           \
  X(int, cublasLtMatmulAlgoGetHeuristic,                                                                                              \
    (BlasHandle handle, BlasMatmulDesc desc, BlasMatrixLayout a, BlasMatrixLayout b, BlasMatrixLayout c, BlasMatrixLayout d,          \
     BlasPreference preference, int wanted, BlasHeuristicResult* results, int* found))                                                \
  X(int, cublasLtMatmul,                                                                                                              \
    (BlasHandle handle, BlasMatmulDesc desc, const void* alpha, const void* a, BlasMatrixLayout a_layout, const void* b,              \
     BlasMatrixLayout b_layout, const void* beta, const void* c, BlasMatrixLayout c_layout, void* d, BlasMatrixLayout d_layout,       \
     const BlasAlgorithm* algorithm, void* workspace, size_t workspace_bytes, BlasStream stream))

struct BlasApi {
#define GRIFFIN_BLAS_MEMBER(result, name, parameters) result(*name) parameters = nullptr;
  GRIFFIN_BLAS_FUNCTIONS(GRIFFIN_BLAS_MEMBER)
#undef GRIFFIN_BLAS_MEMBER
  const char* (*cublasLtGetStatusName)(int status) = nullptr;  // not in every version
};

#endif

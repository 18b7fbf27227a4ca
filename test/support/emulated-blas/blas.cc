// cuBLASLt's entry points over the emulated driver, as far as this project uses them. It refuses what the real library refuses or leaves undefined: sizes
// that do not fit together, unknown attributes, buffers less aligned than was promised, too little workspace.
#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "blas_api.h"
#include "driver_api.h"
#include "gemm.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr int kSuccess = 0, kNotInitialized = 1, kInvalidValue = 7, kExecutionFailed = 13, kNotSupported = 15;
// Products deeper than this it has no algorithm for, so that there is a refusal to test.
constexpr uint64_t kMostDepth = 4096;

template <class F>
F* driver(const char* name) {
  static void* const library = dlopen(GRIFFIN_TEST_DRIVER, RTLD_NOW | RTLD_LOCAL);
  return library != nullptr ? reinterpret_cast<F*>(dlsym(library, name)) : nullptr;
}

bool aligned(const void* pointer, uint64_t alignment) { return reinterpret_cast<uintptr_t>(pointer) % alignment == 0; }

}  // namespace

struct BlasHandleOfLibrary {
  CUmodule module = nullptr;
  CUfunction gemm = nullptr;
};
struct BlasMatmulDescOfLibrary {
  int32_t trans_a = 0, trans_b = 0, epilogue = kBlasEpilogueDefault, bias_type = kBlasR32F;
  const void* bias = nullptr;
};
struct BlasMatrixLayoutOfLibrary {
  int type;
  uint64_t rows, cols;
  int64_t leading;
};
struct BlasPreferenceOfLibrary {
  uint64_t workspace = 0;
  uint32_t reduction = 7, alignment[4] = {256, 256, 256, 256};
};

namespace {

// m, n, k of a product whose operands fit together, or false.
bool sizes(const BlasMatmulDescOfLibrary& desc, BlasMatrixLayout a, BlasMatrixLayout b, BlasMatrixLayout c, BlasMatrixLayout d, GemmParams& params) {
  const bool transposed = desc.trans_a == kBlasOpT;
  const uint64_t m = transposed ? a->cols : a->rows, k = transposed ? a->rows : a->cols;
  if (desc.trans_b != kBlasOpN || b->rows != k || b->cols != d->cols || d->rows != m || c->rows != d->rows || c->cols != d->cols) return false;
  if (a->type != b->type || c->type != kBlasR32F || d->type != kBlasR32F) return false;
  params.m = static_cast<int64_t>(m);
  params.n = static_cast<int64_t>(d->cols);
  params.k = static_cast<int64_t>(k);
  params.transposed = transposed ? 1 : 0;
  params.bf16 = a->type == kBlasR16BF ? 1 : 0;
  params.lda = a->leading;
  params.ldb = b->leading;
  params.ldc = c->leading;
  params.ldd = d->leading;
  return desc.epilogue == kBlasEpilogueDefault || (desc.epilogue == kBlasEpilogueBias && desc.bias != nullptr && desc.bias_type == kBlasR32F);
}

template <class T>
int take(T& target, const void* value, size_t bytes) {
  if (bytes != sizeof target) return kInvalidValue;
  std::memcpy(&target, value, bytes);
  return kSuccess;
}

}  // namespace

// Tells that this library works on the emulated driver.
EXPORT int gkEmulatedBlas() { return 1; }

EXPORT size_t cublasLtGetVersion() { return 120304; }

EXPORT const char* cublasLtGetStatusName(int status) { return status == kNotSupported ? "CUBLAS_STATUS_NOT_SUPPORTED" : "CUBLAS_STATUS_OTHER"; }

EXPORT int cublasLtCreate(BlasHandle* handle) {
  std::FILE* file = std::fopen(GRIFFIN_TEST_GEMM, "rb");
  if (file == nullptr) return kNotInitialized;
  std::vector<char> image;
  char buffer[65536];
  for (size_t got; (got = std::fread(buffer, 1, sizeof buffer, file)) > 0;) image.insert(image.end(), buffer, buffer + got);
  std::fclose(file);
  auto* load = driver<CUresult(CUmodule*, const void*)>("cuModuleLoadData");
  auto* find = driver<CUresult(CUfunction*, CUmodule, const char*)>("cuModuleGetFunction");
  auto made = new BlasHandleOfLibrary();
  if (load == nullptr || find == nullptr || load(&made->module, image.data()) != CUDA_SUCCESS || find(&made->gemm, made->module, "gk_blas_gemm") != CUDA_SUCCESS) {
    delete made;
    return kNotInitialized;
  }
  *handle = made;
  return kSuccess;
}

EXPORT int cublasLtDestroy(BlasHandle handle) {
  driver<CUresult(CUmodule)>("cuModuleUnload")(handle->module);
  delete handle;
  return kSuccess;
}

EXPORT int cublasLtMatmulDescCreate(BlasMatmulDesc* desc, int compute, int scale) {
  if (compute != kBlasCompute32F || scale != kBlasR32F) return kInvalidValue;
  *desc = new BlasMatmulDescOfLibrary();
  return kSuccess;
}

EXPORT int cublasLtMatmulDescDestroy(BlasMatmulDesc desc) {
  delete desc;
  return kSuccess;
}

EXPORT int cublasLtMatmulDescSetAttribute(BlasMatmulDesc desc, int attribute, const void* value, size_t bytes) {
  switch (attribute) {
    case kBlasDescTransA: return take(desc->trans_a, value, bytes);
    case kBlasDescTransB: return take(desc->trans_b, value, bytes);
    case kBlasDescEpilogue: return take(desc->epilogue, value, bytes);
    case kBlasDescBiasPointer: return take(desc->bias, value, bytes);
    case kBlasDescBiasDataType: return take(desc->bias_type, value, bytes);
    default: return kInvalidValue;
  }
}

EXPORT int cublasLtMatrixLayoutCreate(BlasMatrixLayout* layout, int type, uint64_t rows, uint64_t cols, int64_t leading) {
  if ((type != kBlasR32F && type != kBlasR16BF) || leading < static_cast<int64_t>(rows)) return kInvalidValue;
  *layout = new BlasMatrixLayoutOfLibrary{type, rows, cols, leading};
  return kSuccess;
}

EXPORT int cublasLtMatrixLayoutDestroy(BlasMatrixLayout layout) {
  delete layout;
  return kSuccess;
}

EXPORT int cublasLtMatmulPreferenceCreate(BlasPreference* preference) {
  *preference = new BlasPreferenceOfLibrary();
  return kSuccess;
}

EXPORT int cublasLtMatmulPreferenceDestroy(BlasPreference preference) {
  delete preference;
  return kSuccess;
}

EXPORT int cublasLtMatmulPreferenceSetAttribute(BlasPreference preference, int attribute, const void* value, size_t bytes) {
  if (attribute == kBlasPreferWorkspace) return take(preference->workspace, value, bytes);
  if (attribute == kBlasPreferReductionMask) return take(preference->reduction, value, bytes);
  if (attribute < kBlasPreferAlignmentA || attribute > kBlasPreferAlignmentD) return kInvalidValue;
  return take(preference->alignment[attribute - kBlasPreferAlignmentA], value, bytes);
}

// An algorithm remembers what it was promised.
EXPORT int cublasLtMatmulAlgoGetHeuristic(BlasHandle, BlasMatmulDesc desc, BlasMatrixLayout a, BlasMatrixLayout b, BlasMatrixLayout c, BlasMatrixLayout d,
                                          BlasPreference preference, int wanted, BlasHeuristicResult* results, int* found) {
  GemmParams params{};
  *found = 0;
  if (wanted < 1 || !sizes(*desc, a, b, c, d, params)) return kInvalidValue;
  if (static_cast<uint64_t>(params.k) > kMostDepth || preference->workspace < kGemmWorkspaceBytes) return kNotSupported;
  *results = BlasHeuristicResult{};
  for (int i = 0; i < 4; i++) results->algorithm.data[i] = preference->alignment[i];
  results->workspace_bytes = kGemmWorkspaceBytes;
  *found = 1;
  return kSuccess;
}

EXPORT int cublasLtMatmul(BlasHandle handle, BlasMatmulDesc desc, const void* alpha, const void* a, BlasMatrixLayout a_layout, const void* b,
                          BlasMatrixLayout b_layout, const void* beta, const void* c, BlasMatrixLayout c_layout, void* d, BlasMatrixLayout d_layout,
                          const BlasAlgorithm* algorithm, void* workspace, size_t workspace_bytes, BlasStream stream) {
  GemmParams params{};
  if (!sizes(*desc, a_layout, b_layout, c_layout, d_layout, params)) return kInvalidValue;
  const void* operands[] = {a, b, c, d};
  for (int i = 0; i < 4; i++)
    if (algorithm->data[i] == 0 || !aligned(operands[i], algorithm->data[i])) return kInvalidValue;
  if (workspace == nullptr || workspace_bytes < kGemmWorkspaceBytes || !aligned(workspace, 256)) return kInvalidValue;
  params.a = a;
  params.b = b;
  params.c = static_cast<const float*>(c);
  params.d = static_cast<float*>(d);
  params.bias = desc->epilogue == kBlasEpilogueBias ? static_cast<const float*>(desc->bias) : nullptr;
  params.workspace = static_cast<uint32_t*>(workspace);
  params.alpha = *static_cast<const float*>(alpha);
  params.beta = *static_cast<const float*>(beta);
  const unsigned blocks = static_cast<unsigned>((params.m * params.n + 127) / 128);
  const CUlaunchConfig config{blocks, 1, 1, 128, 1, 1, 0, stream, nullptr, 0};
  void* parameters[] = {&params};
  auto* launch = driver<CUresult(const CUlaunchConfig*, CUfunction, void**, void**)>("cuLaunchKernelEx");
  return launch(&config, handle->gemm, parameters, nullptr) == CUDA_SUCCESS ? kSuccess : kExecutionFailed;
}

// NVIDIA's cuBLASLt where it is found: matrix products of prompts that a plan can hold beside kernels of our own. Loaded by name when it is first
// asked for; nothing needs it.
#ifndef GRIFFIN_CUDA_BLAS_H
#define GRIFFIN_CUDA_BLAS_H
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "blas_api.h"
#include "context.h"

namespace griffin::cuda {

class BlasLibrary {
 public:
  // The first of `paths` that can be loaded and is made for this driver (a real library crashes on the emulated driver's memory); null when none is.
  static std::shared_ptr<BlasLibrary> find(const std::vector<std::string>& paths, bool emulated);

  const BlasApi& api() const { return api_; }
  const std::string& path() const { return path_; }
  size_t version() const { return version_; }  // 10000 × major + 100 × minor + patch
  // Throws Failure(kDevice) "<doing>: <status>" unless the call succeeded.
  void check(int status, const std::string& doing) const;

 private:
  static std::shared_ptr<BlasLibrary> open(const std::string& path);
  BlasApi api_;
  std::string path_;
  size_t version_ = 0;
  bool emulated_ = false;
};

// The library on one GPU.
class Blas {
 public:
  // Throws Failure(kDevice) when the library does not start.
  Blas(std::shared_ptr<Context> context, std::shared_ptr<BlasLibrary> library);
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  const BlasLibrary& library() const { return *library_; }
  const std::shared_ptr<Context>& context() const { return context_; }
  BlasHandle handle() const { return handle_; }
  std::mutex& mutex() { return mutex_; }  // plans are captured on one thread and launched on another

 private:
  std::shared_ptr<Context> context_;
  std::shared_ptr<BlasLibrary> library_;
  BlasHandle handle_ = nullptr;
  std::mutex mutex_;
};

// y = x·wᵀ (or x·w) + bias + residual. x, y, bias and residual are f32, row-major and dense.
struct BlasProblem {
  uint64_t rows, in, out;
  bool bf16;       // w's elements: bf16, else f32
  bool out_major;  // w is [out, in], else [in, out]
  CUdeviceptr x, w, bias, residual, y;  // bias and residual: 0 where absent; residual may be y
};

// One product, its algorithms chosen. f32 weights take one matrix product. bf16 weights take one with each part of x (see the family split_bf16), summed
// in fp32: two parts keep 16 bits of activations; sums of few products take the third part too, as they do in kernels of our own.
class BlasProduct {
 public:
  // Throws Failure(kLibrary) when the library has no algorithm for the problem.
  BlasProduct(std::shared_ptr<Blas> blas, std::string id, const BlasProblem& problem);
  ~BlasProduct();
  BlasProduct(const BlasProduct&) = delete;
  BlasProduct& operator=(const BlasProduct&) = delete;

  const std::string& id() const { return id_; }
  bool splits() const { return problem_.bf16; }
  uint64_t workspace_bytes() const { return workspace_bytes_; }
  static constexpr unsigned kParts = 3;
  // Says where the workspace is. `part` is where the high, middle and low parts of x are when it is launched.
  void place(CUdeviceptr workspace) { workspace_ = workspace; }
  CUdeviceptr part(unsigned index) const { return workspace_ + index * part_bytes_; }
  void launch(CUstream stream);

 private:
  struct Product {
    BlasMatmulDesc description = nullptr;
    BlasAlgorithm algorithm{};
    float beta = 0;
    CUdeviceptr added = 0;  // what is multiplied by beta: y itself where beta is 0
  };
  void describe();
  void add(bool last, CUdeviceptr added, uint64_t alignment_of_x);
  void release();

  std::shared_ptr<Blas> blas_;
  const std::string id_;
  const BlasProblem problem_;
  uint64_t part_bytes_ = 0, vendor_at_ = 0, vendor_bytes_ = 0, workspace_bytes_ = 0;
  CUdeviceptr workspace_ = 0;
  BlasMatrixLayout w_ = nullptr, x_ = nullptr, y_ = nullptr;
  std::vector<Product> products_;
};

}  // namespace griffin::cuda

#endif

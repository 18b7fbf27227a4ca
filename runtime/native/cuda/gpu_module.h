// Loaded kernel binaries (cubin, fatbin, PTX, or an emulated shared object) and the kernels in them.
#ifndef GRIFFIN_CUDA_GPU_MODULE_H
#define GRIFFIN_CUDA_GPU_MODULE_H
#include <memory>
#include <string>
#include <vector>

#include "context.h"

namespace griffin::cuda {

class GpuModule {
 public:
  // Throws Failure(kLibrary) with the driver's log when the file is missing or the driver refuses it.
  GpuModule(std::shared_ptr<Context> context, const std::string& path);
  ~GpuModule();
  GpuModule(const GpuModule&) = delete;
  GpuModule& operator=(const GpuModule&) = delete;

  // The text of a global symbol, up to its terminating zero. Throws Failure(kLibrary) when there is none.
  std::string text(const std::string& symbol) const;
  CUfunction function(const std::string& entry) const;
  const std::string& path() const { return path_; }
  const std::shared_ptr<Context>& context() const { return context_; }

 private:
  std::shared_ptr<Context> context_;
  std::string path_;
  CUmodule module_ = nullptr;
};

// A kernel keeps its module loaded.
struct GpuKernel {
  struct Phase {
    CUfunction function;
    std::string entry;
    uint32_t shared_allowed;  // dynamic shared memory that the function may be launched with so far
    bool large_clusters;
  };
  std::shared_ptr<GpuModule> module;
  std::string id;
  std::vector<Phase> phases;

  // Makes a phase launchable with that much dynamic shared memory and blocks per cluster. Throws Failure(kDevice) when the GPU has less.
  void allow(size_t phase, uint32_t shared_bytes, uint32_t cluster);
};

}  // namespace griffin::cuda

#endif

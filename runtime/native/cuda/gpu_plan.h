// A recorded sequence of kernel launches and vendor products: captured into a graph once, replayed as often as wanted.
#ifndef GRIFFIN_CUDA_GPU_PLAN_H
#define GRIFFIN_CUDA_GPU_PLAN_H
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "blas.h"
#include "device_memory.h"
#include "gpu_module.h"

namespace griffin::cuda {

// The geometry of one phase, as the kernel's expressions gave it for the step's arguments.
struct LaunchShape {
  uint32_t phase;
  uint32_t grid[3];
  uint32_t block;
  uint32_t shared_bytes;  // dynamic
  uint32_t cluster;       // blocks, 1 for none
};

// An int scalar: a value, or a 32-bit integer in device memory.
struct IntArgument {
  int32_t value = 0;
  std::optional<CUdeviceptr> source;
  bool may_be_dynamic = false;
};

struct GpuArguments {
  std::vector<CUdeviceptr> tensors;  // 0 where absent
  std::vector<IntArgument> ints;
  std::vector<float> floats;
  std::vector<std::shared_ptr<DeviceMemory>> memory;  // what they point into
};

// The parameter block of the kernel ABI (docs/cuda.md): pointers of tensors, pointers of dynamic ints, workspace, counters, ints, floats.
struct ParameterBlock {
  explicit ParameterBlock(const GpuArguments& arguments);
  // Where the workspace's pointer is; the counters' follows it.
  void point(CUdeviceptr workspace, CUdeviceptr counters);
  void set_tensor(size_t index, CUdeviceptr address);
  std::vector<uint8_t> bytes;
  size_t workspace_at = 0;
};

class GpuPlan {
 public:
  // A kernel's launches; or a vendor's product, and before it the launches of the kernel that splits its activations, if it needs one.
  struct Step {
    std::shared_ptr<GpuKernel> kernel;
    std::string label;
    ParameterBlock parameters;
    std::vector<LaunchShape> launches;
    std::vector<std::shared_ptr<DeviceMemory>> memory;
    std::shared_ptr<BlasProduct> product;
    const std::string& id() const { return product ? product->id() : kernel->id; }
    std::string describe() const { return label.empty() ? id() : label + " (" + id() + ")"; }
  };

  GpuPlan(std::string label, std::shared_ptr<Context> context, bool eager) : label_(std::move(label)), context_(std::move(context)), eager_(eager) {}
  ~GpuPlan();
  GpuPlan(const GpuPlan&) = delete;
  GpuPlan& operator=(const GpuPlan&) = delete;

  // Throws Failure(kDevice) when the GPU cannot launch the step like this.
  void add(Step step, uint64_t workspace_bytes, uint64_t counters);
  // Allocates workspace and counters, which all steps share, and captures the launches. On the event loop's thread.
  void finish(Gpu& gpu);
  bool finished() const { return finished_; }
  size_t size() const { return steps_.size(); }
  const std::string& label() const { return label_; }
  const Context* context() const { return context_.get(); }

  // On the dispatcher thread: puts one replay, or one step of it, on the GPU's stream.
  void replay(Gpu& gpu);
  void launch_step(size_t index, CUstream stream, bool captured);

 private:
  void capture();
  std::string label_;
  std::shared_ptr<Context> context_;
  const bool eager_;
  bool finished_ = false;
  std::vector<Step> steps_;
  uint64_t workspace_bytes_ = 0, counters_ = 0;
  std::shared_ptr<DeviceMemory> workspace_, counter_memory_;
  CUgraphExec graph_ = nullptr;
};

}  // namespace griffin::cuda

#endif

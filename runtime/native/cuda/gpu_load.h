// Rectangular copies from mapped files into device memory, and seeded random contents, through page-locked memory.
#ifndef GRIFFIN_CUDA_GPU_LOAD_H
#define GRIFFIN_CUDA_GPU_LOAD_H
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../element.h"
#include "../mapped_file.h"
#include "gpu_plan.h"

namespace griffin::cuda {

// Turns rows on the GPU: `chunk_rows` rows at a time are put into `temporary`, then step `first_step` + chunk of `plan` turns them.
struct DeviceTransposition {
  std::shared_ptr<GpuPlan> plan;
  size_t first_step = 0;
  uint64_t chunk_rows = 0;
  BufferRef temporary;
};

struct GpuLoadOp {
  std::shared_ptr<MappedFile> source;
  uint64_t source_offset = 0;
  ElementType type = ElementType::kF32;
  uint64_t rows = 0, cols = 0;
  BufferRef target;
  uint64_t target_offset = 0;  // bytes to element [0, 0], within the window
  uint64_t target_stride = 0;  // in target elements
  bool transpose = false;
  bool to_f32 = false;
  std::optional<DeviceTransposition> turn;  // without it a transposition happens on the host, slower
};

// Throws Failure(kRange) when an operation reads outside its file or writes outside its buffer.
void check_load_ops(const std::vector<GpuLoadOp>& ops);

// On the dispatcher thread; operations must be checked. `progress` gets the source bytes sent so far.
// Throws Failure(kFile) when a file became shorter.
void run_load_ops(Gpu& gpu, const std::vector<GpuLoadOp>& ops, const std::string& what, const std::function<void(uint64_t)>& progress);

// Fills the buffer with the same bytes that the CPU device fills one of its own with (fill_random.h).
void run_fill_random(Gpu& gpu, const BufferRef& target, ElementType type, uint64_t seed, float scale, const std::string& what);

}  // namespace griffin::cuda

#endif

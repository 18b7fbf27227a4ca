// Runs and profiles of a plan.
#ifndef GRIFFIN_CUDA_GPU_JOBS_H
#define GRIFFIN_CUDA_GPU_JOBS_H
#include <memory>
#include <optional>
#include <vector>

#include "gpu_plan.h"

namespace griffin::cuda {

// `times` replays back to back. What it brings along is copied behind the last one, before anything that is queued later.
class Replays {
 public:
  Replays(std::shared_ptr<GpuPlan> plan, uint64_t times, std::optional<BufferRef> source)
      : plan_(std::move(plan)), times_(times), source_(std::move(source)) {}
  void issue(Gpu& gpu, const std::string& what);
  void complete(Gpu& gpu);

  uint64_t elapsed_ns = 0;
  bool reads() const { return source_.has_value(); }
  std::vector<uint8_t> read;

 private:
  std::shared_ptr<GpuPlan> plan_;
  uint64_t times_;
  std::optional<BufferRef> source_;
  CUevent from_ = nullptr, to_ = nullptr;
  PinnedRing::Slot slot_{};
};

// One replay, launch by launch, with an event between steps.
class ProfiledReplay {
 public:
  explicit ProfiledReplay(std::shared_ptr<GpuPlan> plan) : plan_(std::move(plan)) {}
  void issue(Gpu& gpu);
  void complete(Gpu& gpu);

  std::vector<uint64_t> step_ns;

 private:
  std::shared_ptr<GpuPlan> plan_;
  std::vector<CUevent> marks_;
};

}  // namespace griffin::cuda

#endif

// A recorded sequence of kernel launches, replayed as often as wanted.
#ifndef GRIFFIN_PLAN_H
#define GRIFFIN_PLAN_H
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "device.h"
#include "memory.h"
#include "module.h"

namespace griffin {

// An int scalar that is read from device memory each time its step runs.
struct DynamicInt {
  uint32_t position;  // in Arguments::ints
  const uint8_t* source;
};

// Everything one launch needs. Holds its memory alive.
struct Arguments {
  std::vector<void*> buffers;
  std::vector<int64_t> ints;
  std::vector<float> floats;
  std::vector<DynamicInt> dynamic;
  std::vector<std::shared_ptr<Memory>> memory;

  gk_args view(void* workspace) const { return gk_args{buffers.data(), ints.data(), floats.data(), workspace}; }
  void read_dynamic();
};

struct Step {
  Kernel kernel;
  Arguments arguments;
  std::string label;
};

class Plan {
 public:
  explicit Plan(std::string label) : label_(std::move(label)) {}

  // `largest` holds the ints with dynamic ones at the largest values they can take: they size the workspace.
  void add(Step step, const std::vector<int64_t>& largest);
  // Allocates the workspace that all steps share.
  void finish(const ByteCounter& counter);
  bool finished() const { return finished_; }
  size_t size() const { return steps_.size(); }
  const Step& step(size_t index) const { return steps_[index]; }

  // On the device's dispatcher thread. `step_ns`, when given, receives one duration per step.
  // Throws Failure(kDevice) when the device is being disposed (between steps) or a dynamic int outgrows the workspace.
  void execute(Device& device, std::vector<uint64_t>* step_ns);

 private:
  void run_step(Device& device, Step& step);

  std::string label_;
  std::vector<Step> steps_;
  uint64_t workspace_bytes_ = 0;
  uint64_t scratch_bytes_ = 0;
  std::shared_ptr<Memory> workspace_;
  bool finished_ = false;
};

}  // namespace griffin

#endif

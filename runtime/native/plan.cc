#include "plan.h"

#include <algorithm>
#include <cstring>

#include "spin.h"

namespace griffin {
namespace {

struct Launch {
  const gk_kernel* kernel;
  const gk_args* args;
  uint32_t phase;
  const Scratch* scratch;
};

void run_units(void* context, int64_t begin, int64_t end, unsigned thread) {
  const auto* launch = static_cast<const Launch*>(context);
  launch->kernel->run(launch->args, launch->phase, begin, end, launch->scratch->of(thread));
}

std::string describe(const Step& step) {
  return step.label.empty() ? step.kernel.entry->id : step.label + " (" + step.kernel.entry->id + ")";
}

}  // namespace

void Arguments::read_dynamic() {
  for (const DynamicInt& d : dynamic) {
    int32_t value;
    std::memcpy(&value, d.source, sizeof value);
    ints[d.position] = value;
  }
}

void Plan::add(Step step, const std::vector<int64_t>& largest) {
  if (finished_) throw Failure(FailureKind::kDevice, label_ + ": the recording is finished, no step can be added");
  const gk_args args{step.arguments.buffers.data(), largest.data(), step.arguments.floats.data(), nullptr};
  workspace_bytes_ = std::max(workspace_bytes_, step.kernel.entry->workspace_bytes(&args));
  scratch_bytes_ = std::max(scratch_bytes_, step.kernel.entry->scratch_bytes);
  steps_.push_back(std::move(step));
}

void Plan::finish(const ByteCounter& counter) {
  if (finished_) throw Failure(FailureKind::kDevice, label_ + ": the recording is finished already");
  if (workspace_bytes_ > 0) workspace_ = Memory::allocate(workspace_bytes_, false, label_ + " workspace", counter);
  finished_ = true;
}

void Plan::run_step(Device& device, Step& step) {
  const gk_kernel* kernel = step.kernel.entry;
  step.arguments.read_dynamic();
  const gk_args args = step.arguments.view(workspace_ ? workspace_->data() : nullptr);
  if (!step.arguments.dynamic.empty()) {
    const uint64_t needed = kernel->workspace_bytes(&args);
    if (needed > workspace_bytes_)
      throw Failure(FailureKind::kDevice, describe(step) + " needs " + std::to_string(needed) + " bytes of workspace, recorded with " +
                                              std::to_string(workspace_bytes_) + ": a dynamic int is larger than its stated maximum");
  }
  Launch launch{kernel, &args, 0, &device.scratch()};
  for (; launch.phase < kernel->phases; launch.phase++) {
    const int64_t units = kernel->units(&args, launch.phase);
    if (units < 0)
      throw Failure(FailureKind::kDevice, describe(step) + " has " + std::to_string(units) + " units in phase " + std::to_string(launch.phase));
    device.pool().parallel(units, run_units, &launch);
  }
}

void Plan::execute(Device& device, std::vector<uint64_t>* step_ns) {
  device.scratch().reserve(scratch_bytes_);
  for (Step& step : steps_) {
    device.check_running();
    if (step_ns == nullptr) {
      run_step(device, step);
      continue;
    }
    const uint64_t start = now_ns();
    run_step(device, step);
    step_ns->push_back(now_ns() - start);
  }
}

}  // namespace griffin

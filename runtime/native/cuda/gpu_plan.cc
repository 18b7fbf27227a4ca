#include "gpu_plan.h"

#include <algorithm>
#include <cstring>

namespace griffin::cuda {
namespace {

// Graphs keep the edges of dependent launches from CUDA 12.3 on.
constexpr int kDependentLaunchInGraphs = 12030;
// Tensors of the family split_bf16: x, then the parts.
constexpr size_t kSplitFirst = 1;

template <class T>
void append(std::vector<uint8_t>& bytes, T value) {
  const auto* data = reinterpret_cast<const uint8_t*>(&value);
  bytes.insert(bytes.end(), data, data + sizeof value);
}

}  // namespace

ParameterBlock::ParameterBlock(const GpuArguments& arguments) {
  for (const CUdeviceptr tensor : arguments.tensors) append(bytes, tensor);
  for (const IntArgument& argument : arguments.ints)
    if (argument.may_be_dynamic) append(bytes, argument.source.value_or(0));
  workspace_at = bytes.size();
  append(bytes, CUdeviceptr{0});
  append(bytes, CUdeviceptr{0});
  for (const IntArgument& argument : arguments.ints) append(bytes, argument.value);
  for (const float value : arguments.floats) append(bytes, value);
  bytes.resize((bytes.size() + 7) / 8 * 8, 0);
}

void ParameterBlock::point(CUdeviceptr workspace, CUdeviceptr counters) {
  std::memcpy(bytes.data() + workspace_at, &workspace, sizeof workspace);
  std::memcpy(bytes.data() + workspace_at + sizeof workspace, &counters, sizeof counters);
}

void ParameterBlock::set_tensor(size_t index, CUdeviceptr address) { std::memcpy(bytes.data() + index * sizeof address, &address, sizeof address); }

GpuPlan::~GpuPlan() {
  if (graph_ != nullptr) context_->drop(graph_);
}

void GpuPlan::add(Step step, uint64_t workspace_bytes, uint64_t counters) {
  if (finished_) throw Failure(FailureKind::kDevice, label_ + ": the recording is finished, no step can be added");
  for (const LaunchShape& launch : step.launches) {
    if (launch.phase >= step.kernel->phases.size()) throw Failure(FailureKind::kRange, step.describe() + " has no phase " + std::to_string(launch.phase));
    step.kernel->allow(launch.phase, launch.shared_bytes, launch.cluster);
  }
  workspace_bytes_ = std::max(workspace_bytes_, workspace_bytes);
  counters_ = std::max(counters_, counters);
  steps_.push_back(std::move(step));
}

void GpuPlan::finish(Gpu& gpu) {
  if (finished_) throw Failure(FailureKind::kDevice, label_ + ": the recording is finished already");
  gpu.check_running();
  if (workspace_bytes_ > 0)
    workspace_ = DeviceMemory::allocate(gpu, workspace_bytes_, false, DeviceMemory::Contents::kUndefined, label_ + " workspace");
  if (counters_ > 0) counter_memory_ = DeviceMemory::allocate(gpu, 4 * counters_, false, DeviceMemory::Contents::kZero, label_ + " counters");
  for (Step& step : steps_) {
    step.parameters.point(workspace_ ? workspace_->address() : 0, counter_memory_ ? counter_memory_->address() : 0);
    if (!step.product) continue;
    step.product->place(workspace_ ? workspace_->address() : 0);
    if (!step.product->splits()) continue;
    for (unsigned i = 0; i < BlasProduct::kParts; i++) step.parameters.set_tensor(kSplitFirst + i, step.product->part(i));
  }
  const bool launches = std::any_of(steps_.begin(), steps_.end(), [](const Step& step) { return step.product || !step.launches.empty(); });
  if (!eager_ && launches) capture();
  finished_ = true;
}

void GpuPlan::capture() {
  const Context::Scope scope(*context_);
  const DriverApi& api = context_->api();
  const std::string what = label_ + ": capturing a graph";
  const CUstream stream = context_->capture_stream();
  context_->check(api.cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), what);
  CUgraph graph = nullptr;
  try {
    for (size_t i = 0; i < steps_.size(); i++) launch_step(i, stream, true);
  } catch (const Failure&) {
    if (api.cuStreamEndCapture(stream, &graph) == CUDA_SUCCESS && graph != nullptr) api.cuGraphDestroy(graph);
    throw;
  }
  context_->check(api.cuStreamEndCapture(stream, &graph), what);
  const CUresult result = api.cuGraphInstantiateWithFlags(&graph_, graph, 0);
  api.cuGraphDestroy(graph);
  if (result == CUDA_SUCCESS) context_->adopt(graph_);
  else graph_ = nullptr;
  context_->check(result, label_ + ": instantiating a graph");
}

void GpuPlan::launch_step(size_t index, CUstream stream, bool captured) {
  Step& step = steps_[index];
  // From 9.0 on every launch may begin before the one ahead of it has ended: kernels wait for it themselves (gk::waitForPrevious).
  // A vendor's kernels never let the next one begin early, so the launch behind them is a plain one; theirs are too.
  const bool after_product = steps_[(index == 0 ? steps_.size() : index) - 1].product != nullptr;
  const bool dependent = context_->capability() >= 90 && !after_product && (!captured || context_->driver_version() >= kDependentLaunchInGraphs);
  for (const LaunchShape& launch : step.launches) {
    CUlaunchAttribute attributes[2] = {};
    unsigned count = 0;
    if (dependent) {
      attributes[count].id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
      attributes[count++].value.programmaticStreamSerializationAllowed = 1;
    }
    if (launch.cluster > 1) {
      attributes[count].id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
      attributes[count++].value.clusterDim = {launch.cluster, 1, 1};
    }
    const CUlaunchConfig config{launch.grid[0], launch.grid[1], launch.grid[2], launch.block, 1, 1, launch.shared_bytes, stream, attributes, count};
    void* parameters[] = {step.parameters.bytes.data()};
    const GpuKernel::Phase& phase = step.kernel->phases[launch.phase];
    const CUresult result = context_->api().cuLaunchKernelEx(&config, phase.function, parameters, nullptr);
    if (result != CUDA_SUCCESS)
      throw context_->failure_of(result, label_ + ": launching " + step.describe() + ", " + phase.entry + ", " + std::to_string(launch.grid[0]) + " x " +
                                             std::to_string(launch.grid[1]) + " x " + std::to_string(launch.grid[2]) + " blocks of " +
                                             std::to_string(launch.block) + " threads, " + std::to_string(launch.shared_bytes) +
                                             " bytes of dynamic shared memory");
  }
  if (!step.product) return;
  try {
    step.product->launch(stream);
  } catch (const Failure& failure) {
    throw Failure(failure.kind(), label_ + ": " + step.describe() + ": " + failure.what());
  }
}

void GpuPlan::replay(Gpu& gpu) {
  if (graph_ != nullptr) {
    context_->check(context_->api().cuGraphLaunch(graph_, gpu.stream()), label_ + ": launching its graph");
    return;
  }
  for (size_t i = 0; i < steps_.size(); i++) {
    gpu.require_running();
    launch_step(i, gpu.stream(), false);
  }
}

}  // namespace griffin::cuda

// Kernels and plans of a GPU.
#include <cstring>

#include "gpu_jobs.h"
#include "js_gpu.h"

namespace griffin::cuda {
namespace {

// (device, path): module
Napi::Value load_module(const Napi::CallbackInfo& info) {
  Gpu& gpu = gpu_argument(info)->gpu();
  gpu.check_running();
  return wrap(info.Env(), std::make_shared<GpuModule>(gpu.context(), to_text(info[1], "path")));
}

// (module, symbol): text
Napi::Value module_text(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), unwrap<GpuModule>(info[0], "GPU module")->text(to_text(info[1], "symbol")));
}

// (module, id, entries): kernel
Napi::Value make_kernel(const Napi::CallbackInfo& info) {
  auto kernel = std::make_shared<GpuKernel>();
  kernel->module = unwrap<GpuModule>(info[0], "GPU module");
  kernel->id = to_text(info[1], "id");
  const Napi::Array entries = to_array(info[2], "entries");
  for (uint32_t i = 0; i < entries.Length(); i++) {
    const std::string entry = to_text(entries.Get(i), "entry");
    kernel->phases.push_back({kernel->module->function(entry), entry, 0, false});
  }
  return wrap(info.Env(), std::move(kernel));
}

// Six arrays: tensors (buffer or null), ints, dynamic ints (position, buffer, index, …), positions that may be dynamic, floats.
GpuArguments to_arguments(const Napi::CallbackInfo& info, size_t first) {
  GpuArguments arguments;
  const Napi::Array tensors = to_array(info[first], "tensors"), ints = to_array(info[first + 1], "ints");
  const Napi::Array dynamic = to_array(info[first + 2], "dynamic ints"), may_be = to_array(info[first + 3], "dynamic positions");
  const Napi::Array floats = to_array(info[first + 4], "floats");
  for (uint32_t i = 0; i < tensors.Length(); i++) {
    const Napi::Value value = tensors.Get(i);
    if (value.IsNull()) {
      arguments.tensors.push_back(0);
      continue;
    }
    const BufferRef& buffer = buffer_argument(value);
    arguments.tensors.push_back(buffer.address());
    arguments.memory.push_back(buffer.memory);
  }
  for (uint32_t i = 0; i < ints.Length(); i++) {
    const int64_t value = to_int(ints.Get(i), "int argument");
    if (value < INT32_MIN || value > INT32_MAX) throw Failure(FailureKind::kRange, "int argument " + std::to_string(value) + " has more than 32 bits");
    arguments.ints.push_back({static_cast<int32_t>(value), std::nullopt, false});
  }
  for (uint32_t i = 0; i < may_be.Length(); i++) {
    const uint64_t position = to_size(may_be.Get(i), "position");
    if (position >= arguments.ints.size()) throw Failure(FailureKind::kRange, "dynamic int at a position past the ints");
    arguments.ints[position].may_be_dynamic = true;
  }
  for (uint32_t i = 0; i + 2 < dynamic.Length(); i += 3) {
    const uint64_t position = to_size(dynamic.Get(i), "position");
    const BufferRef& buffer = buffer_argument(dynamic.Get(i + 1));
    const uint64_t index = to_size(dynamic.Get(i + 2), "index");
    if (position >= arguments.ints.size() || !arguments.ints[position].may_be_dynamic)
      throw Failure(FailureKind::kRange, "dynamic int at a position that is not dynamic");
    if (index >= buffer.bytes / 4) throw Failure(FailureKind::kRange, "dynamic int at an index outside its buffer");
    arguments.ints[position].source = buffer.address() + 4 * index;
    arguments.memory.push_back(buffer.memory);
  }
  for (uint32_t i = 0; i < floats.Length(); i++) arguments.floats.push_back(floats.Get(i).ToNumber().FloatValue());
  return arguments;
}

}  // namespace

std::vector<LaunchShape> launches_argument(const Napi::Value& value) {
  constexpr uint32_t kNumbers = 7;
  const Napi::Array list = to_array(value, "launches");
  if (list.Length() % kNumbers != 0) throw Failure(FailureKind::kRange, "launches must be groups of seven numbers");
  std::vector<LaunchShape> launches;
  for (uint32_t i = 0; i < list.Length(); i += kNumbers) {
    uint32_t numbers[kNumbers];
    for (uint32_t j = 0; j < kNumbers; j++) {
      const uint64_t number = to_size(list.Get(i + j), "launch");
      if (number > INT32_MAX) throw Failure(FailureKind::kRange, "a launch of " + std::to_string(number));
      numbers[j] = static_cast<uint32_t>(number);
    }
    launches.push_back({numbers[0], {numbers[1], numbers[2], numbers[3]}, numbers[4], numbers[5], numbers[6]});
  }
  return launches;
}

namespace {

// (device, label, eager): plan
Napi::Value create_plan(const Napi::CallbackInfo& info) {
  Gpu& gpu = gpu_argument(info)->gpu();
  gpu.check_running();
  return wrap(info.Env(), std::make_shared<GpuPlan>(to_text(info[1], "label"), gpu.context(), info[2].ToBoolean()));
}

// (plan, kernel, label, parameter bytes, workspace bytes, counters, launches, five arrays)
Napi::Value add_step(const Napi::CallbackInfo& info) {
  const auto& plan = unwrap<GpuPlan>(info[0], "GPU plan");
  const auto& kernel = unwrap<GpuKernel>(info[1], "GPU kernel");
  GpuArguments arguments = to_arguments(info, 7);
  ParameterBlock block(arguments);
  if (block.bytes.size() != to_size(info[3], "parameter bytes"))
    throw Failure(FailureKind::kLibrary, kernel->id + ": takes " + std::to_string(to_size(info[3], "parameter bytes")) +
                                             " bytes of parameters, its arguments have " + std::to_string(block.bytes.size()));
  plan->add(GpuPlan::Step{kernel, to_text(info[2], "label"), std::move(block), launches_argument(info[6]), std::move(arguments.memory), nullptr},
            to_size(info[4], "workspace bytes"), to_size(info[5], "counters"));
  return info.Env().Undefined();
}

// (device, plan)
Napi::Value finish_plan(const Napi::CallbackInfo& info) {
  unwrap<GpuPlan>(info[1], "GPU plan")->finish(gpu_argument(info)->gpu());
  return info.Env().Undefined();
}

class RunJob : public JsGpuJob {
 public:
  RunJob(Napi::Env env, const std::shared_ptr<GpuPlan>& plan, uint64_t times, std::optional<BufferRef> source)
      : JsGpuJob(env, "running " + plan->label()), replays_(plan, times, std::move(source)) {}
  void issue(Gpu& gpu) override { replays_.issue(gpu, what); }
  void complete(Gpu& gpu) override { replays_.complete(gpu); }
  Napi::Value result(Napi::Env env) override {
    Napi::Array result = Napi::Array::New(env, 2);
    result.Set(0u, static_cast<double>(replays_.elapsed_ns));
    result.Set(1u, env.Null());
    if (!replays_.reads()) return result;
    Napi::Uint8Array bytes = Napi::Uint8Array::New(env, replays_.read.size());
    if (!replays_.read.empty()) std::memcpy(bytes.Data(), replays_.read.data(), replays_.read.size());
    result.Set(1u, bytes);
    return result;
  }

 private:
  Replays replays_;
};

class ProfileJob : public JsGpuJob {
 public:
  ProfileJob(Napi::Env env, const std::shared_ptr<GpuPlan>& plan) : JsGpuJob(env, "profiling " + plan->label()), replay_(plan) {}
  void issue(Gpu& gpu) override { replay_.issue(gpu); }
  void complete(Gpu& gpu) override { replay_.complete(gpu); }
  Napi::Value result(Napi::Env env) override {
    Napi::Array list = Napi::Array::New(env, replay_.step_ns.size());
    for (uint32_t i = 0; i < replay_.step_ns.size(); i++) list.Set(i, static_cast<double>(replay_.step_ns[i]));
    return list;
  }

 private:
  ProfiledReplay replay_;
};

const std::shared_ptr<GpuPlan>& finished_plan(const Napi::CallbackInfo& info) {
  const auto& plan = unwrap<GpuPlan>(info[1], "GPU plan");
  if (!plan->finished()) throw Failure(FailureKind::kDevice, "the plan is still being recorded");
  if (plan->context() != gpu_argument(info)->gpu().context().get()) throw Failure(FailureKind::kDevice, "the plan belongs to another device");
  return plan;
}

// (device, plan, times, buffer or null): a promise of [nanoseconds, the buffer's bytes or null]
Napi::Value run_plan(const Napi::CallbackInfo& info) {
  std::optional<BufferRef> source;
  if (!info[3].IsNull() && !info[3].IsUndefined()) source = buffer_argument(info[3]);
  if (source && source->bytes > 4096) throw Failure(FailureKind::kRange, "a run can read at most 4096 bytes");
  auto job = std::make_unique<RunJob>(info.Env(), finished_plan(info), to_size(info[2], "times"), std::move(source));
  return gpu_argument(info)->submit(info.Env(), std::move(job));
}

// (device, plan): a promise of nanoseconds per step
Napi::Value profile_plan(const Napi::CallbackInfo& info) {
  return gpu_argument(info)->submit(info.Env(), std::make_unique<ProfileJob>(info.Env(), finished_plan(info)));
}

}  // namespace

void add_gpu_plan_functions(Napi::Object exports) {
  add_function<load_module>(exports, "gpuLoadModule");
  add_function<module_text>(exports, "gpuModuleText");
  add_function<make_kernel>(exports, "gpuKernel");
  add_function<create_plan>(exports, "gpuCreatePlan");
  add_function<add_step>(exports, "gpuAddStep");
  add_function<finish_plan>(exports, "gpuFinishPlan");
  add_function<run_plan>(exports, "gpuRunPlan");
  add_function<profile_plan>(exports, "gpuProfilePlan");
}

}  // namespace griffin::cuda

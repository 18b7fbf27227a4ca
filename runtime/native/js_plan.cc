// Kernels, launch geometry, plans.
#include <cstring>
#include <optional>

#include "js_common.h"
#include "js_device.h"
#include "spin.h"

namespace griffin {
namespace {

// (path, symbols): [kernel, id, phases, scratchBytes] for each
Napi::Value load_kernels(const Napi::CallbackInfo& info) {
  const Napi::Array symbols = to_array(info[1], "symbols");
  const auto module = Module::open(to_text(info[0], "path"));
  Napi::Array result = Napi::Array::New(info.Env(), symbols.Length());
  for (uint32_t i = 0; i < symbols.Length(); i++) {
    const gk_kernel* entry = module->find(to_text(symbols.Get(i), "symbol"));
    Napi::Array one = Napi::Array::New(info.Env(), 4);
    one.Set(0u, wrap(info.Env(), std::make_shared<Kernel>(Kernel{module, entry})));
    one.Set(1u, entry->id);
    one.Set(2u, static_cast<double>(entry->phases));
    one.Set(3u, static_cast<double>(entry->scratch_bytes));
    result.Set(i, one);
  }
  return result;
}

struct Recorded {
  Arguments arguments;
  std::vector<int64_t> largest;
};

// Five arrays: buffers (handle or null), ints, dynamic ints (position, buffer, index, …), largest ints (position, value, …), floats.
Recorded to_arguments(const Napi::CallbackInfo& info, size_t first) {
  Recorded recorded;
  Arguments& arguments = recorded.arguments;
  const Napi::Array buffers = to_array(info[first], "buffers"), ints = to_array(info[first + 1], "ints");
  const Napi::Array dynamic = to_array(info[first + 2], "dynamic ints"), largest = to_array(info[first + 3], "largest ints");
  const Napi::Array floats = to_array(info[first + 4], "floats");
  for (uint32_t i = 0; i < buffers.Length(); i++) {
    const Napi::Value value = buffers.Get(i);
    if (value.IsNull()) {
      arguments.buffers.push_back(nullptr);
      continue;
    }
    const BufferRef& buffer = *unwrap<BufferRef>(value, "buffer");
    arguments.buffers.push_back(buffer.data());
    arguments.memory.push_back(buffer.memory);
  }
  for (uint32_t i = 0; i < ints.Length(); i++) arguments.ints.push_back(to_int(ints.Get(i), "int argument"));
  for (uint32_t i = 0; i < floats.Length(); i++) arguments.floats.push_back(floats.Get(i).ToNumber().FloatValue());
  for (uint32_t i = 0; i + 2 < dynamic.Length(); i += 3) {
    const uint64_t position = to_size(dynamic.Get(i), "position");
    const BufferRef& buffer = *unwrap<BufferRef>(dynamic.Get(i + 1), "buffer");
    const uint64_t index = to_size(dynamic.Get(i + 2), "index");
    if (position >= arguments.ints.size()) throw Failure(FailureKind::kRange, "dynamic int at a position past the ints");
    if (index >= buffer.bytes / 4) throw Failure(FailureKind::kRange, "dynamic int at an index outside its buffer");
    arguments.dynamic.push_back({static_cast<uint32_t>(position), buffer.data() + 4 * index});
    arguments.memory.push_back(buffer.memory);
  }
  arguments.read_dynamic();
  recorded.largest = arguments.ints;
  for (uint32_t i = 0; i + 1 < largest.Length(); i += 2) {
    const uint64_t position = to_size(largest.Get(i), "position");
    if (position >= arguments.ints.size()) throw Failure(FailureKind::kRange, "largest int at a position past the ints");
    recorded.largest[position] = to_int(largest.Get(i + 1), "largest int");
  }
  return recorded;
}

// (kernel, five arrays): [workspace bytes, units of each phase…]
Napi::Value geometry(const Napi::CallbackInfo& info) {
  const auto& kernel = unwrap<Kernel>(info[0], "kernel");
  const Recorded recorded = to_arguments(info, 1);
  const gk_args args = recorded.arguments.view(nullptr);
  Napi::Array result = Napi::Array::New(info.Env());
  result.Set(0u, static_cast<double>(kernel->entry->workspace_bytes(&args)));
  for (uint32_t phase = 0; phase < kernel->entry->phases; phase++)
    result.Set(phase + 1, static_cast<double>(kernel->entry->units(&args, phase)));
  return result;
}

// (label): plan
Napi::Value create_plan(const Napi::CallbackInfo& info) {
  return wrap(info.Env(), std::make_shared<Plan>(to_text(info[0], "label")));
}

// (plan, kernel, label, five arrays)
Napi::Value add_step(const Napi::CallbackInfo& info) {
  const auto& plan = unwrap<Plan>(info[0], "plan");
  const auto& kernel = unwrap<Kernel>(info[1], "kernel");
  Recorded recorded = to_arguments(info, 3);
  plan->add(Step{*kernel, std::move(recorded.arguments), to_text(info[2], "label")}, recorded.largest);
  return info.Env().Undefined();
}

// (device, plan)
Napi::Value finish_plan(const Napi::CallbackInfo& info) {
  unwrap<Plan>(info[1], "plan")->finish(unwrap<JsDevice>(info[0], "device")->device().bytes());
  return info.Env().Undefined();
}

class RunJob : public JsJob {
 public:
  RunJob(Napi::Env env, std::shared_ptr<Plan> plan, uint64_t times, std::optional<BufferRef> source)
      : JsJob(env), plan_(std::move(plan)), times_(times), source_(std::move(source)) {}
  void execute(Device& device) override {
    const uint64_t start = now_ns();
    for (uint64_t i = 0; i < times_; i++) plan_->execute(device, nullptr);
    elapsed_ns_ = now_ns() - start;
    device.worked_ns.fetch_add(elapsed_ns_);
    // Taken here and not when the promise is settled: the next run may be under way by then.
    if (source_) read_.assign(source_->data(), source_->data() + source_->bytes);
  }
  Napi::Value result(Napi::Env env) override {
    Napi::Array result = Napi::Array::New(env, 2);
    result.Set(0u, static_cast<double>(elapsed_ns_));
    result.Set(1u, env.Null());
    if (!source_) return result;
    Napi::Uint8Array bytes = Napi::Uint8Array::New(env, read_.size());
    if (!read_.empty()) std::memcpy(bytes.Data(), read_.data(), read_.size());
    result.Set(1u, bytes);
    return result;
  }

 private:
  std::shared_ptr<Plan> plan_;
  uint64_t times_;
  std::optional<BufferRef> source_;
  std::vector<uint8_t> read_;
  uint64_t elapsed_ns_ = 0;
};

class ProfileJob : public JsJob {
 public:
  ProfileJob(Napi::Env env, std::shared_ptr<Plan> plan) : JsJob(env), plan_(std::move(plan)) {}
  void execute(Device& device) override {
    plan_->execute(device, &step_ns_);
    for (const uint64_t ns : step_ns_) device.worked_ns.fetch_add(ns);
  }
  Napi::Value result(Napi::Env env) override {
    Napi::Array list = Napi::Array::New(env, step_ns_.size());
    for (uint32_t i = 0; i < step_ns_.size(); i++) list.Set(i, static_cast<double>(step_ns_[i]));
    return list;
  }

 private:
  std::shared_ptr<Plan> plan_;
  std::vector<uint64_t> step_ns_;
};

const std::shared_ptr<Plan>& finished_plan(const Napi::Value& value) {
  const auto& plan = unwrap<Plan>(value, "plan");
  if (!plan->finished()) throw Failure(FailureKind::kDevice, "the plan is still being recorded");
  return plan;
}

// (device, plan, times, buffer or null): a promise of [nanoseconds, the buffer's bytes after the last replay or null]
Napi::Value run_plan(const Napi::CallbackInfo& info) {
  const auto& device = unwrap<JsDevice>(info[0], "device");
  std::optional<BufferRef> source;
  if (!info[3].IsNull() && !info[3].IsUndefined()) source = *unwrap<BufferRef>(info[3], "buffer");
  return device->submit(info.Env(),
                        std::make_unique<RunJob>(info.Env(), finished_plan(info[1]), to_size(info[2], "times"), std::move(source)));
}

// (device, plan): a promise of nanoseconds per step
Napi::Value profile_plan(const Napi::CallbackInfo& info) {
  const auto& device = unwrap<JsDevice>(info[0], "device");
  return device->submit(info.Env(), std::make_unique<ProfileJob>(info.Env(), finished_plan(info[1])));
}

}  // namespace

void add_plan_functions(Napi::Object exports) {
  add_function<load_kernels>(exports, "loadKernels");
  add_function<geometry>(exports, "geometry");
  add_function<create_plan>(exports, "createPlan");
  add_function<add_step>(exports, "addStep");
  add_function<finish_plan>(exports, "finishPlan");
  add_function<run_plan>(exports, "runPlan");
  add_function<profile_plan>(exports, "profilePlan");
}

}  // namespace griffin

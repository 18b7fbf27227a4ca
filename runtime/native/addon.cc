// The addon's entry: identity of the processor, and the functions of each js_*.cc. JavaScript validates arguments and words errors
// (runtime/device/); everything that could touch memory is checked once more here.
#include <napi.h>

#include "cpu_info.h"
#include "cpu_limits.h"
#include "cuda/js_gpu.h"
#include "js_common.h"
#include "memory_info.h"
#include "nvrtc/js_nvrtc.h"

namespace griffin {
namespace {

Napi::Value cpu_info(const Napi::CallbackInfo& info) {
  const CpuInfo cpu = read_cpu_info();
  Napi::Object result = Napi::Object::New(info.Env());
  Napi::Array isas = Napi::Array::New(info.Env());
  for (uint32_t i = 0; i < cpu.isas.size(); i++) isas.Set(i, cpu.isas[i]);
  result.Set("name", cpu.name);
  result.Set("key", cpu.key);
  result.Set("isas", isas);
  result.Set("cores", static_cast<double>(usable_cores()));
  result.Set("l1dBytes", static_cast<double>(cpu.l1d_bytes));
  result.Set("l2Bytes", static_cast<double>(cpu.l2_bytes));
  result.Set("l3Bytes", static_cast<double>(cpu.l3_bytes));
  result.Set("memoryBytes", static_cast<double>(read_memory_info().total_bytes));
  return result;
}

template <class T>
bool release_as(const Napi::Value& value) {
  Handle<T>* handle = handle_of<T>(value);
  if (handle != nullptr) handle->value.reset();
  return handle != nullptr;
}

// Lets go of what a handle stands for. Views, plans and queued work that use it keep it alive.
Napi::Value release(const Napi::CallbackInfo& info) {
  if (!release_as<BufferRef>(info[0]) && !release_as<MappedFile>(info[0]) && !release_as<Plan>(info[0]) && !cuda::release(info[0]))
    throw Failure(FailureKind::kDevice, "expected a buffer, a mapped file or a plan");
  return info.Env().Undefined();
}

Napi::Object initialise(Napi::Env, Napi::Object exports) {
  add_function<cpu_info>(exports, "cpuInfo");
  add_function<release>(exports, "release");
  add_device_functions(exports);
  add_buffer_functions(exports);
  add_load_functions(exports);
  add_plan_functions(exports);
  cuda::add_gpu_functions(exports);
  add_nvrtc_functions(exports);
  return exports;
}

}  // namespace
}  // namespace griffin

static Napi::Object Init(Napi::Env env, Napi::Object exports) { return griffin::initialise(env, exports); }
NODE_API_MODULE(griffin, Init)

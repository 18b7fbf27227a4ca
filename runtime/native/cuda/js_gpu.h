// A GPU as one JavaScript environment holds it, with the bridge that brings finished work back to the event loop.
#ifndef GRIFFIN_CUDA_JS_GPU_H
#define GRIFFIN_CUDA_JS_GPU_H
#include <napi.h>

#include <memory>

#include "../js_common.h"
#include "device_memory.h"
#include "gpu.h"
#include "nvml.h"

namespace griffin::cuda {

class JsGpu;
struct LaunchShape;

// Work with a promise.
class JsGpuJob : public Job {
 public:
  JsGpuJob(Napi::Env env, std::string what) : Job(std::move(what)), deferred(Napi::Promise::Deferred::New(env)) {}
  void finished() override;
  // On the event loop, after it succeeded: the promise's value.
  virtual Napi::Value result(Napi::Env env) = 0;
  // On the event loop, for each value given to JsGpu::report.
  virtual void progress(Napi::Env, uint64_t) {}

  Napi::Promise::Deferred deferred;
  std::shared_ptr<JsGpu> owner;  // the device outlives its work
};

class JsGpu : public std::enable_shared_from_this<JsGpu> {
 public:
  static std::shared_ptr<JsGpu> open(Napi::Env env, const GpuOptions& options);
  ~JsGpu();

  Gpu& gpu() { return *gpu_; }
  Napi::Value submit(Napi::Env env, std::unique_ptr<JsGpuJob> job);
  Napi::Value dispose(Napi::Env env);
  // From the dispatcher thread.
  void report(JsGpuJob* job, uint64_t value) { send({job, false, value}); }
  void finish(JsGpuJob* job) { send({job, true, 0}); }

  std::unique_ptr<Nvml> nvml;
  bool nvml_tried = false;

 private:
  struct Message {
    JsGpuJob* job;
    bool settled;
    uint64_t value;
  };
  explicit JsGpu(Napi::Env env) : env_(env) {}
  void send(Message message);
  void hold();
  void let_go();
  static void receive(napi_env env, napi_value, void*, void* data);
  static void settle(Napi::Env env, JsGpuJob* job);
  static void on_environment_end(void* self);

  Napi::Env env_;
  napi_threadsafe_function bridge_ = nullptr;
  bool environment_ended_ = false;
  unsigned pending_ = 0;
  std::unique_ptr<Gpu> gpu_;
};

inline const std::shared_ptr<JsGpu>& gpu_argument(const Napi::CallbackInfo& info, size_t index = 0) { return unwrap<JsGpu>(info[index], "GPU device"); }
inline const BufferRef& buffer_argument(const Napi::Value& value) { return *unwrap<BufferRef>(value, "GPU buffer"); }

// A buffer, plan or module that its handle lets go of; false for any other handle.
bool release(const Napi::Value& value);

// Seven numbers each: phase, grid x, y, z, threads, dynamic shared bytes, cluster.
std::vector<LaunchShape> launches_argument(const Napi::Value& value);

void add_gpu_functions(Napi::Object exports);
void add_gpu_blas_functions(Napi::Object exports);
void add_gpu_buffer_functions(Napi::Object exports);
void add_gpu_plan_functions(Napi::Object exports);
void add_gpu_load_functions(Napi::Object exports);

}  // namespace griffin::cuda

#endif

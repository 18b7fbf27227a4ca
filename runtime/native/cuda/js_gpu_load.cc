// Load operations and random contents on a GPU.
#include "gpu_load.h"
#include "js_gpu.h"

namespace griffin::cuda {
namespace {

ElementType to_element_type(const Napi::Value& value) {
  const std::string name = to_text(value, "type");
  if (name == "f32") return ElementType::kF32;
  if (name == "f16") return ElementType::kF16;
  if (name == "bf16") return ElementType::kBf16;
  throw Failure(FailureKind::kRange, "unknown element type " + name);
}

GpuLoadOp to_load_op(const Napi::Object& object) {
  GpuLoadOp op;
  op.source = unwrap<MappedFile>(object.Get("source"), "mapped file");
  op.source_offset = to_size(object.Get("sourceOffset"), "sourceOffset");
  op.type = to_element_type(object.Get("type"));
  op.rows = to_size(object.Get("rows"), "rows");
  op.cols = to_size(object.Get("cols"), "cols");
  op.target = buffer_argument(object.Get("target"));
  op.target_offset = to_size(object.Get("targetOffset"), "targetOffset");
  op.target_stride = to_size(object.Get("targetStride"), "targetStride");
  op.transpose = object.Get("transpose").ToBoolean();
  op.to_f32 = object.Get("toF32").ToBoolean();
  const Napi::Value turn = object.Get("turn");
  if (turn.IsObject()) {
    const Napi::Object given = turn.As<Napi::Object>();
    op.turn = DeviceTransposition{unwrap<GpuPlan>(given.Get("plan"), "GPU plan"), to_size(given.Get("firstStep"), "firstStep"),
                                  to_size(given.Get("chunkRows"), "chunkRows"), buffer_argument(given.Get("temporary"))};
  }
  return op;
}

class LoadJob : public JsGpuJob {
 public:
  LoadJob(Napi::Env env, std::vector<GpuLoadOp> ops, const Napi::Value& on_progress) : JsGpuJob(env, "loading"), ops_(std::move(ops)) {
    if (on_progress.IsFunction()) on_progress_ = Napi::Persistent(on_progress.As<Napi::Function>());
  }
  void issue(Gpu& gpu) override {
    const bool wanted = !on_progress_.IsEmpty();
    run_load_ops(gpu, ops_, what, [&](uint64_t done) {
      if (wanted) owner->report(this, done);
    });
  }
  void progress(Napi::Env env, uint64_t done) override { on_progress_.Call({Napi::Number::New(env, static_cast<double>(done))}); }
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

 private:
  std::vector<GpuLoadOp> ops_;
  Napi::FunctionReference on_progress_;
};

// (device, operations, onProgress): a promise
Napi::Value load(const Napi::CallbackInfo& info) {
  const Napi::Array list = to_array(info[1], "operations");
  std::vector<GpuLoadOp> ops;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::HandleScope scope(info.Env());
    ops.push_back(to_load_op(list.Get(i).ToObject()));
  }
  check_load_ops(ops);
  return gpu_argument(info)->submit(info.Env(), std::make_unique<LoadJob>(info.Env(), std::move(ops), info[2]));
}

class FillJob : public JsGpuJob {
 public:
  FillJob(Napi::Env env, BufferRef target, ElementType type, uint64_t seed, float scale)
      : JsGpuJob(env, "filling " + target.label), target_(std::move(target)), type_(type), seed_(seed), scale_(scale) {}
  void issue(Gpu& gpu) override { run_fill_random(gpu, target_, type_, seed_, scale_, what); }
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

 private:
  BufferRef target_;
  ElementType type_;
  uint64_t seed_;
  float scale_;
};

// (device, buffer, type, seed, scale): a promise
Napi::Value fill_random_values(const Napi::CallbackInfo& info) {
  const float scale = info[4].ToNumber().FloatValue();
  auto job = std::make_unique<FillJob>(info.Env(), buffer_argument(info[1]), to_element_type(info[2]), to_size(info[3], "seed"), scale);
  return gpu_argument(info)->submit(info.Env(), std::move(job));
}

}  // namespace

void add_gpu_load_functions(Napi::Object exports) {
  add_function<load>(exports, "gpuLoad");
  add_function<fill_random_values>(exports, "gpuFillRandom");
}

}  // namespace griffin::cuda

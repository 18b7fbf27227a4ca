// Mapped files, load operations, random contents.
#include "fill_random.h"
#include "js_common.h"
#include "js_device.h"
#include "load_ops.h"

namespace griffin {
namespace {

ElementType to_element_type(const Napi::Value& value) {
  const std::string name = to_text(value, "type");
  if (name == "f32") return ElementType::kF32;
  if (name == "f16") return ElementType::kF16;
  if (name == "bf16") return ElementType::kBf16;
  throw Failure(FailureKind::kRange, "unknown element type " + name);
}

// (path): [file, bytes]
Napi::Value map_file(const Napi::CallbackInfo& info) {
  auto file = MappedFile::open(to_text(info[0], "path"));
  Napi::Array result = Napi::Array::New(info.Env(), 2);
  result.Set(1u, static_cast<double>(file->bytes()));
  result.Set(0u, wrap(info.Env(), std::move(file)));
  return result;
}

// (file, offset, target)
Napi::Value read_mapped(const Napi::CallbackInfo& info) {
  const auto& file = unwrap<MappedFile>(info[0], "mapped file");
  const uint64_t offset = to_size(info[1], "byteOffset");
  if (!info[2].IsTypedArray()) throw Failure(FailureKind::kRange, "expected a Uint8Array");
  Napi::Uint8Array target = info[2].As<Napi::Uint8Array>();
  check_window(offset, target.ByteLength(), file->bytes(), "read outside the file");
  file->read(offset, target.ByteLength(), target.Data());
  return info.Env().Undefined();
}

LoadOp to_load_op(const Napi::Object& object) {
  LoadOp op;
  op.source = unwrap<MappedFile>(object.Get("source"), "mapped file");
  op.source_offset = to_size(object.Get("sourceOffset"), "sourceOffset");
  op.type = to_element_type(object.Get("type"));
  op.rows = to_size(object.Get("rows"), "rows");
  op.cols = to_size(object.Get("cols"), "cols");
  const BufferRef& target = *unwrap<BufferRef>(object.Get("target"), "buffer");
  op.target = target.memory;
  op.target_begin = target.offset;
  op.target_bytes = target.bytes;
  op.target_offset = to_size(object.Get("targetOffset"), "targetOffset");
  op.target_stride = to_size(object.Get("targetStride"), "targetStride");
  op.transpose = object.Get("transpose").ToBoolean();
  op.to_f32 = object.Get("toF32").ToBoolean();
  return op;
}

class LoadJob : public JsJob {
 public:
  LoadJob(Napi::Env env, std::vector<LoadOp> ops, const Napi::Value& on_progress) : JsJob(env), ops_(std::move(ops)) {
    if (on_progress.IsFunction()) on_progress_ = Napi::Persistent(on_progress.As<Napi::Function>());
  }
  void execute(Device& device) override {
    const bool wanted = !on_progress_.IsEmpty();
    run_load_ops(device, ops_, [&](uint64_t done) {
      if (wanted) owner->report(this, done);
    });
  }
  void progress(Napi::Env env, uint64_t done) override { on_progress_.Call({Napi::Number::New(env, static_cast<double>(done))}); }
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

 private:
  std::vector<LoadOp> ops_;
  Napi::FunctionReference on_progress_;
};

// (device, operations, onProgress): a promise
Napi::Value load(const Napi::CallbackInfo& info) {
  const auto& device = unwrap<JsDevice>(info[0], "device");
  const Napi::Array list = to_array(info[1], "operations");
  std::vector<LoadOp> ops;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::HandleScope scope(info.Env());
    ops.push_back(to_load_op(list.Get(i).ToObject()));
  }
  check_load_ops(ops);
  return device->submit(info.Env(), std::make_unique<LoadJob>(info.Env(), std::move(ops), info[2]));
}

class FillJob : public JsJob {
 public:
  FillJob(Napi::Env env, BufferRef target, ElementType type, uint64_t seed, float scale)
      : JsJob(env), target_(std::move(target)), type_(type), seed_(seed), scale_(scale) {}
  void execute(Device& device) override { fill_random(device, target_.data(), target_.bytes, type_, seed_, scale_); }
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

 private:
  BufferRef target_;
  ElementType type_;
  uint64_t seed_;
  float scale_;
};

// (device, buffer, type, seed, scale): a promise
Napi::Value fill_random_values(const Napi::CallbackInfo& info) {
  const auto& device = unwrap<JsDevice>(info[0], "device");
  const BufferRef& target = *unwrap<BufferRef>(info[1], "buffer");
  const float scale = info[4].ToNumber().FloatValue();
  return device->submit(info.Env(), std::make_unique<FillJob>(info.Env(), target, to_element_type(info[2]), to_size(info[3], "seed"), scale));
}

}  // namespace

void add_load_functions(Napi::Object exports) {
  add_function<map_file>(exports, "mapFile");
  add_function<read_mapped>(exports, "readMapped");
  add_function<load>(exports, "load");
  add_function<fill_random_values>(exports, "fillRandom");
}

}  // namespace griffin

// Buffers of a GPU: allocation, views, host copies, canaries.
#include <vector>

#include "js_gpu.h"

namespace griffin::cuda {
namespace {

Napi::Uint8Array bytes_argument(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    throw Failure(FailureKind::kRange, "expected a Uint8Array");
  return value.As<Napi::Uint8Array>();
}

// (device, bytes, guarded, label)
Napi::Value allocate(const Napi::CallbackInfo& info) {
  Gpu& gpu = gpu_argument(info)->gpu();
  const uint64_t bytes = to_size(info[1], "byteLength");
  const std::string label = to_text(info[3], "label");
  auto memory = DeviceMemory::allocate(gpu, bytes, info[2].ToBoolean(), DeviceMemory::Contents::kZero, label);
  return wrap(info.Env(), std::make_shared<BufferRef>(BufferRef{std::move(memory), 0, bytes, label}));
}

// (buffer, offset, bytes)
Napi::Value view(const Napi::CallbackInfo& info) {
  const BufferRef& parent = buffer_argument(info[0]);
  const uint64_t offset = to_size(info[1], "byteOffset"), bytes = to_size(info[2], "byteLength");
  check_window(offset, bytes, parent.bytes, "view outside its buffer");
  if (offset % 4 != 0) throw Failure(FailureKind::kRange, "a view must start at a multiple of 4 bytes");
  return wrap(info.Env(), std::make_shared<BufferRef>(BufferRef{parent.memory, parent.offset + offset, bytes, parent.label}));
}

// (device, buffer, offset, source)
Napi::Value write(const Napi::CallbackInfo& info) {
  const BufferRef& target = buffer_argument(info[1]);
  const uint64_t offset = to_size(info[2], "byteOffset");
  const Napi::Uint8Array source = bytes_argument(info[3]);
  check_window(offset, source.ByteLength(), target.bytes, "write outside the buffer");
  write_memory(gpu_argument(info)->gpu(), *target.memory, target.address() + offset, source.Data(), source.ByteLength(), target.label);
  return info.Env().Undefined();
}

// (device, buffer, offset, target)
Napi::Value read(const Napi::CallbackInfo& info) {
  const BufferRef& source = buffer_argument(info[1]);
  const uint64_t offset = to_size(info[2], "byteOffset");
  Napi::Uint8Array target = bytes_argument(info[3]);
  check_window(offset, target.ByteLength(), source.bytes, "read outside the buffer");
  read_memory(gpu_argument(info)->gpu(), source.address() + offset, target.Data(), target.ByteLength(), source.label);
  return info.Env().Undefined();
}

// (device, buffer, byte)
Napi::Value fill(const Napi::CallbackInfo& info) {
  const BufferRef& target = buffer_argument(info[1]);
  const auto byte = static_cast<uint8_t>(to_size(info[2], "byte") & 0xff);
  fill_memory(gpu_argument(info)->gpu(), *target.memory, target.address(), byte, target.bytes, target.label);
  return info.Env().Undefined();
}

// (device, buffer): [before, after], offsets or null
Napi::Value canaries(const Napi::CallbackInfo& info) {
  Gpu& gpu = gpu_argument(info)->gpu();
  const BufferRef& source = buffer_argument(info[1]);
  Napi::Array result = Napi::Array::New(info.Env(), 2);
  result.Set(0u, info.Env().Null());
  result.Set(1u, info.Env().Null());
  gpu.check_running();
  if (!source.memory->guarded()) return result;
  std::vector<uint8_t> before(source.memory->margin()), after(source.memory->margin());
  read_memory(gpu, source.memory->before(), before.data(), before.size(), source.label + " canaries");
  read_memory(gpu, source.memory->after(), after.data(), after.size(), source.label + " canaries");
  const DeviceMemory::Damage damage = source.memory->damage(before.data(), after.data());
  const auto offset = static_cast<int64_t>(source.offset);
  if (damage.before) result.Set(0u, static_cast<double>(damage.before_offset - offset));
  if (damage.after) result.Set(1u, static_cast<double>(damage.after_offset - offset));
  return result;
}

}  // namespace

void add_gpu_buffer_functions(Napi::Object exports) {
  add_function<allocate>(exports, "gpuAllocate");
  add_function<view>(exports, "gpuView");
  add_function<write>(exports, "gpuWrite");
  add_function<read>(exports, "gpuRead");
  add_function<fill>(exports, "gpuFill");
  add_function<canaries>(exports, "gpuCanaries");
}

}  // namespace griffin::cuda

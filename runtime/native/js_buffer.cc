// Buffers: allocation, views, host copies, canaries.
#include <cstring>

#include "js_common.h"
#include "js_device.h"

namespace griffin {
namespace {

const BufferRef& buffer(const Napi::CallbackInfo& info) { return *unwrap<BufferRef>(info[0], "buffer"); }

Napi::Uint8Array bytes_argument(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    throw Failure(FailureKind::kRange, "expected a Uint8Array");
  return value.As<Napi::Uint8Array>();
}

// (device, bytes, guarded, label)
Napi::Value allocate(const Napi::CallbackInfo& info) {
  const auto& device = unwrap<JsDevice>(info[0], "device");
  device->device().check_running();
  const uint64_t bytes = to_size(info[1], "byteLength");
  auto memory = Memory::allocate(bytes, info[2].ToBoolean(), to_text(info[3], "label"), device->device().bytes());
  return wrap(info.Env(), std::make_shared<BufferRef>(BufferRef{std::move(memory), 0, bytes}));
}

// (buffer, offset, bytes)
Napi::Value view(const Napi::CallbackInfo& info) {
  const BufferRef& parent = buffer(info);
  const uint64_t offset = to_size(info[1], "byteOffset"), bytes = to_size(info[2], "byteLength");
  check_window(offset, bytes, parent.bytes, "view outside its buffer");
  if (offset % 4 != 0) throw Failure(FailureKind::kRange, "a view must start at a multiple of 4 bytes");
  return wrap(info.Env(), std::make_shared<BufferRef>(BufferRef{parent.memory, parent.offset + offset, bytes}));
}

// (buffer, offset, source)
Napi::Value write(const Napi::CallbackInfo& info) {
  const BufferRef& target = buffer(info);
  const uint64_t offset = to_size(info[1], "byteOffset");
  const Napi::Uint8Array source = bytes_argument(info[2]);
  check_window(offset, source.ByteLength(), target.bytes, "write outside the buffer");
  if (source.ByteLength() > 0) std::memcpy(target.data() + offset, source.Data(), source.ByteLength());
  return info.Env().Undefined();
}

// (buffer, offset, target)
Napi::Value read(const Napi::CallbackInfo& info) {
  const BufferRef& source = buffer(info);
  const uint64_t offset = to_size(info[1], "byteOffset");
  Napi::Uint8Array target = bytes_argument(info[2]);
  check_window(offset, target.ByteLength(), source.bytes, "read outside the buffer");
  if (target.ByteLength() > 0) std::memcpy(target.Data(), source.data() + offset, target.ByteLength());
  return info.Env().Undefined();
}

// (buffer, byte)
Napi::Value fill(const Napi::CallbackInfo& info) {
  const BufferRef& target = buffer(info);
  std::memset(target.data(), static_cast<int>(to_size(info[1], "byte") & 0xff), target.bytes);
  return info.Env().Undefined();
}

// (buffer): [before, after], offsets or null
Napi::Value canaries(const Napi::CallbackInfo& info) {
  const BufferRef& source = buffer(info);
  const Memory::Damage damage = source.memory->check_canaries();
  const auto offset = static_cast<int64_t>(source.offset);
  Napi::Array result = Napi::Array::New(info.Env(), 2);
  result.Set(0u, damage.before ? Napi::Number::New(info.Env(), static_cast<double>(damage.before_offset - offset)) : info.Env().Null());
  result.Set(1u, damage.after ? Napi::Number::New(info.Env(), static_cast<double>(damage.after_offset - offset)) : info.Env().Null());
  return result;
}

}  // namespace

void add_buffer_functions(Napi::Object exports) {
  add_function<allocate>(exports, "allocate");
  add_function<view>(exports, "view");
  add_function<write>(exports, "write");
  add_function<read>(exports, "read");
  add_function<fill>(exports, "fill");
  add_function<canaries>(exports, "canaries");
}

}  // namespace griffin

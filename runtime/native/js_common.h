// What the bindings share: handles to native objects, argument checks, errors.
#ifndef GRIFFIN_JS_COMMON_H
#define GRIFFIN_JS_COMMON_H
#include <napi.h>

#include <cmath>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "failure.h"
#include "mapped_file.h"
#include "memory.h"
#include "module.h"
#include "plan.h"

namespace griffin {

// A window of a memory, as JavaScript holds it.
struct BufferRef {
  std::shared_ptr<Memory> memory;
  uint64_t offset;
  uint64_t bytes;
  uint8_t* data() const { return memory->data() + offset; }
};

class JsDevice;

// What a JavaScript external points to. The tag tells kinds of handles apart, so that a mix-up is an error and not a wild pointer.
struct HandleHeader {
  const void* tag;
};
template <class T>
struct Handle : HandleHeader {
  static const char tag_address;
  std::shared_ptr<T> value;
};
template <class T>
const char Handle<T>::tag_address = 0;

template <class T>
Napi::Value wrap(Napi::Env env, std::shared_ptr<T> value) {
  auto* handle = new Handle<T>();
  handle->tag = &Handle<T>::tag_address;
  handle->value = std::move(value);
  return Napi::External<HandleHeader>::New(env, handle, [](Napi::Env, HandleHeader* header) { delete static_cast<Handle<T>*>(header); });
}

template <class T>
Handle<T>* handle_of(const Napi::Value& value) {
  if (!value.IsExternal()) return nullptr;
  auto* header = value.As<Napi::External<HandleHeader>>().Data();
  return header->tag == &Handle<T>::tag_address ? static_cast<Handle<T>*>(header) : nullptr;
}

template <class T>
const std::shared_ptr<T>& unwrap(const Napi::Value& value, const char* what) {
  Handle<T>* handle = handle_of<T>(value);
  if (handle == nullptr) throw Failure(FailureKind::kDevice, std::string("expected a ") + what);
  if (!handle->value) throw Failure(FailureKind::kDevice, std::string("this ") + what + " is disposed");
  return handle->value;
}

inline int64_t to_int(const Napi::Value& value, const char* what) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(std::trunc(number) == number && std::fabs(number) <= 9007199254740991.0))
    throw Failure(FailureKind::kRange, std::string(what) + " must be a safe integer");
  return static_cast<int64_t>(number);
}

inline uint64_t to_size(const Napi::Value& value, const char* what) {
  const int64_t number = to_int(value, what);
  if (number < 0) throw Failure(FailureKind::kRange, std::string(what) + " must not be negative");
  return static_cast<uint64_t>(number);
}

inline std::string to_text(const Napi::Value& value, const char* what) {
  if (!value.IsString()) throw Failure(FailureKind::kRange, std::string(what) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

inline Napi::Array to_array(const Napi::Value& value, const char* what) {
  if (!value.IsArray()) throw Failure(FailureKind::kRange, std::string(what) + " must be an array");
  return value.As<Napi::Array>();
}

// [offset, offset + length) must lie in [0, bytes).
inline void check_window(uint64_t offset, uint64_t length, uint64_t bytes, const char* what) {
  if (offset > bytes || length > bytes - offset)
    throw Failure(FailureKind::kRange, std::string(what) + ": bytes " + std::to_string(offset) + " to " + std::to_string(offset + length) +
                                           " of " + std::to_string(bytes));
}

inline Napi::Error to_error(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.what());
  error.Set("kind", Napi::String::New(env, name_of(failure.kind())));
  return error;
}

using Function = Napi::Value (*)(const Napi::CallbackInfo&);

// Every exported function goes through here, so that no C++ exception but Napi::Error reaches Node.
template <Function function>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return function(info);
  } catch (const Failure& failure) {
    throw to_error(info.Env(), failure);
  } catch (const std::bad_alloc&) {
    throw to_error(info.Env(), Failure(FailureKind::kDevice, "out of memory"));
  }
}

template <Function function>
void add_function(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<guarded<function>>(exports.Env(), name));
}

void add_device_functions(Napi::Object exports);
void add_buffer_functions(Napi::Object exports);
void add_load_functions(Napi::Object exports);
void add_plan_functions(Napi::Object exports);

}  // namespace griffin

#endif

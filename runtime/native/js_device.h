// A device as one JavaScript environment holds it, with the bridge that brings finished work back to the event loop.
#ifndef GRIFFIN_JS_DEVICE_H
#define GRIFFIN_JS_DEVICE_H
#include <napi.h>

#include <memory>

#include "device.h"

namespace griffin {

class JsDevice;

// Queued work with a promise.
class JsJob : public Job {
 public:
  explicit JsJob(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
  // On the event loop, after execute succeeded: the promise's value.
  virtual Napi::Value result(Napi::Env env) = 0;
  // On the event loop, for each value given to JsDevice::report.
  virtual void progress(Napi::Env, uint64_t) {}

  Napi::Promise::Deferred deferred;
  std::shared_ptr<JsDevice> owner;  // the device outlives its work
};

class JsDevice : public std::enable_shared_from_this<JsDevice> {
 public:
  static std::shared_ptr<JsDevice> open(Napi::Env env, unsigned threads, unsigned cores);
  ~JsDevice();

  Device& device() { return *device_; }
  Napi::Value submit(Napi::Env env, std::unique_ptr<JsJob> job);
  Napi::Value dispose(Napi::Env env);
  // From the dispatcher thread, while `job` executes.
  void report(JsJob* job, uint64_t value);

 private:
  struct Message {
    JsJob* job;
    bool settled;
    uint64_t value;
  };
  explicit JsDevice(Napi::Env env) : env_(env) {}
  void send(Message message);
  void hold();
  void let_go();
  static void receive(napi_env env, napi_value, void*, void* data);
  static void settle(Napi::Env env, JsJob* job);
  static void on_environment_end(void* self);

  Napi::Env env_;
  napi_threadsafe_function bridge_ = nullptr;
  bool environment_ended_ = false;
  unsigned pending_ = 0;
  std::unique_ptr<Device> device_;
};

}  // namespace griffin

#endif

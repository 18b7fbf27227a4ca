#include "js_device.h"

#include <system_error>

#include "cpu_limits.h"
#include "js_common.h"

namespace griffin {

std::shared_ptr<JsDevice> JsDevice::open(Napi::Env env, unsigned threads, unsigned cores) {
  std::shared_ptr<JsDevice> self(new JsDevice(env));
  napi_value name = Napi::String::New(env, "griffin device");
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, receive, &self->bridge_) != napi_ok)
    throw Failure(FailureKind::kDevice, "the bridge to the event loop cannot be created");
  // Only pending work keeps the process alive, an idle device does not.
  napi_unref_threadsafe_function(env, self->bridge_);
  try {
    JsDevice* raw = self.get();
    self->device_ = std::make_unique<Device>(threads, cores, [raw](Job* job) { raw->send({static_cast<JsJob*>(job), true, 0}); });
  } catch (const std::system_error& error) {
    throw Failure(FailureKind::kDevice, std::string("cannot start ") + std::to_string(threads) + " threads: " + error.what());
  }
  // Registered after the bridge, so it runs before the bridge goes away.
  napi_add_env_cleanup_hook(env, on_environment_end, self.get());
  return self;
}

JsDevice::~JsDevice() {
  device_.reset();
  if (environment_ended_) return;
  napi_remove_env_cleanup_hook(env_, on_environment_end, this);
  napi_release_threadsafe_function(bridge_, napi_tsfn_release);
}

void JsDevice::on_environment_end(void* context) {
  auto* self = static_cast<JsDevice*>(context);
  self->environment_ended_ = true;
  self->device_->stop(nullptr);
  self->device_->join();
}

void JsDevice::hold() {
  if (pending_++ == 0) napi_ref_threadsafe_function(env_, bridge_);
}

void JsDevice::let_go() {
  if (--pending_ == 0) napi_unref_threadsafe_function(env_, bridge_);
}

Napi::Value JsDevice::submit(Napi::Env, std::unique_ptr<JsJob> job) {
  Napi::Promise promise = job->deferred.Promise();
  job->owner = shared_from_this();
  device_->submit(std::move(job));
  hold();
  return promise;
}

namespace {

class DisposeJob : public JsJob {
 public:
  using JsJob::JsJob;
  void execute(Device&) override {}
  Napi::Value result(Napi::Env env) override {
    owner->device().join();  // the dispatcher is past its last job
    return env.Undefined();
  }
};

}  // namespace

Napi::Value JsDevice::dispose(Napi::Env env) {
  device_->check_running();
  auto job = std::make_unique<DisposeJob>(env);
  Napi::Promise promise = job->deferred.Promise();
  job->owner = shared_from_this();
  device_->stop(std::move(job));
  hold();
  return promise;
}

void JsDevice::report(JsJob* job, uint64_t value) { send({job, false, value}); }

void JsDevice::send(Message message) {
  auto* heap = new Message(message);
  if (napi_call_threadsafe_function(bridge_, heap, napi_tsfn_nonblocking) != napi_ok) delete heap;
}

void JsDevice::receive(napi_env raw, napi_value, void*, void* data) {
  const std::unique_ptr<Message> message(static_cast<Message*>(data));
  if (raw == nullptr) return;  // the environment is going away, nobody can be told
  const Napi::Env env(raw);
  const Napi::HandleScope scope(env);
  if (message->settled) settle(env, message->job);
  else message->job->progress(env, message->value);
}

void JsDevice::settle(Napi::Env env, JsJob* raw) {
  const std::unique_ptr<JsJob> job(raw);
  const std::shared_ptr<JsDevice> self = job->owner;
  self->let_go();
  if (job->failure) job->deferred.Reject(to_error(env, *job->failure).Value());
  else job->deferred.Resolve(job->result(env));
}

namespace {

Napi::Value open_device(const Napi::CallbackInfo& info) {
  const uint64_t threads = to_size(info[0], "threads");
  if (threads < 1 || threads > 256) throw Failure(FailureKind::kRange, "threads must be 1 to 256");
  return wrap(info.Env(), JsDevice::open(info.Env(), static_cast<unsigned>(threads), usable_cores()));
}

Napi::Value dispose_device(const Napi::CallbackInfo& info) { return unwrap<JsDevice>(info[0], "device")->dispose(info.Env()); }

Napi::Value clock_ns(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(unwrap<JsDevice>(info[0], "device")->device().worked_ns.load()));
}

Napi::Value allocated_bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(unwrap<JsDevice>(info[0], "device")->device().bytes()->load()));
}

}  // namespace

void add_device_functions(Napi::Object exports) {
  add_function<open_device>(exports, "openDevice");
  add_function<dispose_device>(exports, "disposeDevice");
  add_function<clock_ns>(exports, "clockNs");
  add_function<allocated_bytes>(exports, "allocatedBytes");
}

}  // namespace griffin

#include "js_gpu.h"

#include "gpu_plan.h"

namespace griffin::cuda {

void JsGpuJob::finished() { owner->finish(this); }

std::shared_ptr<JsGpu> JsGpu::open(Napi::Env env, const GpuOptions& options) {
  std::shared_ptr<JsGpu> self(new JsGpu(env));
  self->gpu_ = std::make_unique<Gpu>(options);
  napi_value name = Napi::String::New(env, "griffin gpu");
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, receive, &self->bridge_) != napi_ok)
    throw Failure(FailureKind::kDevice, "the bridge to the event loop cannot be created");
  // Only pending work keeps the process alive, an idle device does not.
  napi_unref_threadsafe_function(env, self->bridge_);
  // Registered after the bridge, so it runs before the bridge goes away.
  napi_add_env_cleanup_hook(env, on_environment_end, self.get());
  return self;
}

JsGpu::~JsGpu() {
  gpu_.reset();
  if (environment_ended_ || bridge_ == nullptr) return;
  napi_remove_env_cleanup_hook(env_, on_environment_end, this);
  napi_release_threadsafe_function(bridge_, napi_tsfn_release);
}

void JsGpu::on_environment_end(void* context) {
  auto* self = static_cast<JsGpu*>(context);
  self->environment_ended_ = true;
  self->gpu_->stop(nullptr);
  self->gpu_->join();
}

void JsGpu::hold() {
  if (pending_++ == 0) napi_ref_threadsafe_function(env_, bridge_);
}

void JsGpu::let_go() {
  if (--pending_ == 0) napi_unref_threadsafe_function(env_, bridge_);
}

Napi::Value JsGpu::submit(Napi::Env, std::unique_ptr<JsGpuJob> job) {
  Napi::Promise promise = job->deferred.Promise();
  job->owner = shared_from_this();
  gpu_->submit(std::move(job));
  hold();
  return promise;
}

namespace {

class DisposeJob : public JsGpuJob {
 public:
  explicit DisposeJob(Napi::Env env) : JsGpuJob(env, "disposing") {}
  void issue(Gpu&) override {}
  Napi::Value result(Napi::Env env) override {
    owner->gpu().join();  // the dispatcher is past its last job
    return env.Undefined();
  }
};

}  // namespace

Napi::Value JsGpu::dispose(Napi::Env env) {
  gpu_->require_running();
  auto job = std::make_unique<DisposeJob>(env);
  Napi::Promise promise = job->deferred.Promise();
  job->owner = shared_from_this();
  gpu_->stop(std::move(job));
  hold();
  return promise;
}

void JsGpu::send(Message message) {
  auto* heap = new Message(message);
  if (napi_call_threadsafe_function(bridge_, heap, napi_tsfn_nonblocking) != napi_ok) delete heap;
}

void JsGpu::receive(napi_env raw, napi_value, void*, void* data) {
  const std::unique_ptr<Message> message(static_cast<Message*>(data));
  if (raw == nullptr) return;  // the environment is going away, nobody can be told
  const Napi::Env env(raw);
  const Napi::HandleScope scope(env);
  if (message->settled) settle(env, message->job);
  else message->job->progress(env, message->value);
}

void JsGpu::settle(Napi::Env env, JsGpuJob* raw) {
  const std::unique_ptr<JsGpuJob> job(raw);
  const std::shared_ptr<JsGpu> self = job->owner;
  self->let_go();
  if (job->failure) job->deferred.Reject(to_error(env, *job->failure).Value());
  else job->deferred.Resolve(job->result(env));
}

namespace {

template <class T>
bool release_as(const Napi::Value& value) {
  Handle<T>* handle = handle_of<T>(value);
  if (handle != nullptr) handle->value.reset();
  return handle != nullptr;
}

// The attributes that make up a GPU's identity, by their name in JavaScript.
struct Named {
  const char* name;
  CUdevice_attribute attribute;
};
constexpr Named kAttributes[] = {
    {"multiprocessors", CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT},
    {"l2Bytes", CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE},
    {"clockKhz", CU_DEVICE_ATTRIBUTE_CLOCK_RATE},
    {"memoryClockKhz", CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE},
    {"busWidthBits", CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH},
    {"sharedOptin", CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN},
    {"sharedPerSm", CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR},
    {"sharedPerBlock", CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK},
    {"registersPerSm", CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR},
    {"threadsPerSm", CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR},
    {"blocksPerSm", CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR},
};

// (library, configuration): {missing: why} or {failed: why, driver} or {driver, devices}. Opens nothing.
Napi::Value probe(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  std::shared_ptr<Driver> driver;
  try {
    driver = Driver::open(to_text(info[0], "library"));
  } catch (const Failure& failure) {
    result.Set("missing", failure.what());
    return result;
  }
  const DriverApi& api = driver->api();
  const std::string configuration = to_text(info[1], "configuration");
  int version = 0, count = 0;
  CUresult status = CUDA_SUCCESS;
  if (!configuration.empty() && api.gkEmulatedConfigure != nullptr) status = api.gkEmulatedConfigure(configuration.c_str());
  if (status == CUDA_SUCCESS) status = api.cuInit(0);
  api.cuDriverGetVersion(&version);
  result.Set("driver", version);
  if (status == CUDA_ERROR_NO_DEVICE) status = CUDA_SUCCESS;
  else if (status == CUDA_SUCCESS) status = api.cuDeviceGetCount(&count);
  if (status != CUDA_SUCCESS) {
    result.Set("failed", driver->describe(status));
    return result;
  }
  Napi::Array devices = Napi::Array::New(info.Env());
  for (int index = 0; index < count; index++) {
    CUdevice device = 0;
    char name[256] = "";
    size_t memory = 0;
    driver->check(api.cuDeviceGet(&device, index), "opening GPU " + std::to_string(index));
    driver->check(api.cuDeviceGetName(name, sizeof name, device), "asking GPU " + std::to_string(index) + " for its name");
    driver->check(api.cuDeviceTotalMem_v2(&memory, device), "asking GPU " + std::to_string(index) + " for its memory");
    const auto attribute = [&](CUdevice_attribute which) {
      int value = 0;
      return api.cuDeviceGetAttribute(&value, which, device) == CUDA_SUCCESS ? value : 0;
    };
    Napi::Object one = Napi::Object::New(info.Env());
    one.Set("name", name);
    one.Set("memoryBytes", static_cast<double>(memory));
    one.Set("capability",
            10 * attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) + attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
    for (const Named& named : kAttributes) one.Set(named.name, attribute(named.attribute));
    devices.Set(static_cast<uint32_t>(index), one);
  }
  result.Set("devices", devices);
  return result;
}

// ({library, configuration, index, name, exactMemory, watchdogMs, graceMs}): device
Napi::Value open_device(const Napi::CallbackInfo& info) {
  const Napi::Object given = info[0].ToObject();
  GpuOptions options;
  options.context.library = to_text(given.Get("library"), "library");
  options.context.configuration = to_text(given.Get("configuration"), "configuration");
  options.context.index = static_cast<int>(to_size(given.Get("index"), "index"));
  options.context.name = to_text(given.Get("name"), "name");
  options.exact_memory = given.Get("exactMemory").ToBoolean();
  options.watchdog_ms = to_size(given.Get("watchdogMs"), "watchdogMs");
  options.grace_ms = to_size(given.Get("graceMs"), "graceMs");
  return wrap(info.Env(), JsGpu::open(info.Env(), options));
}

Napi::Value dispose_device(const Napi::CallbackInfo& info) { return gpu_argument(info)->dispose(info.Env()); }

Napi::Value clock_ns(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(gpu_argument(info)->gpu().worked_ns.load()));
}

Napi::Value allocated_bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(gpu_argument(info)->gpu().bytes()->load()));
}

Napi::Value reserved_bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(gpu_argument(info)->gpu().arena()->reserved_bytes()));
}

// (device, NVML library): [SM MHz, memory MHz, watts, degrees, reasons] with nulls, or null
Napi::Value sensors(const Napi::CallbackInfo& info) {
  JsGpu& device = *gpu_argument(info);
  if (!device.nvml_tried) {
    device.nvml_tried = true;
    device.nvml = Nvml::open(to_text(info[1], "library"), device.gpu().context()->bus_id());
  }
  if (!device.nvml) return info.Env().Null();
  const Sensors now = device.nvml->read();
  Napi::Array result = Napi::Array::New(info.Env(), 5);
  const auto number = [&](const std::optional<double>& value) -> Napi::Value {
    return value ? Napi::Value(Napi::Number::New(info.Env(), *value)) : info.Env().Null();
  };
  result.Set(0u, number(now.sm_clock_mhz));
  result.Set(1u, number(now.memory_clock_mhz));
  result.Set(2u, number(now.power_watt));
  result.Set(3u, number(now.temperature_celsius));
  Napi::Array reasons = Napi::Array::New(info.Env());
  for (uint32_t i = 0; i < now.throttle_reasons.size(); i++) reasons.Set(i, now.throttle_reasons[i]);
  result.Set(4u, reasons);
  return result;
}

// (library, fault): for tests with the emulated driver
Napi::Value inject(const Napi::CallbackInfo& info) {
  const auto driver = Driver::open(to_text(info[0], "library"));
  const std::string fault = to_text(info[1], "fault");
  if (driver->api().gkEmulatedInject == nullptr) throw Failure(FailureKind::kDevice, driver->path() + " is not the emulated driver");
  driver->check(driver->api().gkEmulatedInject(fault.c_str()), "injecting " + fault);
  return info.Env().Undefined();
}

// (library): what is alive in the emulated driver, and what it has done
Napi::Value statistics(const Napi::CallbackInfo& info) {
  const auto driver = Driver::open(to_text(info[0], "library"));
  if (driver->api().gkEmulatedStatistics == nullptr) throw Failure(FailureKind::kDevice, driver->path() + " is not the emulated driver");
  GkEmulatedStatistics now{};
  driver->check(driver->api().gkEmulatedStatistics(&now), "asking for statistics");
  Napi::Object result = Napi::Object::New(info.Env());
  const auto set = [&](const char* name, uint64_t value) { result.Set(name, static_cast<double>(value)); };
  set("contexts", now.contexts);
  set("allocations", now.allocations);
  set("allocatedBytes", now.allocatedBytes);
  set("hostAllocations", now.hostAllocations);
  set("streams", now.streams);
  set("events", now.events);
  set("modules", now.modules);
  set("graphs", now.graphs);
  set("graphExecs", now.graphExecs);
  set("mostAllocatedBytes", now.mostAllocatedBytes);
  set("launches", now.launches);
  set("graphLaunches", now.graphLaunches);
  set("copies", now.copies);
  set("memsets", now.memsets);
  set("faults", now.faults);
  return result;
}

}  // namespace

bool release(const Napi::Value& value) {
  return release_as<BufferRef>(value) || release_as<GpuPlan>(value) || release_as<GpuModule>(value);
}

void add_gpu_functions(Napi::Object exports) {
  add_function<probe>(exports, "gpuProbe");
  add_function<open_device>(exports, "gpuOpen");
  add_function<dispose_device>(exports, "gpuDispose");
  add_function<clock_ns>(exports, "gpuClockNs");
  add_function<allocated_bytes>(exports, "gpuAllocatedBytes");
  add_function<reserved_bytes>(exports, "gpuReservedBytes");
  add_function<sensors>(exports, "gpuSensors");
  add_function<inject>(exports, "gpuEmulatedInject");
  add_function<statistics>(exports, "gpuEmulatedStatistics");
  add_gpu_blas_functions(exports);
  add_gpu_buffer_functions(exports);
  add_gpu_plan_functions(exports);
  add_gpu_load_functions(exports);
}

}  // namespace griffin::cuda

#include "context.h"

#include <chrono>
#include <cstdlib>
#include <condition_variable>
#include <thread>

namespace griffin::cuda {
namespace {

// How long a hung context may take to go away before it is left behind.
constexpr auto kCloseLimit = std::chrono::seconds(5);

}  // namespace

Context::Context(const ContextOptions& options) : driver_(Driver::open(options.library)), name_(options.name) {
  const DriverApi& api = driver_->api();
  if (!options.configuration.empty() && api.gkEmulatedConfigure != nullptr)
    driver_->check(api.gkEmulatedConfigure(options.configuration.c_str()), name_ + ": configuring the emulated driver with " + options.configuration);
  driver_->check(api.cuInit(0), name_ + ": starting the driver");
  driver_->check(api.cuDriverGetVersion(&driver_version_), name_ + ": asking for the driver's version");
  driver_->check(api.cuDeviceGet(&device_, options.index), name_ + ": opening the GPU");
  capability_ = 10 * attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) + attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  driver_->check(api.cuDevicePrimaryCtxRetain(&context_, device_), name_ + ": creating a context");
  const Scope scope(*this);
  CUresult result = api.cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING);
  if (result == CUDA_SUCCESS) result = api.cuStreamCreate(&capture_, CU_STREAM_NON_BLOCKING);
  if (result == CUDA_SUCCESS) return;
  if (stream_ != nullptr) api.cuStreamDestroy_v2(stream_);
  const std::string why = driver_->describe(result);
  api.cuDevicePrimaryCtxRelease_v2(device_);
  throw Failure(FailureKind::kDevice, name_ + ": creating a stream: " + why);
}

int Context::attribute(CUdevice_attribute which) const {
  int value = 0;
  return api().cuDeviceGetAttribute(&value, which, device_) == CUDA_SUCCESS ? value : 0;
}

std::string Context::bus_id() const {
  char text[64] = "";
  return api().cuDeviceGetPCIBusId(text, sizeof text, device_) == CUDA_SUCCESS ? text : "";
}

Context::Scope::Scope(const Context& context) : context_(context) {
  if (context_.api().cuCtxGetCurrent(&previous_) != CUDA_SUCCESS) previous_ = nullptr;
  if (previous_ != context_.context_) context_.api().cuCtxSetCurrent(context_.context_);
}

Context::Scope::~Scope() {
  if (previous_ != context_.context_) context_.api().cuCtxSetCurrent(previous_);
}

void Context::enter() const { api().cuCtxSetCurrent(context_); }

Failure Context::failure_of(CUresult result, const std::string& doing) {
  std::string text = doing + ": " + driver_->describe(result);
  if (const std::string fault = driver_->last_fault(); !fault.empty()) {
    text += "\n" + fault;
    // The driver knows allocations by number, here they have names.
    if (const size_t at = fault.find("0x"); at != std::string::npos && locate)
      if (const std::string where = locate(std::strtoull(fault.c_str() + at, nullptr, 16)); !where.empty()) text += " = " + where;
  }
  if (is_fatal(result)) lose(text);
  return Failure(FailureKind::kDevice, text);
}

void Context::check(CUresult result, const std::string& doing) {
  if (result != CUDA_SUCCESS) throw failure_of(result, doing);
}

void Context::lose(const std::string& why) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (lost_) return;
  why_lost_ = why;
  lost_.store(true, std::memory_order_release);
}

void Context::require_usable() {
  if (closed()) throw Failure(FailureKind::kDevice, "the device " + name_ + " is disposed");
  if (!lost()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  throw Failure(FailureKind::kDevice, "the device " + name_ + " is lost, dispose it and open it again; it failed with: " + why_lost_);
}

void Context::bury(std::function<void(const DriverApi&)> last_rites) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    dead_.push_back(std::move(last_rites));
    mourning_.store(true);
  }
  if (wake) wake();
}

void Context::hold_funerals() {
  std::vector<std::function<void(const DriverApi&)>> dead;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    dead.swap(dead_);
    mourning_.store(false);
  }
  if (hung()) return;
  const Scope scope(*this);
  for (const auto& last_rites : dead) last_rites(api());
}

void Context::adopt(CUgraphExec graph) {
  const std::lock_guard<std::mutex> lock(mutex_);
  graphs_.insert(graph);
}

void Context::drop(CUgraphExec graph) {
  bury([this, graph](const DriverApi& api) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (graphs_.erase(graph) == 0) return;
    }
    api.cuGraphExecDestroy(graph);
  });
}

bool Context::close() {
  hold_funerals();
  if (closed_.exchange(true)) return true;
  const DriverApi* api = &driver_->api();
  if (!hung()) {
    const Scope scope(*this);
    api->cuStreamDestroy_v2(stream_);
    api->cuStreamDestroy_v2(capture_);
  }
  struct Outcome {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
  };
  const auto outcome = std::make_shared<Outcome>();
  std::unordered_set<CUgraphExec> graphs;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    graphs.swap(graphs_);
  }
  // On a thread of its own: a driver may wait for ever for a kernel that never ends, and whoever disposes a device must not.
  std::thread([api, outcome, graphs, context = context_, device = device_] {
    api->cuCtxSetCurrent(context);
    for (CUgraphExec graph : graphs) api->cuGraphExecDestroy(graph);
    api->cuDevicePrimaryCtxRelease_v2(device);
    const std::lock_guard<std::mutex> lock(outcome->mutex);
    outcome->done = true;
    outcome->changed.notify_all();
  }).detach();
  std::unique_lock<std::mutex> lock(outcome->mutex);
  if (hung()) return outcome->changed.wait_for(lock, kCloseLimit, [&] { return outcome->done; });
  outcome->changed.wait(lock, [&] { return outcome->done; });
  return true;
}

}  // namespace griffin::cuda

#include "state.h"

namespace gk_emu_driver {

State& state() {
  static State* const only = [] {
    auto* made = new State;
    made->settings = parseSettings("");
    return made;
  }();
  return *only;
}

CUcontext& currentHandle() {
  static thread_local CUcontext current = nullptr;
  return current;
}

CUresult report(State& driver, const char* call, const Failure& failure) {
  if (failure.code != CUDA_ERROR_NOT_READY) driver.last_failure = std::string(call) + ": " + failure.why;
  return failure.code;
}

std::shared_ptr<Context> currentContext(State& driver) {
  const CUcontext handle = currentHandle();
  require(handle != nullptr, CUDA_ERROR_INVALID_CONTEXT, "the thread has no current context");
  std::shared_ptr<Context> context = driver.contexts.find(handle);
  require(context != nullptr, CUDA_ERROR_CONTEXT_IS_DESTROYED, "the thread's current context was released");
  context->checkUsable();
  return context;
}

StreamUse streamOf(State& driver, CUstream handle) {
  require(handle != CU_STREAM_PER_THREAD, CUDA_ERROR_NOT_SUPPORTED, "per-thread default streams are not emulated");
  if (handle == nullptr || handle == CU_STREAM_LEGACY) {
    std::shared_ptr<Context> context = currentContext(driver);
    return {context, context->defaultStream()};
  }
  std::shared_ptr<Stream> stream = driver.streams.find(handle);
  require(stream != nullptr, CUDA_ERROR_INVALID_HANDLE, "not a live stream");
  std::shared_ptr<Context> context = stream->context.lock();
  require(context != nullptr, CUDA_ERROR_INVALID_HANDLE, "the stream's context was released");
  context->checkUsable();
  return {context, stream};
}

EventUse eventOf(State& driver, CUevent handle) {
  std::shared_ptr<Event> event = driver.events.find(handle);
  require(event != nullptr, CUDA_ERROR_INVALID_HANDLE, "not a live event");
  std::shared_ptr<Context> context = event->context.lock();
  require(context != nullptr, CUDA_ERROR_INVALID_HANDLE, "the event's context was released");
  context->checkUsable();
  return {context, event};
}

Device& deviceOf(State& driver, CUdevice device) {
  require(device >= 0 && device < driver.settings.devices, CUDA_ERROR_INVALID_DEVICE, "no such device");
  return driver.devices[static_cast<size_t>(device)];
}

}  // namespace gk_emu_driver

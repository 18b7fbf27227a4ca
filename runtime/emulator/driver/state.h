// What the emulated driver knows in one process, and how every entry point is made.
#ifndef GK_EMULATED_STATE_H
#define GK_EMULATED_STATE_H
#include <array>
#include <condition_variable>
#include <new>

#include "context.h"
#include "registry.h"

#define GK_EXPORTED extern "C" __attribute__((visibility("default")))
#define GK_DECLARE(name, parameters) GK_EXPORTED CUresult name parameters;
GRIFFIN_CUDA_FUNCTIONS(GK_DECLARE)
#undef GK_DECLARE
#define GK_DECLARE(result, name, parameters) GK_EXPORTED result name parameters;
GRIFFIN_EMULATED_FUNCTIONS(GK_DECLARE)
#undef GK_DECLARE

namespace gk_emu_driver {

struct Device {
  std::shared_ptr<Context> context;
  unsigned retained = 0;
  bool lost = false;
};

struct State {
  std::mutex lock;
  std::condition_variable changed;  // work was added or done, in any context: devices wait for each other's events
  bool initialised = false;
  Settings settings;
  Injections injections;
  std::array<Device, 16> devices;
  Registry<CUcontext, Context> contexts;
  Registry<CUstream, Stream> streams;
  Registry<CUevent, Event> events;
  Registry<CUmodule, Module> modules;
  Registry<CUfunction, Function> functions;
  Registry<CUgraph, Graph> graphs;
  Registry<CUgraphExec, Exec> execs;
  std::vector<std::weak_ptr<Capture>> captures;
  std::string last_failure;
  uint64_t allocated = 0, most_allocated = 0;
  uint64_t launches = 0, graph_launches = 0, copies = 0, memsets = 0, faults = 0;
};

// Never destroyed: worker threads may outlive static objects at the end of the process.
State& state();

using Lock = std::unique_lock<std::mutex>;

CUresult report(State& driver, const char* call, const Failure& failure);

// Runs the body of an entry point under the lock and turns what it throws into its result.
template <typename Body>
CUresult callAnytime(const char* name, Body body) {
  State& driver = state();
  Lock lock(driver.lock);
  try {
    return body(driver, lock);
  } catch (const Failure& failure) {
    return report(driver, name, failure);
  } catch (const std::bad_alloc&) {
    return report(driver, name, {CUDA_ERROR_OUT_OF_MEMORY, "the host is out of memory"});
  } catch (const std::exception& error) {
    return report(driver, name, {CUDA_ERROR_UNKNOWN, error.what()});
  }
}
// The same for everything that needs cuInit first.
template <typename Body>
CUresult call(const char* name, Body body) {
  return callAnytime(name, [&](State& driver, Lock& lock) {
    require(driver.initialised, CUDA_ERROR_NOT_INITIALIZED, "cuInit was not called");
    return body(driver, lock);
  });
}

// The calling thread's context, usable. Throws Failure.
std::shared_ptr<Context> currentContext(State& driver);
CUcontext& currentHandle();

// The objects of handles, whose contexts are usable. Throw Failure.
struct StreamUse {
  std::shared_ptr<Context> context;
  std::shared_ptr<Stream> stream;
};
StreamUse streamOf(State& driver, CUstream handle);
struct EventUse {
  std::shared_ptr<Context> context;
  std::shared_ptr<Event> event;
};
EventUse eventOf(State& driver, CUevent handle);
Device& deviceOf(State& driver, CUdevice device);

// ---- capture (capture.cc)

// Throws when the calling thread must not make calls that a capture cannot see, and invalidates the captures that forbid it.
void forbidDuringCapture(State& driver);
// For calls that wait for a stream: throws, and invalidates the capture, when the stream is part of one, or is the default stream while a
// blocking stream is part of one.
void forbidOnCapturing(const StreamUse& use);
// Puts work into the stream's capture (and returns null), or into its queue.
std::shared_ptr<Completion> enqueue(const StreamUse& use, Work work, std::vector<std::shared_ptr<Completion>> after = {});
// What cuEventRecord and cuStreamWaitEvent mean for a stream.
void recordEvent(const StreamUse& use, Event& event);
void waitForEvent(const StreamUse& use, const Event& event);

}  // namespace gk_emu_driver

#endif

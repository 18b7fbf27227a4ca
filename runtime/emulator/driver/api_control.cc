// What the emulated driver exports beside the driver's own functions.
#include "state.h"

using namespace gk_emu_driver;

CUresult gkEmulatedConfigure(const char* settings) {
  return callAnytime("gkEmulatedConfigure", [&](State& driver, Lock&) {
    requireArgument(settings != nullptr, "settings is null");
    driver.settings = parseSettings(settings);
    for (Device& device : driver.devices) device.lost = false;  // as after a reboot
    return CUDA_SUCCESS;
  });
}

CUresult gkEmulatedInject(const char* fault) {
  return callAnytime("gkEmulatedInject", [&](State& driver, Lock&) {
    requireArgument(fault != nullptr, "fault is null");
    driver.injections.add(fault);
    return CUDA_SUCCESS;
  });
}

const char* gkEmulatedLastFault() {
  static thread_local std::string text;
  State& driver = state();
  const Lock lock(driver.lock);
  text = driver.last_failure;
  return text.c_str();
}

CUresult gkEmulatedStatistics(GkEmulatedStatistics* statistics) {
  return callAnytime("gkEmulatedStatistics", [&](State& driver, Lock&) {
    requireArgument(statistics != nullptr, "statistics is null");
    *statistics = {};
    driver.contexts.each([&](const std::shared_ptr<Context>& context) {
      statistics->allocations += context->allocations();
      statistics->hostAllocations += context->pinnedAllocations();
    });
    statistics->contexts = driver.contexts.size();
    statistics->allocatedBytes = driver.allocated;
    statistics->mostAllocatedBytes = driver.most_allocated;
    statistics->streams = driver.streams.size();
    statistics->events = driver.events.size();
    statistics->modules = driver.modules.size();
    statistics->graphs = driver.graphs.size();
    statistics->graphExecs = driver.execs.size();
    statistics->launches = driver.launches;
    statistics->graphLaunches = driver.graph_launches;
    statistics->copies = driver.copies;
    statistics->memsets = driver.memsets;
    statistics->faults = driver.faults;
    return CUDA_SUCCESS;
  });
}

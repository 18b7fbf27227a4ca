#include <mutex>

#include "checks.h"
#include "engine.h"
#include "execution.h"
#include "memory.h"

namespace gk_emu {

struct Machine::State {
  explicit State(const Config& c) : config(c), memory(c.checked), execution(config, memory) {}
  const Config config;
  DeviceMemory memory;
  Execution execution;
};

namespace {

// Kernels find their thread through a variable of their module, which several machines may have in common.
std::mutex& one_at_a_time() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

Machine::Machine(const Config& config) : state_(std::make_unique<State>(config)) {}
Machine::~Machine() = default;
const Config& Machine::config() const { return state_->config; }
void* Machine::allocate(size_t bytes) { return state_->memory.allocate(bytes); }
bool Machine::release(void* base) { return state_->memory.release(base); }
bool Machine::contains(const void* p, size_t bytes) const { return state_->memory.contains(p, bytes); }
void Machine::wrote(const void* p, size_t bytes) { state_->memory.wrote(p, bytes); }
std::string Machine::describe(const void* p) const { return state_->memory.describe(p); }

std::optional<Fault> Machine::run(const LaunchRequest& request, const std::atomic<bool>& cancel) {
  const std::lock_guard<std::mutex> lock(one_at_a_time());
  return state_->execution.run(request, cancel);
}

}  // namespace gk_emu

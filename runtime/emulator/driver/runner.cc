#include "runner.h"

#include <chrono>
#include <cstring>
#include <thread>

#include "state.h"

namespace gk_emu_driver {

using gk_emu::Fault;

std::optional<Fault> Runner::run(const Work& work) {
  if (const auto* kernel = std::get_if<KernelWork>(&work)) return launch(*kernel);
  if (const auto* one = std::get_if<CopyWork>(&work)) return copy(*one);
  if (const auto* one = std::get_if<FillWork>(&work)) return fill(*one);
  if (const auto* graph = std::get_if<GraphWork>(&work)) {
    for (const Work& step : graph->exec->steps) {
      if (cancel_) break;
      if (std::optional<Fault> fault = run(step)) return fault;
    }
  }
  return std::nullopt;
}

std::optional<Fault> Runner::injected(const KernelWork& kernel) {
  bool fails, lost, hangs;
  {
    Lock lock(lock_);
    State& driver = state();
    driver.launches++;
    fails = driver.injections.due(Injection::kLaunch);
    lost = driver.injections.due(Injection::kLost);
    hangs = driver.injections.due(Injection::kHang);
  }
  const std::string& name = kernel.function->name;
  if (fails) return Fault{CUDA_ERROR_LAUNCH_FAILED, "injected: the launch of " + name + " failed"};
  if (lost) return Fault{CUDA_ERROR_UNKNOWN, "injected: the device was lost while " + name + " ran"};
  if (hangs) {
    while (!cancel_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Fault{CUDA_ERROR_LAUNCH_TIMEOUT, "injected: " + name + " never ended"};
  }
  return std::nullopt;
}

std::optional<Fault> Runner::launch(const KernelWork& kernel) {
  if (std::optional<Fault> fault = injected(kernel)) return fault;
  gk_emu::LaunchRequest request{};
  request.entry = kernel.function->entry;
  request.info = kernel.function->info;
  request.name = kernel.function->name.c_str();
  for (int i = 0; i < 3; i++) request.grid[i] = kernel.grid[i];
  request.block = kernel.block;
  request.cluster = kernel.cluster;
  request.shared_bytes = kernel.shared_bytes;
  request.params = kernel.params.data();
  request.param_bytes = kernel.function->info->param_bytes;
  request.dependent = kernel.dependent;
  // Kernels find their thread through variables of their module: one launch in the process at a time.
  static std::mutex launches;
  const std::lock_guard<std::mutex> one(launches);
  return context_.machine().run(request, cancel_);
}

// Work may run long after it was submitted, in a graph any number of times: what it touches must still be there.
std::optional<Fault> Runner::check(const Place& place, size_t bytes, const char* what) {
  bool alive = true;
  if (place.kind == Place::kDevice) {
    alive = context_.machine().contains(place.address, bytes);
  } else if (place.kind == Place::kPinned) {
    Lock lock(lock_);
    try {
      alive = context_.hostPlace(place.address, bytes).kind == Place::kPinned;
    } catch (const Failure&) {
      alive = false;
    }
  }
  if (alive) return std::nullopt;
  return Fault{CUDA_ERROR_ILLEGAL_ADDRESS, std::string(what) + " of " + std::to_string(bytes) + " bytes at " +
                                               (place.kind == Place::kPinned ? "pinned host memory that was freed"
                                                                             : context_.machine().describe(place.address))};
}

std::optional<Fault> Runner::copy(const CopyWork& copy) {
  {
    Lock lock(lock_);
    State& driver = state();
    driver.copies++;
    if (driver.injections.due(Injection::kMemcpy)) {
      return Fault{CUDA_ERROR_ECC_UNCORRECTABLE, "injected: a copy of " + std::to_string(copy.bytes) + " bytes failed"};
    }
  }
  if (std::optional<Fault> fault = check(copy.to, copy.toExtent(), "copy to")) return fault;
  if (!copy.staged) {
    if (std::optional<Fault> fault = check(copy.from, copy.fromExtent(), "copy from")) return fault;
  }
  auto* to = static_cast<unsigned char*>(copy.to.address);
  const auto* from = copy.staged ? copy.staged->data() : static_cast<const unsigned char*>(copy.from.address);
  for (size_t row = 0; row < copy.rows; row++, to += copy.to_pitch, from += copy.from_pitch) {
    std::memmove(to, from, copy.bytes);
    if (copy.to.kind == Place::kDevice) context_.machine().wrote(to, copy.bytes);
  }
  return std::nullopt;
}

std::optional<Fault> Runner::fill(const FillWork& fill) {
  {
    Lock lock(lock_);
    state().memsets++;
  }
  const size_t bytes = fill.count * fill.width;
  if (std::optional<Fault> fault = check(fill.to, bytes, "memset")) return fault;
  if (fill.width == 1) {
    std::memset(fill.to.address, static_cast<int>(fill.value), bytes);
  } else {
    auto* words = static_cast<uint32_t*>(fill.to.address);
    for (size_t i = 0; i < fill.count; i++) words[i] = fill.value;
  }
  if (fill.to.kind == Place::kDevice) context_.machine().wrote(fill.to.address, bytes);
  return std::nullopt;
}

}  // namespace gk_emu_driver

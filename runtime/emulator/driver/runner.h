// Does one piece of work on the worker thread.
#ifndef GK_EMULATED_RUNNER_H
#define GK_EMULATED_RUNNER_H
#include <atomic>
#include <mutex>
#include <optional>

#include "context.h"

namespace gk_emu_driver {

class Runner {
 public:
  // `lock`: the driver's, not held.
  Runner(Context& context, std::mutex& lock, const std::atomic<bool>& cancel) : context_(context), lock_(lock), cancel_(cancel) {}
  std::optional<gk_emu::Fault> run(const Work& work);

 private:
  std::optional<gk_emu::Fault> launch(const KernelWork& kernel);
  std::optional<gk_emu::Fault> copy(const CopyWork& copy);
  std::optional<gk_emu::Fault> fill(const FillWork& fill);
  std::optional<gk_emu::Fault> injected(const KernelWork& kernel);
  std::optional<gk_emu::Fault> check(const Place& place, size_t bytes, const char* what);

  Context& context_;
  std::mutex& lock_;
  const std::atomic<bool>& cancel_;
};

}  // namespace gk_emu_driver

#endif

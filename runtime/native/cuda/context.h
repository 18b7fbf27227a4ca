// One GPU's context as everything of a device shares it: the driver, the stream, and whether the device still works.
#ifndef GRIFFIN_CUDA_CONTEXT_H
#define GRIFFIN_CUDA_CONTEXT_H
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "driver.h"

namespace griffin::cuda {

struct ContextOptions {
  std::string library;        // path or name of the driver
  std::string configuration;  // for gkEmulatedConfigure; empty on silicon
  int index = 0;
  std::string name;  // for messages: cuda:0
};

class Context {
 public:
  // Throws Failure(kDevice) when the driver refuses.
  explicit Context(const ContextOptions& options);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const Driver& driver() const { return *driver_; }
  const DriverApi& api() const { return driver_->api(); }
  const std::string& name() const { return name_; }
  CUstream stream() const { return stream_; }            // all work, in order
  CUstream capture_stream() const { return capture_; }   // never runs anything: plans are recorded on it
  int capability() const { return capability_; }
  int driver_version() const { return driver_version_; }
  int attribute(CUdevice_attribute which) const;
  std::string bus_id() const;

  // Makes the context current for the calling thread while the scope lives.
  class Scope {
   public:
    explicit Scope(const Context& context);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    const Context& context_;
    CUcontext previous_ = nullptr;
  };
  void enter() const;  // for a thread of our own, for good

  // Throws Failure(kDevice) "<doing>: <description>" unless the call succeeded; a fatal code marks the device lost.
  void check(CUresult result, const std::string& doing);
  // The failure that `check` would throw.
  Failure failure_of(CUresult result, const std::string& doing);

  // Every call from here on fails with `why`.
  void lose(const std::string& why);
  bool lost() const { return lost_.load(std::memory_order_acquire); }
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  void require_usable();

  // Giving something back waits for the device, on silicon too: it is done when the dispatcher finds the stream empty, or at the end.
  // `wake` (set once, before any other thread knows the context) tells the dispatcher. Does nothing once closed.
  void bury(std::function<void(const DriverApi&)> last_rites);
  void hold_funerals();
  bool mourning() const { return mourning_.load(); }
  std::function<void()> wake;
  // Which buffer an address is in or near, for messages about kernels' accesses; empty when none is. Set like `wake`.
  std::function<std::string(uint64_t)> locate;

  // An instantiated graph is not part of what the driver frees with a context.
  void adopt(CUgraphExec graph);
  void drop(CUgraphExec graph);

  // Work hangs in the context, or may: nothing but letting go of it as a whole can succeed.
  void give_up() { hung_.store(true); }
  bool hung() const { return hung_.load(); }
  // Lets go of the context; the driver frees what is left in it. Returns false when the driver did not come back from that in time.
  bool close();

 private:
  std::shared_ptr<Driver> driver_;
  std::string name_;
  CUdevice device_ = 0;
  CUcontext context_ = nullptr;
  CUstream stream_ = nullptr, capture_ = nullptr;
  int capability_ = 0, driver_version_ = 0;
  std::atomic<bool> lost_{false}, closed_{false}, hung_{false}, mourning_{false};
  std::mutex mutex_;
  std::string why_lost_;
  std::vector<std::function<void(const DriverApi&)>> dead_;
  std::unordered_set<CUgraphExec> graphs_;
};

}  // namespace griffin::cuda

#endif

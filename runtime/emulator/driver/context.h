// A device's primary context: its memory, its streams, and the worker thread that does their work.
#ifndef GK_EMULATED_CONTEXT_H
#define GK_EMULATED_CONTEXT_H
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "objects.h"
#include "settings.h"

namespace gk_emu_driver {

class Context : public std::enable_shared_from_this<Context> {
 public:
  // Starts the worker. `lock` guards everything in here; members are called with it held unless they say otherwise.
  static std::shared_ptr<Context> create(int ordinal, const Settings& settings, std::mutex& lock);
  ~Context();

  const int ordinal;
  const Settings settings;
  CUcontext handle = nullptr;

  gk_emu::Machine& machine() { return *machine_; }

  // Throws the error that the context has for good, if it has one.
  void checkUsable() const;
  bool lost() const { return sticky_ == CUDA_ERROR_UNKNOWN; }

  // ---- memory
  void* allocate(size_t bytes);  // throws Failure
  void free(void* address);      // throws Failure for anything but the start of a live allocation
  void* allocatePinned(size_t bytes);
  void freePinned(void* address);
  size_t used() const { return used_; }
  size_t allocations() const { return allocations_.size(); }
  size_t pinnedAllocations() const { return pinned_.size(); }
  // kPinned when [address, address + bytes) lies in one pinned allocation, kPageable when it touches none; throws when it is partly pinned.
  Place hostPlace(const void* address, size_t bytes) const;

  // ---- streams
  const std::shared_ptr<Stream>& defaultStream() const { return streams_.front(); }
  std::shared_ptr<Stream> addStream(bool blocking);
  void dropStream(const std::shared_ptr<Stream>& stream);  // once its work is done
  const std::vector<std::shared_ptr<Stream>>& streams() const { return streams_; }

  // Queues work and returns its completion.
  std::shared_ptr<Completion> submit(Stream& stream, Work work, std::vector<std::shared_ptr<Completion>> after = {});
  // Blocks until it is done. Throws the context's error when it ended in one, also while waiting.
  void wait(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Completion>& completion);
  void waitForAll(std::unique_lock<std::mutex>& lock);

  // Ends the worker, also in the middle of a kernel, and drops all work. The lock is released meanwhile.
  void close(std::unique_lock<std::mutex>& lock);

 private:
  Context(int ordinal, const Settings& settings, std::mutex& lock);
  void work();
  std::shared_ptr<Operation> next(std::shared_ptr<Stream>& from);
  void fail(const gk_emu::Fault& fault);

  std::mutex& lock_;
  std::unique_ptr<gk_emu::Machine> machine_;
  std::atomic<bool> cancel_{false};
  bool closed_ = false;  // no work starts any more
  bool ended_ = false;   // the worker is gone
  CUresult sticky_ = CUDA_SUCCESS;
  std::string sticky_why_;
  std::map<uintptr_t, size_t> allocations_, pinned_;
  size_t used_ = 0;
  std::vector<std::shared_ptr<Stream>> streams_;  // the default stream first; destroyed ones while they have work
  std::mt19937_64 random_;
  std::thread worker_;
};

}  // namespace gk_emu_driver

#endif

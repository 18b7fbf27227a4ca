// A device: a queue of work, the dispatcher thread that takes it in order, and the pool that it runs on. None of these threads is
// the event loop's, and the event loop never waits for any of them.
#ifndef GRIFFIN_DEVICE_H
#define GRIFFIN_DEVICE_H
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "failure.h"
#include "memory.h"
#include "thread_pool.h"

namespace griffin {

class Device;

// Memory that every thread of a device has to itself, for kernels that ask for scratch.
class Scratch {
 public:
  explicit Scratch(unsigned threads) : threads_(threads) {}
  // Called between phases only.
  void reserve(uint64_t bytes);
  void* of(unsigned thread) const { return stride_ == 0 ? nullptr : memory_->data() + thread * stride_; }

 private:
  unsigned threads_;
  uint64_t stride_ = 0;
  ByteCounter counter_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::shared_ptr<Memory> memory_;
};

// One piece of queued work. `execute` runs on the dispatcher; everything else happens on the event loop's thread.
class Job {
 public:
  virtual ~Job() = default;
  virtual void execute(Device& device) = 0;

  std::optional<Failure> failure;  // set when execute threw, or when the device was disposed first
};

class Device {
 public:
  // `settled` is called on the dispatcher thread when a job is done; it must carry the job to the event loop, which then owns it.
  Device(unsigned threads, unsigned cores, std::function<void(Job*)> settled);
  // Joins the threads; work that is still queued is dropped. Never called from the device's own threads.
  ~Device();

  unsigned threads() const { return pool_.threads(); }
  ThreadPool& pool() { return pool_; }
  Scratch& scratch() { return scratch_; }
  const ByteCounter& bytes() const { return bytes_; }

  // Throws Failure(kDevice) after `stop`.
  void submit(std::unique_ptr<Job> job);

  // No more work from here on: what is queued fails as disposed, what is running ends at its next check. `last` is executed at the end.
  void stop(std::unique_ptr<Job> last);
  // After the last job has been settled, or without ceremony when the process ends: waits for the threads.
  void join();

  bool stopping() const { return stopping_.load(std::memory_order_acquire); }
  void check_running() const;

  std::atomic<uint64_t> worked_ns{0};

 private:
  void dispatch();
  struct Next {
    Job* job;
    bool last;
  };
  Next next_job();

  ThreadPool pool_;
  Scratch scratch_;
  ByteCounter bytes_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::function<void(Job*)> settled_;
  std::mutex mutex_;
  std::deque<std::unique_ptr<Job>> queue_;
  std::unique_ptr<Job> last_;
  std::atomic<uint32_t> submissions_{0};
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stopping_{false};
  std::thread dispatcher_;
};

}  // namespace griffin

#endif

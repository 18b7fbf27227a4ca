// A GPU at work: a queue of jobs, and the dispatcher thread that puts them on the GPU's stream in order and settles them when the stream
// has passed them. The event loop never waits for the GPU, except in a synchronous read.
#ifndef GRIFFIN_CUDA_GPU_H
#define GRIFFIN_CUDA_GPU_H
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "../memory.h"
#include "arena.h"
#include "context.h"
#include "pinned_ring.h"

namespace griffin::cuda {

class Gpu;

// One piece of work. `issue` and `complete` run on the dispatcher thread.
class Job {
 public:
  explicit Job(std::string label) : what(std::move(label)) {}
  virtual ~Job() = default;
  // Puts work on the stream, without waiting for it where that can be helped.
  virtual void issue(Gpu& gpu) = 0;
  // The stream has passed everything that was issued.
  virtual void complete(Gpu&) {}
  // The job is over, or has failed; the callee owns it from here on.
  virtual void finished() = 0;

  const std::string what;  // for messages: running decode
  std::optional<Failure> failure;
  CUevent end = nullptr;
};

// Nobody waits for it; its failure is thrown by the next job that somebody waits for.
class DetachedJob : public Job {
 public:
  using Job::Job;
  void finished() override { delete this; }
};

struct GpuOptions {
  ContextOptions context;
  bool exact_memory = false;   // see Arena
  uint64_t watchdog_ms = 0;    // 0: none
  uint64_t grace_ms = 10'000;  // how long disposal waits for work that is under way
};

class Gpu {
 public:
  // Throws Failure(kDevice) when the GPU cannot be opened.
  explicit Gpu(const GpuOptions& options);
  // Joins the dispatcher. Never called from it.
  ~Gpu();

  const std::shared_ptr<Context>& context() const { return context_; }
  const std::shared_ptr<Arena>& arena() const { return arena_; }
  const ByteCounter& bytes() const { return bytes_; }

  // Throws Failure(kDevice) when the device is disposed or lost.
  void check_running() const;
  void submit(std::unique_ptr<Job> job);
  // Submits and waits until it is over; throws its failure.
  void run_now(Job& job);

  // No more work: what is queued fails as disposed, what is under way may end within the grace period. `last` is finished at the very end.
  void stop(std::unique_ptr<Job> last);
  void join();
  bool stopping() const { return stopping_.load(std::memory_order_acquire); }

  std::atomic<uint64_t> worked_ns{0};

  // ---- for jobs, on the dispatcher thread ----

  CUstream stream() const { return context_->stream(); }
  void check(CUresult result, const std::string& doing) { context_->check(result, doing); }
  // Events come from a pool and go back to it.
  CUevent timed_event();
  void recycle_timed(CUevent event) { timed_events_.push_back(event); }
  void record(CUevent event);
  // Nanoseconds between two events that have passed.
  uint64_t elapsed_ns(CUevent from, CUevent to);
  // Settles finished jobs until the event has passed. Throws Failure(kDevice) when the device is lost, disposed, or silent for too long.
  void wait_for(CUevent event, const std::string& what);
  void require_running() const;

  PinnedRing& staging() { return staging_; }      // large pieces, up and down
  PinnedRing& letters() { return letters_; }      // small writes
  PinnedRing& postcards() { return postcards_; }  // what runs bring along

 private:
  void dispatch();
  std::unique_ptr<Job> take();
  void start(std::unique_ptr<Job> job);
  bool reap();
  void fail_all(Failure failure);
  void check_watchdog();
  void rest(bool listen);
  void wind_down();
  void settle(std::unique_ptr<Job> job) { job.release()->finished(); }
  bool unclaimed_failure(Job& job);

  const GpuOptions options_;
  std::shared_ptr<Context> context_;
  std::shared_ptr<Arena> arena_;
  ByteCounter bytes_ = std::make_shared<std::atomic<uint64_t>>(0);
  PinnedRing staging_, letters_, postcards_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Job>> queue_;
  std::unique_ptr<Job> last_;
  std::atomic<bool> stopping_{false};
  uint64_t stopped_at_ = 0;

  // Of the dispatcher alone.
  std::deque<std::unique_ptr<Job>> in_flight_;
  std::vector<CUevent> events_, timed_events_, all_events_;
  std::optional<Failure> unclaimed_;
  std::string doing_;  // the job that is being issued
  uint64_t progress_at_ = 0;  // when something was issued to an idle stream, or an event passed
  uint64_t idle_since_ = 0;
  std::thread dispatcher_;
};

}  // namespace griffin::cuda

#endif

// Runs one parallel phase after another with as little as possible between them: a decode step has some two hundred phases, and a
// small model's whole token takes less than half a millisecond.
//
// The calling thread is thread 0 and works too. Every thread has a lane with a contiguous share of the phase's units; it takes from
// the front of its lane in shrinking grabs (long runs let kernels prefetch across units), and when its lane is empty it takes from the
// back of the others'. A phase ends when all its units are done, not when all threads have arrived: a worker that the system has put
// aside holds nothing up unless it holds units.
#ifndef GRIFFIN_THREAD_POOL_H
#define GRIFFIN_THREAD_POOL_H
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace griffin {

class ThreadPool {
 public:
  using Body = void (*)(void* context, int64_t begin, int64_t end, unsigned thread);

  // `threads` counts the caller. More threads than `cores` spin hardly at all: they would spin against each other.
  ThreadPool(unsigned threads, unsigned cores);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned threads() const { return threads_; }

  // Calls `body` for disjoint ranges that cover [0, units) and returns when all are done. Only one thread may call it, always the
  // same one. A single unit runs on the caller without disturbing the others.
  void parallel(int64_t units, Body body, void* context);

  // Whether more phases are expected at once: workers then wait for them at full attention before they go to sleep.
  void expect_work(bool expected) { expected_.store(expected, std::memory_order_relaxed); }

 private:
  struct alignas(128) Lane {
    std::atomic<uint64_t> range{0};  // begin in the low half, end in the high half, in chunks
  };
  void worker(unsigned self);
  void work(unsigned self);
  void run_chunks(uint32_t begin, uint32_t end, unsigned self);
  bool wait_for_phase(uint32_t seen);

  const unsigned threads_;
  const bool crowded_;

  // The phase being run. Written only while no unit is outstanding, read only by a thread that has taken units.
  Body body_ = nullptr;
  void* context_ = nullptr;
  int64_t units_ = 0;
  int64_t chunk_ = 1;  // units per chunk: 1, unless there are more units than a lane can count

  alignas(128) std::atomic<uint32_t> phase_{0};
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<uint32_t> min_grab_{1};  // only a hint, so a stale value does no harm
  std::atomic<bool> expected_{false};
  std::atomic<bool> quit_{false};
  alignas(128) std::atomic<uint32_t> outstanding_{0};
  std::unique_ptr<Lane[]> lanes_;
  std::vector<std::thread> workers_;
};

}  // namespace griffin

#endif

#include "thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <string>

#include "spin.h"
#include "thread_setup.h"

namespace griffin {
namespace {

constexpr int64_t kMaxChunks = int64_t{1} << 30;
// How long a worker looks out for the next phase before it sleeps: waking it costs some 10 to 50 µs, and between two phases of a
// token only short single-unit steps run.
constexpr uint64_t kExpectedSpinNs = 1'000'000;
constexpr uint64_t kIdleSpinNs = 30'000;
constexpr uint64_t kCrowdedSpinNs = 2'000;
// From here on the waiting thread lets others run between looks.
constexpr uint64_t kYieldAfterNs = 20'000;

uint64_t pack(uint32_t begin, uint32_t end) { return (uint64_t{end} << 32) | begin; }
uint32_t begin_of(uint64_t range) { return static_cast<uint32_t>(range); }
uint32_t end_of(uint64_t range) { return static_cast<uint32_t>(range >> 32); }

}  // namespace

ThreadPool::ThreadPool(unsigned threads, unsigned cores)
    : threads_(threads), crowded_(threads > cores), lanes_(new Lane[threads]) {
  for (unsigned i = 1; i < threads; i++) workers_.emplace_back([this, i] { worker(i); });
}

ThreadPool::~ThreadPool() {
  quit_.store(true);
  phase_.fetch_add(1);
  wake_sleepers(phase_, threads_);
  for (std::thread& thread : workers_) thread.join();
}

void ThreadPool::parallel(int64_t units, Body body, void* context) {
  if (units <= 0) return;
  if (threads_ == 1 || units == 1) {
    body(context, 0, units, 0);
    return;
  }
  body_ = body;
  context_ = context;
  units_ = units;
  chunk_ = (units + kMaxChunks - 1) / kMaxChunks;
  const auto chunks = static_cast<uint32_t>((units + chunk_ - 1) / chunk_);
  min_grab_.store(std::max(1u, chunks / (threads_ * 16)), std::memory_order_relaxed);
  outstanding_.store(chunks, std::memory_order_relaxed);
  for (unsigned i = 0; i < threads_; i++) {
    const auto begin = static_cast<uint32_t>(uint64_t{chunks} * i / threads_);
    const auto end = static_cast<uint32_t>(uint64_t{chunks} * (i + 1) / threads_);
    lanes_[i].range.store(pack(begin, end), std::memory_order_release);
  }
  phase_.fetch_add(1, std::memory_order_seq_cst);
  const uint32_t sleeping = sleepers_.load(std::memory_order_seq_cst);
  if (sleeping > 0) wake_sleepers(phase_, std::min(sleeping, chunks - 1));

  work(0);

  uint64_t since = 0;
  for (unsigned spins = 1; outstanding_.load(std::memory_order_acquire) != 0; spins++) {
    spin_pause();
    if (spins % 64 != 0) continue;
    const uint64_t now = now_ns();
    if (since == 0) since = now;
    if (crowded_ || now - since > kYieldAfterNs) sched_yield();
  }
}

void ThreadPool::run_chunks(uint32_t begin, uint32_t end, unsigned self) {
  body_(context_, begin * chunk_, std::min(end * chunk_, units_), self);
}

// Ranges only shrink during a phase, and a phase cannot end before the units taken here are reported done. So whatever a
// compare-and-swap takes belongs to the phase that body_ and context_ describe at that moment, even if this thread was away for
// any number of phases between its load and its swap.
void ThreadPool::work(unsigned self) {
  uint32_t done = 0;
  for (unsigned i = 0; i < threads_; i++) {
    const unsigned lane = (self + i) % threads_;
    std::atomic<uint64_t>& range = lanes_[lane].range;
    uint64_t seen = range.load(std::memory_order_acquire);
    while (begin_of(seen) < end_of(seen)) {
      const uint32_t begin = begin_of(seen), end = end_of(seen), left = end - begin;
      // The owner's grabs shrink with what is left, so that a thread on a slow core gives the rest away; a thief takes half.
      const uint32_t wanted = i == 0 ? left / 3 : left / 2;
      const uint32_t grab = std::min(left, std::max(wanted, min_grab_.load(std::memory_order_relaxed)));
      const uint64_t rest = i == 0 ? pack(begin + grab, end) : pack(begin, end - grab);
      if (!range.compare_exchange_weak(seen, rest, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      run_chunks(i == 0 ? begin : end - grab, i == 0 ? begin + grab : end, self);
      done += grab;
      seen = range.load(std::memory_order_acquire);
    }
  }
  if (done > 0) outstanding_.fetch_sub(done, std::memory_order_acq_rel);
}

bool ThreadPool::wait_for_phase(uint32_t seen) {
  uint64_t since = 0;
  for (unsigned spins = 1;; spins++) {
    if (phase_.load(std::memory_order_acquire) != seen) return true;
    spin_pause();
    if (spins % 16 != 0) continue;
    const uint64_t now = now_ns();
    if (since == 0) since = now;
    const bool expected = expected_.load(std::memory_order_relaxed);
    const uint64_t limit = crowded_ ? kCrowdedSpinNs : expected ? kExpectedSpinNs : kIdleSpinNs;
    if (now - since > limit) return false;
    // Between plans the event loop is the one that should get the core.
    if (!expected || now - since > kYieldAfterNs) sched_yield();
  }
}

void ThreadPool::worker(unsigned self) {
  set_up_thread("griffin-" + std::to_string(self));
  uint32_t seen = 0;
  while (true) {
    if (!wait_for_phase(seen)) {
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      while (phase_.load(std::memory_order_seq_cst) == seen) sleep_while(phase_, seen);
      sleepers_.fetch_sub(1, std::memory_order_relaxed);
    }
    seen = phase_.load(std::memory_order_acquire);
    if (quit_.load(std::memory_order_acquire)) return;
    work(self);
  }
}

}  // namespace griffin

#include "device.h"

#include <sched.h>

#include <new>

#include "spin.h"
#include "thread_setup.h"

namespace griffin {
namespace {

// Between two tokens JavaScript decodes and emits text. Waiting for it awake saves the wake-up, which costs more than that.
constexpr uint64_t kAwakeNs = 50'000;

}  // namespace

void Scratch::reserve(uint64_t bytes) {
  if (bytes == 0 || bytes <= stride_) return;
  // A cache line (and its prefetched neighbour) never belongs to two threads.
  const uint64_t stride = (bytes + 127) / 128 * 128;
  memory_ = Memory::allocate(stride * threads_, false, "kernel scratch", counter_);
  stride_ = stride;
}

Device::Device(unsigned threads, unsigned cores, std::function<void(Job*)> settled)
    : pool_(threads, cores), scratch_(threads), settled_(std::move(settled)), dispatcher_([this] { dispatch(); }) {}

Device::~Device() {
  stop(nullptr);
  join();
}

void Device::check_running() const {
  if (stopping()) throw Failure(FailureKind::kDevice, "the device is disposed");
}

void Device::submit(std::unique_ptr<Job> job) {
  check_running();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(job));
  }
  submissions_.fetch_add(1);
  if (asleep_.load()) wake_sleepers(submissions_, 1);
}

void Device::stop(std::unique_ptr<Job> last) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_.exchange(true)) return;
    last_ = std::move(last);
  }
  submissions_.fetch_add(1);
  wake_sleepers(submissions_, 1);
}

void Device::join() {
  if (dispatcher_.joinable()) dispatcher_.join();
}

// No job when there is nothing left and there will be nothing more.
Device::Next Device::next_job() {
  uint64_t since = 0;
  while (true) {
    const uint32_t seen = submissions_.load();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!queue_.empty()) {
        Job* job = queue_.front().release();
        queue_.pop_front();
        return {job, false};
      }
      if (stopping_) return {last_.release(), true};
    }
    for (unsigned spins = 1; submissions_.load() == seen; spins++) {
      spin_pause();
      if (spins % 64 != 0) continue;
      const uint64_t now = now_ns();
      if (since == 0) since = now;
      if (now - since < kAwakeNs) {
        sched_yield();  // the event loop may be waiting for this very core
        continue;
      }
      asleep_.store(true);
      while (submissions_.load() == seen) sleep_while(submissions_, seen);
      asleep_.store(false);
    }
  }
}

void Device::dispatch() {
  set_up_thread("griffin-0");
  while (true) {
    const auto [job, last] = next_job();
    if (job == nullptr) return;
    try {
      if (!last) check_running();
      pool_.expect_work(true);
      job->execute(*this);
    } catch (const Failure& failure) {
      job->failure = failure;
    } catch (const std::bad_alloc&) {
      job->failure = Failure(FailureKind::kDevice, "out of memory");
    }
    pool_.expect_work(false);
    settled_(job);
    if (last) return;
  }
}

}  // namespace griffin

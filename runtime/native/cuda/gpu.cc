#include "gpu.h"

#include <sched.h>

#include <chrono>
#include <cmath>
#include <new>

#include "../spin.h"
#include "../thread_setup.h"

namespace griffin::cuda {
namespace {

// Jobs on the stream whose end has not been seen. Less than the postcards, so that a run's slot is its own until it is settled.
constexpr size_t kMostInFlight = 48;
constexpr uint32_t kPostcards = 64;
// A token takes milliseconds: looking every 20 microseconds adds nothing to it, and keeps a processor free that the host may need.
constexpr uint64_t kAwakeNs = 30'000;
constexpr auto kNap = std::chrono::microseconds(20);
constexpr auto kLongNap = std::chrono::microseconds(200);
constexpr uint64_t kNapsUntilLong = 10'000'000;

class Waiting : public Job {
 public:
  explicit Waiting(Job& inner) : Job(inner.what), inner_(inner) {}
  void issue(Gpu& gpu) override { inner_.issue(gpu); }
  void complete(Gpu& gpu) override { inner_.complete(gpu); }
  void finished() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }

 private:
  Job& inner_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
};

}  // namespace

Gpu::Gpu(const GpuOptions& options)
    : options_(options),
      context_(std::make_shared<Context>(options.context)),
      arena_(std::make_shared<Arena>(context_, options.exact_memory)),
      staging_(context_, uint64_t{4} << 20, 4),
      letters_(context_, uint64_t{16} << 10, 64),
      postcards_(context_, 4096, kPostcards) {
  // The context outlives this object in the hands of kernels and plans.
  context_->locate = [arena = std::weak_ptr<Arena>(arena_)](uint64_t address) {
    const auto live = arena.lock();
    return live ? live->describe(address) : std::string();
  };
  context_->wake = [this] {
    const std::lock_guard<std::mutex> lock(mutex_);
    changed_.notify_one();
  };
  dispatcher_ = std::thread([this] { dispatch(); });
}

Gpu::~Gpu() {
  stop(nullptr);
  join();
}

void Gpu::check_running() const {
  require_running();
  context_->require_usable();
}

void Gpu::require_running() const {
  if (stopping()) throw Failure(FailureKind::kDevice, "the device " + context_->name() + " is disposed");
}

void Gpu::submit(std::unique_ptr<Job> job) {
  check_running();
  const std::lock_guard<std::mutex> lock(mutex_);
  queue_.push_back(std::move(job));
  changed_.notify_one();
}

void Gpu::run_now(Job& job) {
  auto waiting = std::make_unique<Waiting>(job);
  Waiting* raw = waiting.get();
  submit(std::move(waiting));
  raw->wait();
  const std::unique_ptr<Waiting> back(raw);  // `finished` left it to us
  if (back->failure) throw *back->failure;
}

void Gpu::stop(std::unique_ptr<Job> last) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_.exchange(true)) return;
  stopped_at_ = now_ns();
  last_ = std::move(last);
  changed_.notify_one();
}

void Gpu::join() {
  if (dispatcher_.joinable()) dispatcher_.join();
}

// ---- the dispatcher ----------------------------------------------------------------------------------------------------------------

std::unique_ptr<Job> Gpu::take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (queue_.empty()) return nullptr;
  std::unique_ptr<Job> job = std::move(queue_.front());
  queue_.pop_front();
  return job;
}

// A failure of work that nobody waited for belongs to the first job after it that somebody waits for.
bool Gpu::unclaimed_failure(Job& job) {
  if (!unclaimed_ || dynamic_cast<DetachedJob*>(&job) != nullptr) return false;
  job.failure = *unclaimed_;
  unclaimed_.reset();
  return true;
}

void Gpu::start(std::unique_ptr<Job> job) {
  bool issued = false;
  try {
    require_running();
    context_->require_usable();
    if (!unclaimed_failure(*job)) {
      if (in_flight_.empty()) progress_at_ = now_ns();
      doing_ = job->what;
      issued = true;
      job->issue(*this);
    }
  } catch (const Failure& failure) {
    const bool says_what = failure.kind() != FailureKind::kDevice || !issued || std::string(failure.what()).rfind(job->what, 0) == 0;
    job->failure = says_what ? failure : Failure(FailureKind::kDevice, job->what + ": " + failure.what());
  } catch (const std::bad_alloc&) {
    job->failure = Failure(FailureKind::kDevice, job->what + ": out of memory on the host");
  }
  // What was issued before a failure still uses the job's memory.
  if (issued && !context_->lost()) {
    try {
      if (events_.empty()) {
        CUevent event = nullptr;
        check(context_->api().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING), "creating an event");
        all_events_.push_back(event);
        events_.push_back(event);
      }
      job->end = events_.back();
      events_.pop_back();
      record(job->end);
      in_flight_.push_back(std::move(job));
      return;
    } catch (const Failure& failure) {
      if (!job->failure) job->failure = failure;
    }
  }
  if (job->failure && dynamic_cast<DetachedJob*>(job.get()) != nullptr && !unclaimed_ && !context_->lost()) unclaimed_ = job->failure;
  settle(std::move(job));
}

// By value: the failure may be that of a job which this settles, and a settled job may be gone.
void Gpu::fail_all(Failure failure) {
  while (!in_flight_.empty()) {
    std::unique_ptr<Job> job = std::move(in_flight_.front());
    in_flight_.pop_front();
    if (!job->failure) job->failure = failure;
    settle(std::move(job));
  }
}

// Settles what has ended; true when something has.
bool Gpu::reap() {
  bool any = false;
  while (!in_flight_.empty()) {
    Job& job = *in_flight_.front();
    const CUresult result = context_->api().cuEventQuery(job.end);
    if (result == CUDA_ERROR_NOT_READY) return any;
    if (result != CUDA_SUCCESS) {
      if (!job.failure) job.failure = context_->failure_of(result, job.what);
      context_->lose(job.failure->what());
      fail_all(*job.failure);
      return true;
    }
    any = true;
    progress_at_ = now_ns();
    std::unique_ptr<Job> done = std::move(in_flight_.front());
    in_flight_.pop_front();
    events_.push_back(done->end);
    try {
      if (!done->failure) done->complete(*this);
    } catch (const Failure& failure) {
      done->failure = failure;
    }
    if (done->failure && dynamic_cast<DetachedJob*>(done.get()) != nullptr && !unclaimed_) unclaimed_ = done->failure;
    settle(std::move(done));
  }
  return any;
}

void Gpu::check_watchdog() {
  if (options_.watchdog_ms == 0 || context_->hung()) return;
  if (now_ns() - progress_at_ < options_.watchdog_ms * 1'000'000) return;
  const std::string what = in_flight_.empty() ? "work" : in_flight_.front()->what;
  context_->give_up();
  context_->lose(what + ": has not ended within " + std::to_string(options_.watchdog_ms) + " ms (a kernel that never ends, or a limit that is too low)");
}

// Nothing to do but to wait for the stream or, when `listen`, for a new job.
void Gpu::rest(bool listen) {
  const uint64_t now = now_ns();
  if (idle_since_ == 0) idle_since_ = now;
  if (now - idle_since_ < kAwakeNs) {
    for (int i = 0; i < 16; i++) spin_pause();
    sched_yield();
    return;
  }
  const auto nap = now - idle_since_ < kNapsUntilLong ? kNap : kLongNap;
  if (!listen) {
    std::this_thread::sleep_for(nap);
    return;
  }
  std::unique_lock<std::mutex> lock(mutex_);
  if (queue_.empty()) changed_.wait_for(lock, nap);
}

void Gpu::wait_for(CUevent event, const std::string& what) {
  while (true) {
    const CUresult result = context_->api().cuEventQuery(event);
    if (result == CUDA_SUCCESS) break;
    if (result != CUDA_ERROR_NOT_READY) throw context_->failure_of(result, what);
    reap();
    check_watchdog();
    context_->require_usable();
    if (stopping() && now_ns() - stopped_at_ > options_.grace_ms * 1'000'000) {
      context_->give_up();
      require_running();
    }
    rest(false);
  }
  progress_at_ = now_ns();
  idle_since_ = 0;
}

void Gpu::dispatch() {
  set_up_thread("griffin-gpu");
  context_->enter();
  while (true) {
    if (reap()) idle_since_ = 0;
    if (in_flight_.size() < kMostInFlight || stopping()) {
      if (std::unique_ptr<Job> job = take()) {
        start(std::move(job));
        idle_since_ = 0;
        continue;
      }
    }
    if (in_flight_.empty()) {
      if (context_->mourning()) context_->hold_funerals();
      std::unique_lock<std::mutex> lock(mutex_);
      if (!queue_.empty()) continue;
      if (stopping_) break;
      // Between two tokens JavaScript decodes and emits text; being awake then saves the wake-up.
      lock.unlock();
      const uint64_t now = now_ns();
      if (idle_since_ == 0) idle_since_ = now;
      if (now - idle_since_ < kAwakeNs) {
        rest(true);
        continue;
      }
      lock.lock();
      changed_.wait(lock, [this] { return !queue_.empty() || stopping_ || context_->mourning(); });
      idle_since_ = 0;
      continue;
    }
    check_watchdog();
    if (context_->lost()) {
      try {
        context_->require_usable();
      } catch (const Failure& failure) {
        fail_all(failure);
      }
      continue;
    }
    if (stopping() && now_ns() - stopped_at_ > options_.grace_ms * 1'000'000) {
      context_->give_up();
      fail_all(Failure(FailureKind::kDevice, "the device " + context_->name() + " is disposed"));
      continue;
    }
    rest(in_flight_.size() < kMostInFlight);
  }
  wind_down();
}

void Gpu::wind_down() {
  if (!context_->hung()) {
    for (CUevent event : all_events_) context_->api().cuEventDestroy_v2(event);
    staging_.close();
    letters_.close();
    postcards_.close();
  }
  arena_->close();
  context_->close();
  if (last_) settle(std::move(last_));
}

// ---- events ------------------------------------------------------------------------------------------------------------------------

CUevent Gpu::timed_event() {
  if (timed_events_.empty()) {
    CUevent event = nullptr;
    check(context_->api().cuEventCreate(&event, CU_EVENT_DEFAULT), "creating an event");
    all_events_.push_back(event);
    return event;
  }
  CUevent event = timed_events_.back();
  timed_events_.pop_back();
  return event;
}

// An error of earlier work comes back from whichever call is next, and this is the most frequent one.
void Gpu::record(CUevent event) { check(context_->api().cuEventRecord(event, stream()), doing_); }

uint64_t Gpu::elapsed_ns(CUevent from, CUevent to) {
  float milliseconds = 0;
  check(context_->api().cuEventElapsedTime(&milliseconds, from, to), "reading a clock");
  return static_cast<uint64_t>(std::llround(static_cast<double>(milliseconds) * 1e6));
}

}  // namespace griffin::cuda

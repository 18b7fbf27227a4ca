#include "context.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "runner.h"
#include "state.h"

namespace gk_emu_driver {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kGranularity = 256;  // device memory is counted in units of this

size_t roundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

Context::Context(int ordinal, const Settings& settings, std::mutex& lock)
    : ordinal(ordinal),
      settings(settings),
      lock_(lock),
      machine_(std::make_unique<gk_emu::Machine>(settings.machine)),
      random_(settings.machine.seed) {}

std::shared_ptr<Context> Context::create(int ordinal, const Settings& settings, std::mutex& lock) {
  std::shared_ptr<Context> context(new Context(ordinal, settings, lock));
  context->addStream(true)->is_default = true;
  context->worker_ = std::thread(&Context::work, context.get());
  return context;
}

Context::~Context() {
  // close() has joined the worker: whoever drops the last reference has released the context before.
  for (const auto& pinned : pinned_) std::free(reinterpret_cast<void*>(pinned.first));
}

void Context::checkUsable() const {
  if (sticky_ != CUDA_SUCCESS) throw Failure{sticky_, sticky_why_};
  require(!closed_, CUDA_ERROR_CONTEXT_IS_DESTROYED, "the context was released");
}

// ---- memory --------------------------------------------------------------------------------------------------------------------

void* Context::allocate(size_t bytes) {
  const size_t counted = roundUp(bytes, kGranularity);
  if (counted < bytes || counted > settings.memory - used_) {
    throw Failure{CUDA_ERROR_OUT_OF_MEMORY, std::to_string(bytes) + " bytes asked for, " + std::to_string(settings.memory - used_) + " of " +
                                                std::to_string(settings.memory) + " bytes free"};
  }
  void* address = machine_->allocate(bytes);
  require(address != nullptr, CUDA_ERROR_OUT_OF_MEMORY, "the host has no memory left for the emulated device");
  allocations_[reinterpret_cast<uintptr_t>(address)] = counted;
  used_ += counted;
  State& driver = state();
  driver.allocated += counted;
  driver.most_allocated = std::max(driver.most_allocated, driver.allocated);
  return address;
}

void Context::free(void* address) {
  const auto found = allocations_.find(reinterpret_cast<uintptr_t>(address));
  require(found != allocations_.end() && machine_->release(address), CUDA_ERROR_INVALID_VALUE, "not the start of a live device allocation");
  used_ -= found->second;
  state().allocated -= found->second;
  allocations_.erase(found);
}

void* Context::allocatePinned(size_t bytes) {
  void* address = std::aligned_alloc(kPageBytes, roundUp(bytes, kPageBytes));
  require(address != nullptr, CUDA_ERROR_OUT_OF_MEMORY, "the host is out of memory");
  pinned_[reinterpret_cast<uintptr_t>(address)] = bytes;
  return address;
}

void Context::freePinned(void* address) {
  require(pinned_.erase(reinterpret_cast<uintptr_t>(address)) == 1, CUDA_ERROR_INVALID_VALUE, "not the start of a live host allocation");
  std::free(address);
}

Place Context::hostPlace(const void* address, size_t bytes) const {
  requireArgument(address != nullptr, "a null host pointer");
  requireArgument(!machine_->contains(address, 1), "a device address where a host address is expected");
  const Place place{Place::kPageable, const_cast<void*>(address), nullptr};
  const auto start = reinterpret_cast<uintptr_t>(address);
  auto after = pinned_.upper_bound(start);
  if (after != pinned_.end() && start + bytes > after->first) {
    throw Failure{CUDA_ERROR_INVALID_VALUE, "the host range is partly pinned: it begins before a pinned allocation and ends inside it"};
  }
  if (after == pinned_.begin()) return place;
  const auto& [base, size] = *std::prev(after);
  if (start >= base + size) return place;
  requireArgument(start + bytes <= base + size, "the host range ends past the pinned allocation that it begins in");
  return Place{Place::kPinned, place.address, nullptr};
}

// ---- streams -------------------------------------------------------------------------------------------------------------------

std::shared_ptr<Stream> Context::addStream(bool blocking) {
  auto stream = std::make_shared<Stream>();
  stream->context = weak_from_this();
  stream->blocking = blocking;
  streams_.push_back(stream);
  return stream;
}

std::shared_ptr<Completion> Context::submit(Stream& stream, Work work, std::vector<std::shared_ptr<Completion>> after) {
  // The default stream and the blocking ones wait for each other.
  if (stream.is_default) {
    for (const auto& other : streams_) {
      if (!other->is_default && other->blocking && other->last && !other->last->done) after.push_back(other->last);
    }
  } else if (stream.blocking) {
    const std::shared_ptr<Completion>& last = defaultStream()->last;
    if (last && !last->done) after.push_back(last);
  }
  if (auto* kernel = std::get_if<KernelWork>(&work)) {
    // Only what directly follows a kernel can start before its end.
    kernel->dependent = kernel->dependent && stream.last_is_kernel && after.empty();
  }
  static uint64_t sequence = 0;
  auto operation = std::make_shared<Operation>();
  operation->sequence = ++sequence;
  operation->after = std::move(after);
  operation->completion = std::make_shared<Completion>();
  stream.last_is_kernel = std::holds_alternative<KernelWork>(work);
  operation->work = std::move(work);
  stream.last = operation->completion;
  stream.queue.push_back(operation);
  state().changed.notify_all();
  return operation->completion;
}

void Context::wait(Lock& lock, const std::shared_ptr<Completion>& completion) {
  const std::shared_ptr<Context> alive = shared_from_this();
  while (!completion->done && !ended_ && sticky_ == CUDA_SUCCESS) state().changed.wait(lock);
  checkUsable();
}

void Context::waitForAll(Lock& lock) {
  std::vector<std::shared_ptr<Completion>> last;
  for (const auto& stream : streams_) {
    if (stream->last && !stream->last->done) last.push_back(stream->last);
  }
  for (const auto& completion : last) wait(lock, completion);
  checkUsable();
}

// ---- the worker ----------------------------------------------------------------------------------------------------------------

// The operation to run now: one that waits for nothing. Forward takes the oldest, which is the order of submission; the other orders
// show what streams owe each other: whatever they do not wait for may come first.
std::shared_ptr<Operation> Context::next(std::shared_ptr<Stream>& from) {
  std::vector<std::shared_ptr<Stream>> ready;
  for (const auto& stream : streams_) {
    if (stream->queue.empty()) continue;
    bool waits = false;
    for (const auto& completion : stream->queue.front()->after) waits = waits || !completion->done;
    if (!waits) ready.push_back(stream);
  }
  if (ready.empty()) return nullptr;
  from = ready.front();
  const gk_emu::Order order = settings.machine.order;
  if (order == gk_emu::Order::kRandom) {
    from = ready[random_() % ready.size()];
  } else {
    for (const auto& stream : ready) {
      const bool older = stream->queue.front()->sequence < from->queue.front()->sequence;
      if (older == (order == gk_emu::Order::kForward)) from = stream;
    }
  }
  return from->queue.front();
}

void Context::work() {
  Lock lock(lock_);
  while (!closed_) {
    std::shared_ptr<Stream> stream;
    const std::shared_ptr<Operation> operation = next(stream);
    if (!operation) {
      state().changed.wait(lock);
      continue;
    }
    if (sticky_ == CUDA_SUCCESS) {
      lock.unlock();
      std::optional<gk_emu::Fault> fault = Runner(*this, lock_, cancel_).run(operation->work);
      lock.lock();
      if (fault && !closed_) fail(*fault);
    }
    // After a fault nothing runs any more, but whoever waits gets an answer.
    operation->completion->done = true;
    operation->completion->at = Clock::now();
    stream->queue.pop_front();
    if (stream->destroyed) dropStream(stream);
    state().changed.notify_all();
  }
  ended_ = true;
  state().changed.notify_all();
}

void Context::fail(const gk_emu::Fault& fault) {
  State& driver = state();
  sticky_ = static_cast<CUresult>(fault.code);
  sticky_why_ = fault.message;
  driver.last_failure = fault.message;
  driver.faults++;
  if (lost()) driver.devices[static_cast<size_t>(ordinal)].lost = true;
}

void Context::close(Lock& lock) {
  closed_ = true;
  cancel_ = true;
  state().changed.notify_all();
  lock.unlock();
  worker_.join();
  lock.lock();
  for (const auto& stream : streams_) {
    for (const auto& operation : stream->queue) operation->completion->done = true;  // another device may wait for it
    stream->queue.clear();
  }
  state().changed.notify_all();
  state().allocated -= used_;
  used_ = 0;
  allocations_.clear();
}

void Context::dropStream(const std::shared_ptr<Stream>& stream) {
  stream->destroyed = true;
  if (stream->queue.empty()) streams_.erase(std::find(streams_.begin(), streams_.end(), stream));
}

}  // namespace gk_emu_driver

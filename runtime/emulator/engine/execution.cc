#include "execution.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "checks.h"
#include "report.h"

namespace gk_emu {

Execution* active_execution = nullptr;

Execution::Execution(const Config& c, DeviceMemory& m)
    : config(c), memory(m), fibers_(&Execution::fiber_main), random_(c.seed) {
  if (config.checked) checks = std::make_unique<Checks>(*this);
}

// First what refers to the rest.
Execution::~Execution() { checks.reset(); }

// ---- launches ------------------------------------------------------------------------------------------------------------------

std::optional<Fault> Execution::validate(const LaunchRequest& r) const {
  const auto refuse = [&r](int code, const std::string& what) { return Fault{code, std::string("kernel ") + r.name + ": " + what}; };
  const gk_emu_kernel& info = *r.info;
  if (info.abi != GK_EMU_ABI) return refuse(kInvalidValue, "compiled for version " + std::to_string(info.abi) + " of the emulation, this is " + std::to_string(GK_EMU_ABI));
  if (config.checked && !info.checked) return refuse(kInvalidValue, "the device checks, but the module was compiled without checks");
  if (r.param_bytes != info.param_bytes) {
    return refuse(kInvalidValue, std::to_string(r.param_bytes) + " bytes of parameters were passed, it takes " + std::to_string(info.param_bytes));
  }
  if (r.block == 0 || r.block > 1024) return refuse(kInvalidValue, "a block of " + std::to_string(r.block) + " threads; 1 to 1024 are possible");
  if (r.block > info.max_threads) {
    return refuse(kTooManyResources, "a block of " + std::to_string(r.block) + " threads, its launch bound is " + std::to_string(info.max_threads));
  }
  if (info.capability > uint32_t(config.limits.capability)) {
    return refuse(kInvalidValue, "compiled for capability " + std::to_string(info.capability) + ", the device has " + std::to_string(config.limits.capability));
  }
  if (r.shared_bytes > config.limits.shared_block) {
    return refuse(kInvalidValue, std::to_string(r.shared_bytes) + " bytes of dynamic shared memory, capability " + std::to_string(config.limits.capability) +
                                     " has " + std::to_string(config.limits.shared_block) + " per block");
  }
  if (r.cluster > 1 && config.limits.capability < 90) return refuse(kInvalidValue, "clusters need compute capability 9.0");
  if (r.cluster == 0 || r.cluster > kMostCluster || (r.cluster > 1 && r.grid[0] % r.cluster)) {
    return refuse(kInvalidValue, "a grid of " + std::to_string(r.grid[0]) + " blocks along x does not divide into clusters of " + std::to_string(r.cluster));
  }
  if (r.grid[0] == 0 || r.grid[1] == 0 || r.grid[2] == 0 || r.grid[1] > 65535 || r.grid[2] > 65535 || r.grid[0] > 0x7fffffffu ||
      uint64_t(r.grid[0]) * r.grid[1] * r.grid[2] > 0xffffffffu) {
    return refuse(kInvalidValue, "a grid of " + std::to_string(r.grid[0]) + " x " + std::to_string(r.grid[1]) + " x " + std::to_string(r.grid[2]) + " blocks");
  }
  return std::nullopt;
}

std::optional<Fault> Execution::run(const LaunchRequest& r, const std::atomic<bool>& cancel) {
  if (auto refused = validate(r)) return refused;
  prepare(r);
  cancel_ = &cancel;
  fault_.reset();
  Execution* const outer = active_execution;
  active_execution = this;
  if (checks) checks->begin_launch();
  host_stack(host_);
  run_clusters();
  if (!fault_ && dependent && !any_waited) {
    fault_ = Fault{kLaunchFailed, std::string("kernel ") + r.name + ": ended without gk::waitForPrevious in any thread, though it was launched as the dependent of another: "
                                  "the launch after it could start before its predecessor has ended"};
  }
  if (checks) checks->end_launch();
  active_execution = outer;
  *slot_ = nullptr;
  if (fault_) fibers_.reset();
  return std::move(fault_);
}

void Execution::prepare(const LaunchRequest& r) {
  request = &r;
  slot_ = r.info->current;
  cluster = r.cluster;
  dependent = r.dependent && config.limits.capability >= 90;
  any_waited = false;
  launch_serial = next_serial_;
  params_.resize(r.param_bytes / 8 + 2);
  memcpy(params_.data(), r.params, r.param_bytes);
  arrays.clear();
  shared_static = 0;
  const uint32_t red = checks ? 128 : 0;
  dynamic_offset = red;
  shared_used = dynamic_offset + (r.shared_bytes + 127) / 128 * 128 + red;
  if (blocks.size() < cluster) blocks.resize(cluster);
  const size_t threads = size_t(cluster) * r.block;
  if (threads_.size() < threads) threads_.resize(threads);
  for (uint32_t rank = 0; rank < cluster; ++rank) {
    Block& b = blocks[rank];
    b.threads = {r.block, 1, 1};
    b.grid = {r.grid[0], r.grid[1], r.grid[2]};
    b.cluster_rank = rank;
    b.cluster_size = cluster;
    b.shared = memory.shared(rank);
    b.dynamic = b.shared + dynamic_offset;
    b.first = &threads_[size_t(rank) * r.block];
    b.count = r.block;
    b.warp_count = (r.block + 31) / 32;
    for (uint32_t w = 0; w < b.warp_count; ++w) {
      b.warps[w].first = b.first + w * 32;
      const uint32_t lanes = std::min(32u, r.block - w * 32);
      b.warps[w].lanes = lanes == 32 ? 0xffffffffu : (1u << lanes) - 1;
    }
    for (uint32_t i = 0; i < r.block; ++i) {
      Thread& t = b.first[i];
      t.index = {i, 0, 0};
      t.block = &b;
      t.owner = &b;
      t.warp = &b.warps[i / 32];
      t.number = i;
      t.slot = rank * r.block + i;
      t.lane = i % 32;
      t.fiber = nullptr;
    }
  }
}

// ---- order -----------------------------------------------------------------------------------------------------------------------

inline uint32_t Execution::choose(uint32_t mask) {
  switch (config.order) {
    case Order::kForward: return uint32_t(__builtin_ctz(mask));
    case Order::kReverse: return 31 - uint32_t(__builtin_clz(mask));
    default: break;
  }
  for (uint32_t skip = random_.below(uint32_t(__builtin_popcount(mask))); skip > 0; --skip) mask &= mask - 1;
  return uint32_t(__builtin_ctz(mask));
}

// The next thread to run, taken out of the ready ones. A warp runs until all of its lanes wait: what it touches stays in the caches.
// In random order it is interrupted now and then.
inline Thread* Execution::pick() {
  Block* b = running_;
  if (!b->ready_warps) {
    uint32_t candidates = 0;
    for (uint32_t rank = 0; rank < cluster; ++rank) {
      if (blocks[rank].ready_warps) candidates |= 1u << rank;
    }
    if (!candidates) return nullptr;
    running_ = b = &blocks[choose(candidates)];
    running_warp_ = 32;
  }
  uint32_t w = running_warp_;
  if (w >= b->warp_count || !b->ready[w] || (config.order == Order::kRandom && (random_.next() & 7) == 0)) w = running_warp_ = choose(b->ready_warps);
  const uint32_t lane = choose(b->ready[w]);
  b->ready[w] &= ~(1u << lane);
  if (!b->ready[w]) b->ready_warps &= ~(1u << w);
  return b->first + w * 32 + lane;
}

void Execution::run_clusters() {
  const uint64_t count = uint64_t(request->grid[0]) * request->grid[1] * request->grid[2] / cluster;
  if (config.order == Order::kRandom) {
    cluster_order_.resize(count);
    for (uint64_t i = 0; i < count; ++i) cluster_order_[i] = uint32_t(i);
    for (uint64_t i = count; i > 1; --i) std::swap(cluster_order_[i - 1], cluster_order_[random_.below(uint32_t(i))]);
  }
  for (uint64_t i = 0; i < count && !fault_; ++i) {
    if (cancel_->load(std::memory_order_relaxed)) {
      fault_ = Fault{kLaunchTimeout, std::string("kernel ") + request->name + ": cancelled before its end"};
      return;
    }
    start_cluster(i);
    handoff_ = pick();
    Fiber* const fiber = fibers_.take();
    if (!fiber) {
      fault_ = Fault{kLaunchFailed, "the host has no memory for the stacks of threads"};
      return;
    }
    starting_ = fiber;
    set_current(handoff_);
    switch_fiber(host_, *fiber);
    if (!fault_) check_end_of_cluster();
  }
}

uint64_t Execution::cluster_at(uint64_t position) const {
  switch (config.order) {
    case Order::kForward: return position;
    case Order::kReverse: return uint64_t(request->grid[0]) * request->grid[1] * request->grid[2] / cluster - 1 - position;
    default: return cluster_order_[position];
  }
}

gk_emu_index Execution::index_of(uint64_t linear) const {
  const uint32_t* const grid = request->grid;
  return {uint32_t(linear % grid[0]), uint32_t(linear / grid[0] % grid[1]), uint32_t(linear / grid[0] / grid[1])};
}

gk_emu_index Execution::block_index_of(uint32_t serial) const {
  const uint32_t i = serial - launch_serial;
  return index_of(cluster_at(i / cluster) * cluster + i % cluster);
}

void Execution::start_cluster(uint64_t position) {
  const uint64_t first = cluster_at(position) * cluster;
  cluster_arrived = 0;
  for (uint32_t rank = 0; rank < cluster; ++rank) {
    Block& b = blocks[rank];
    b.index = index_of(first + rank);
    b.live = b.count;
    b.arrived = 0;
    b.reduced_count = 0;
    b.reduced_and = 1;
    b.reduced_or = 0;
    b.serial = next_serial_++;
    if (checks) checks->forget(b);
    b.transactions.clear();
    for (uint32_t w = 0; w < b.warp_count; ++w) {
      b.warps[w].exited = 0;
      b.warps[w].open = 0;
    }
    for (NamedBarrier& n : b.named) {
      if (n.arrived) n = NamedBarrier();
    }
    make_all_ready(b);
  }
  running_ = &blocks[config.order == Order::kReverse ? cluster - 1 : config.order == Order::kRandom ? random_.below(cluster) : 0];
  running_warp_ = 32;
  if (checks) checks->begin_cluster();
}

void Execution::check_end_of_cluster() {
  for (uint32_t rank = 0; rank < cluster; ++rank) {
    if (blocks[rank].live) {
      fault_ = Fault{kLaunchFailed, std::string("kernel ") + request->name + ": " + waiting_report()};
      return;
    }
    for (const Transaction& x : blocks[rank].transactions) {
      if (!x.copies.empty()) {
        fault_ = Fault{kLaunchFailed, place(*blocks[rank].first) + ": the block ended while a bulk copy to " + describe(x.copies[0].to) + " was in flight: nobody waited for it"};
        return;
      }
    }
  }
}

// ---- threads -------------------------------------------------------------------------------------------------------------------

void Execution::begin(Thread& t, Fiber* fiber) {
  t.fiber = fiber;
  t.stack_low = fiber->low;
  t.stack_high = fiber->high;
  t.wait = Wait::kNone;
  t.waited_previous = false;
  t.let_next = false;
  t.spins = 0;
  t.copies.clear();
  t.groups = 0;
  if (checks) checks->begin_thread(t);
}

void Execution::finish(Thread& t) {
  t.fiber = nullptr;
  Block& b = *t.owner;
  Warp& w = *t.warp;
  --b.live;
  w.exited |= 1u << t.lane;
  if (b.arrived) {
    fault_of(t, kLaunchFailed, "divergent barrier: the thread ended while " + std::to_string(b.arrived) + " of " + std::to_string(b.count) +
                                   " threads of its block wait at __syncthreads: " + waiting_report());
  }
  if (cluster_arrived) fault_of(t, kLaunchFailed, "divergent barrier: the thread ended while others wait at the cluster barrier: " + waiting_report());
  for (uint32_t i = 0; i < w.open; ++i) {
    if (w.collectives[i].mask >> t.lane & 1) {
      fault_of(t, kLaunchFailed, "lane " + std::to_string(t.lane) + " ended, but lanes of its warp wait for it: " + waiting_report());
    }
  }
}

// A fiber runs threads from their beginning, one after another, as long as they end without waiting. One that waits keeps the fiber.
void Execution::fiber_main() {
  fiber_begins();
  for (;;) {
    Execution& e = execution();
    Thread* t = e.handoff_;
    Fiber* const fiber = e.starting_;
    e.begin(*t, fiber);
    for (;;) {
      e.request->entry(e.params());
      e.finish(*t);
      Thread* const next = e.pick();
      if (!next) {
        e.fibers_.give(fiber);
        switch_fiber(*fiber, e.host_);
        break;
      }
      e.set_current(next);
      if (next->fiber) {
        e.fibers_.give(fiber);
        switch_fiber(*fiber, *next->fiber);
        break;
      }
      e.begin(*next, fiber);
      t = next;
    }
  }
}

void Execution::suspend() {
  Thread& self = *current_;
  look_at_cancel();
  Thread* const next = pick();
  if (next == &self) {
    self.wait = Wait::kNone;
    return;
  }
  if (!next) {
    switch_fiber(*self.fiber, host_);  // nobody can run: the host says who waits where
    __builtin_unreachable();
  }
  set_current(next);
  if (next->fiber) {
    switch_fiber(*self.fiber, *next->fiber);
  } else {
    Fiber* const fiber = fibers_.take();
    if (!fiber) fault(kLaunchFailed, "the host has no memory for the stacks of threads");
    handoff_ = next;
    starting_ = fiber;
    switch_fiber(*self.fiber, *fiber);
  }
  self.wait = Wait::kNone;
}

void Execution::give_turn() {
  // Another thread than this one, if any can run; the order decides among them.
  Thread& self = *current_;
  look_at_cancel();
  Thread* const next = pick();
  make_ready(self);
  if (!next) {
    pick();
    return;
  }
  set_current(next);
  if (next->fiber) {
    switch_fiber(*self.fiber, *next->fiber);
    return;
  }
  Fiber* const fiber = fibers_.take();
  if (!fiber) fault(kLaunchFailed, "the host has no memory for the stacks of threads");
  handoff_ = next;
  starting_ = fiber;
  switch_fiber(*self.fiber, *fiber);
}

void Execution::make_ready(Block& b, uint32_t warp, uint32_t lanes) {
  b.ready[warp] |= lanes;
  b.ready_warps |= 1u << warp;
}

void Execution::make_ready(Thread& t) { make_ready(*t.owner, t.number / 32, 1u << t.lane); }

void Execution::make_all_ready(Block& b) {
  for (uint32_t w = 0; w < b.warp_count; ++w) b.ready[w] = b.warps[w].lanes;
  b.ready_warps = b.warp_count == 32 ? 0xffffffffu : (1u << b.warp_count) - 1;
}

// ---- faults --------------------------------------------------------------------------------------------------------------------

void Execution::leave() {
  Fiber abandoned;
  switch_fiber(abandoned, host_);
  __builtin_unreachable();
}

void Execution::fault_of(const Thread& t, int code, const std::string& what) {
  if (!fault_) fault_ = Fault{code, place(t) + ": " + what};
  leave();
}

void Execution::fault(int code, const std::string& what) { fault_of(*current_, code, what); }

void Execution::end_cancelled() { fault(kLaunchTimeout, "cancelled before its end"); }

}  // namespace gk_emu

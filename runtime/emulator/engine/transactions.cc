// Transaction barriers (mbarrier) and the bulk copies that complete on them. A phase is complete when all arrivals and all announced bytes
// came; a copy lands at the last moment at which it could: when the phase that it belongs to must be complete.
#include <cstring>

#include "checks.h"
#include "execution.h"
#include "functions.h"
#include "report.h"

namespace gk_emu {
namespace {

Transaction& find(Execution& e, uint64_t* address, const char* what) {
  Transaction* const x = e.transaction(address);
  if (!x) e.fault(kLaunchFailed, std::string(what) + " on " + e.describe(address) + ", where no transaction barrier was initialised");
  if (e.checks) e.checks->used(e.thread(), *x, what);
  return *x;
}

int64_t flying(const Transaction& x) {
  int64_t bytes = 0;
  for (const PendingCopy& c : x.copies) bytes += c.bytes;
  return bytes;
}

// Ends the phase when everything it waits for came: lands its copies and wakes who waits.
bool try_complete(Execution& e, Transaction& x) {
  if (x.pending) return false;
  const int64_t started = flying(x);
  if (started > x.expected) {
    e.fault(kLaunchFailed, "bulk copies of " + std::to_string(started) + " bytes for the transaction barrier at " + e.describe(x.address) + ", but its phase " +
                               std::to_string(x.phase) + " was announced " + std::to_string(x.expected));
  }
  if (started != x.expected) return false;
  for (const PendingCopy& c : x.copies) {
    memcpy(c.to, c.from, c.bytes);
    if (e.checks) e.checks->bulk_landed(e.block(), x, c);
  }
  x.copies.clear();
  x.expected = 0;
  x.pending = x.arrivals;
  ++x.phase;
  if (e.checks) e.checks->completed(x);
  for (uint32_t w = 0; w < e.block().warp_count; ++w) {
    if (x.lanes[w]) e.make_ready(e.block(), w, x.lanes[w]);
    x.lanes[w] = 0;
  }
  return true;
}

bool anyone_waits(const Transaction& x) {
  for (const uint32_t lanes : x.lanes) {
    if (lanes) return true;
  }
  return false;
}

}  // namespace

Transaction* Execution::transaction(uint64_t* address) {
  for (Transaction& x : current_->owner->transactions) {
    if (x.address == address) return &x;
  }
  return nullptr;
}

void barrier_init(uint64_t* barrier, uint32_t arrivals) {
  Execution& e = execution();
  Thread& t = e.thread();
  if (arrivals == 0 || arrivals > 0xfffff) e.fault(kLaunchFailed, "a transaction barrier for " + std::to_string(arrivals) + " arrivals: 1 to 1048575 are possible");
  Transaction* x = e.transaction(barrier);
  if (x && (anyone_waits(*x) || !x->copies.empty())) e.fault(kLaunchFailed, "the transaction barrier at " + e.describe(barrier) + " is initialised while it is in use");
  if (e.checks) e.checks->barrier_made(t, barrier);
  if (!x) {
    t.owner->transactions.emplace_back();
    x = &t.owner->transactions.back();
  }
  *x = Transaction();
  x->address = barrier;
  x->arrivals = x->pending = arrivals;
  x->creator = &t;
  x->created_clock = t.clock;
}

void fence_barrier_init() {
  Thread& t = execution().thread();
  for (Transaction& x : t.owner->transactions) {
    if (x.creator == &t) x.fenced = true;
  }
}

void barrier_arrive(uint64_t* barrier, uint32_t expected_bytes) {
  Execution& e = execution();
  Thread& t = e.thread();
  e.look_at_cancel();
  Transaction& x = find(e, barrier, "an arrival");
  if (x.pending == 0 && !try_complete(e, x)) {
    e.fault(kLaunchFailed, "an arrival too many at the transaction barrier at " + e.describe(barrier) + ": its phase " + std::to_string(x.phase) + " had all " +
                               std::to_string(x.arrivals) + " and waits for " + std::to_string(x.expected - flying(x)) + " bytes that no copy brings");
  }
  x.expected += expected_bytes;
  --x.pending;
  if (e.checks) e.checks->arrived(t, x);
  if (x.pending == 0 && anyone_waits(x)) try_complete(e, x);
}

void barrier_wait(uint64_t* barrier, uint32_t parity) {
  Execution& e = execution();
  Thread& t = e.thread();
  if (parity > 1) e.fault(kLaunchFailed, "a wait for parity " + std::to_string(parity) + ": 0 or 1 was expected");
  Transaction& x = find(e, barrier, "a wait");
  if ((x.phase & 1) == parity && !try_complete(e, x)) {
    t.wait = Wait::kTransaction;
    t.wait_address = barrier;
    x.lanes[t.number / 32] |= 1u << t.lane;
    e.suspend();
  } else {
    e.look_at_cancel();
  }
  Transaction& after = find(e, barrier, "a wait");  // others may have made barriers meanwhile
  if (e.checks) e.checks->waited(t, after);
}

void fence_async() {}

void bulk_copy(void* shared, const void* global, uint32_t bytes, uint64_t* barrier) {
  Execution& e = execution();
  Thread& t = e.thread();
  Transaction& x = find(e, barrier, "a bulk copy");
  if (!x.fenced) e.fault(kLaunchFailed, "a bulk copy for the transaction barrier at " + e.describe(barrier) + ", whose initialisation no fenceBarrierInit followed");
  if (bytes == 0 || bytes % 16) e.fault(kMisaligned, "a bulk copy of " + std::to_string(bytes) + " bytes: a multiple of 16 was expected");
  if (reinterpret_cast<uintptr_t>(shared) % 16) e.fault(kMisaligned, "a bulk copy to " + e.describe(shared) + ", which is not 16-byte aligned");
  if (reinterpret_cast<uintptr_t>(global) % 16) e.fault(kMisaligned, "a bulk copy from " + e.describe(global) + ", which is not 16-byte aligned");
  if (x.pending == 0) try_complete(e, x);  // what belongs to the next phase may come before anybody looked at this one
  x.copies.push_back(PendingCopy{static_cast<unsigned char*>(shared), static_cast<const unsigned char*>(global), bytes, true, 0});
  if (e.checks) e.checks->bulk_started(t, x.copies.back());
  if (x.pending == 0 && anyone_waits(x)) try_complete(e, x);
}

}  // namespace gk_emu

// Memory as kernels reach it: reported accesses, shared arrays, atomics, and the order between launches.
#include <algorithm>
#include <cstring>

#include "checks.h"
#include "execution.h"
#include "functions.h"
#include "report.h"

namespace gk_emu {
namespace {

template <typename T>
uint64_t apply(uint32_t op, void* p, uint64_t operand, uint64_t compare) {
  using S = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  T old;
  memcpy(&old, p, sizeof(T));
  const T v = T(operand);
  T next = old;
  switch (op) {
    case GK_EMU_ATOMIC_ADD: next = T(old + v); break;
    case GK_EMU_ATOMIC_MIN: next = std::min(old, v); break;
    case GK_EMU_ATOMIC_MAX: next = std::max(old, v); break;
    case GK_EMU_ATOMIC_MIN_SIGNED: next = T(std::min(S(old), S(v))); break;
    case GK_EMU_ATOMIC_MAX_SIGNED: next = T(std::max(S(old), S(v))); break;
    case GK_EMU_ATOMIC_AND: next = old & v; break;
    case GK_EMU_ATOMIC_OR: next = old | v; break;
    case GK_EMU_ATOMIC_XOR: next = old ^ v; break;
    case GK_EMU_ATOMIC_EXCHANGE: next = v; break;
    case GK_EMU_ATOMIC_CAS: next = old == T(compare) ? v : old; break;
    default: break;
  }
  memcpy(p, &next, sizeof(T));
  return old;
}

constexpr uint32_t kSpins = 64;  // atomics after which others get a turn: whoever waits in a loop waits for one of them

}  // namespace

void access(const void* p, uint64_t bytes, uint32_t kind) {
  Execution& e = execution();
  if (e.checks) e.checks->access(e.thread(), p, bytes, kind);
}

void* Execution::shared_array(const gk_emu_site* site) {
  Block& b = *current_->owner;
  for (const SharedArray& a : arrays) {
    if (a.site == site) return b.shared + a.offset;
  }
  const uint32_t red = checks ? 128 : 0;
  const uint32_t alignment = std::max(16u, site->alignment);
  const uint32_t offset = (shared_used + alignment - 1) / alignment * alignment;
  shared_static = (shared_static + alignment - 1) / alignment * alignment + site->bytes;
  const Limits& l = config.limits;
  if (shared_static > l.shared_static) {
    fault(kTooManyResources, std::string("static shared memory of ") + std::to_string(shared_static) + " bytes up to array '" + site->name + "'; " +
                                 std::to_string(l.shared_static) + " is the limit (more must be dynamic)");
  }
  if (shared_static + request->shared_bytes > l.shared_block) {
    fault(kTooManyResources, std::to_string(shared_static) + " bytes of static shared memory (up to array '" + site->name + "') and " +
                                 std::to_string(request->shared_bytes) + " dynamic; capability " + std::to_string(l.capability) + " has " +
                                 std::to_string(l.shared_block) + " per block");
  }
  arrays.push_back(SharedArray{site, offset});
  shared_used = offset + site->bytes + red;
  if (checks) checks->shared_declared(arrays.back());
  return b.shared + offset;
}

void* shared_array(const gk_emu_site* site) { return execution().shared_array(site); }

uint64_t atomic(uint32_t op, void* p, uint32_t bytes, uint64_t operand, uint64_t compare) {
  Execution& e = execution();
  Thread& t = e.thread();
  if (++t.spins >= kSpins) {
    t.spins = 0;
    e.give_turn();
  }
  if (e.checks) e.checks->atomic(t, p, bytes);
  return bytes == 4 ? apply<uint32_t>(op, p, operand, compare) : apply<uint64_t>(op, p, operand, compare);
}

void fence() {
  Execution& e = execution();
  if (e.checks) e.checks->fence(e.thread());
}

void stack_exhausted() {
  execution().fault(kLaunchFailed, "the thread used up its stack of " + std::to_string(kStackBytes) + " bytes: local arrays too large, or recursion without end");
}

void trap(const char* what) { execution().fault(kLaunchFailed, what); }

void wait_for_previous() {
  Execution& e = execution();
  e.thread().waited_previous = true;
  e.any_waited = true;
}

void let_next_start() {
  Execution& e = execution();
  Thread& t = e.thread();
  if (e.dependent && !t.waited_previous) {
    e.fault(kLaunchFailed, "gk::letNextStart before gk::waitForPrevious: the next kernel could start before the one before this has ended");
  }
  t.let_next = true;
}

const void* cluster_address(const void* shared, uint32_t rank) {
  Execution& e = execution();
  const Block& own = e.block();
  const uint64_t offset = uint64_t(static_cast<const unsigned char*>(shared) - own.shared);
  if (offset >= kSharedStride) e.fault(kIllegalAddress, "loadFromCluster of " + e.describe(shared) + ": an address in the block's own shared memory was expected");
  if (rank >= e.cluster) e.fault(kIllegalAddress, "loadFromCluster from block " + std::to_string(rank) + " of a cluster of " + std::to_string(e.cluster));
  const Block& there = e.blocks[rank];
  if (there.live == 0) e.fault(kIllegalAddress, "loadFromCluster from block " + std::to_string(rank) + " of the cluster, which has ended: a cluster barrier must come before its end");
  return there.shared + offset;
}

}  // namespace gk_emu

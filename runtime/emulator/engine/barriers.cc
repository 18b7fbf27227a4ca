// Barriers of the block, named barriers, cluster barriers.
#include "checks.h"
#include "execution.h"
#include "functions.h"
#include "report.h"

namespace gk_emu {
namespace {

constexpr uint32_t kPlain = 3;  // beside the GK_EMU_* reductions

// Which of the __syncthreads family it is must be the same for all: it is one barrier with one answer.
int block_barrier(uint32_t kind, int predicate) {
  Execution& e = execution();
  Thread& t = e.thread();
  Block& b = *t.owner;
  t.wait = Wait::kBlockBarrier;
  if (b.live != b.count) {
    e.fault(kLaunchFailed, "divergent barrier: the thread is at __syncthreads, but " + std::to_string(b.count - b.live) + " of " + std::to_string(b.count) +
                               " threads of its block have ended: " + e.waiting_report());
  }
  if (b.arrived == 0) {
    b.barrier_kind = kind;
  } else if (b.barrier_kind != kind) {
    e.fault(kLaunchFailed, "divergent barrier: threads of one block met in different functions of the __syncthreads family");
  }
  if (predicate) {
    ++b.reduced_count;
    b.reduced_or = 1;
  } else {
    b.reduced_and = 0;
  }
  if (++b.arrived == b.count) {
    b.arrived = 0;
    b.result_count = b.reduced_count;
    b.result_and = b.reduced_and;
    b.result_or = b.reduced_or;
    b.reduced_count = 0;
    b.reduced_and = 1;
    b.reduced_or = 0;
    if (e.checks) e.checks->met_block(b);
    e.make_all_ready(b);
  }
  e.suspend();
  return kind == GK_EMU_COUNT ? b.result_count : kind == GK_EMU_AND ? b.result_and : b.result_or;
}

}  // namespace

void sync_threads() { block_barrier(kPlain, 0); }

int sync_threads_reduce(uint32_t op, int predicate) { return block_barrier(op, predicate); }

void named_barrier(int id, int threads) {
  Execution& e = execution();
  Thread& t = e.thread();
  Block& b = *t.owner;
  if (id < 1 || id > 15) e.fault(kLaunchFailed, "named barrier " + std::to_string(id) + ": 1 to 15 exist (0 is __syncthreads)");
  if (threads <= 0 || threads % 32 || uint32_t(threads) > b.warp_count * 32) {
    e.fault(kLaunchFailed, "named barrier " + std::to_string(id) + " for " + std::to_string(threads) + " threads: a multiple of 32, at most the block's, was expected");
  }
  NamedBarrier& n = b.named[id];
  t.wait = Wait::kNamedBarrier;
  t.wait_detail = uint32_t(id);
  if (n.arrived == 0) {
    n.expected = uint32_t(threads);
  } else if (n.expected != uint32_t(threads)) {
    e.fault(kLaunchFailed, "named barrier " + std::to_string(id) + " for " + std::to_string(threads) + " threads, but those who wait expect " + std::to_string(n.expected));
  }
  n.lanes[t.number / 32] |= 1u << t.lane;
  if (++n.arrived == n.expected) {
    if (e.checks) e.checks->met_lanes(b, n.lanes);
    for (uint32_t w = 0; w < b.warp_count; ++w) {
      if (n.lanes[w]) e.make_ready(b, w, n.lanes[w]);
    }
    n = NamedBarrier();
  }
  e.suspend();
}

void cluster_barrier() {
  Execution& e = execution();
  Thread& t = e.thread();
  t.wait = Wait::kCluster;
  uint32_t live = 0, count = 0;
  for (uint32_t rank = 0; rank < e.cluster; ++rank) {
    live += e.blocks[rank].live;
    count += e.blocks[rank].count;
  }
  if (live != count) e.fault(kLaunchFailed, "divergent barrier: the thread is at the cluster barrier, but threads of the cluster have ended: " + e.waiting_report());
  if (++e.cluster_arrived == count) {
    e.cluster_arrived = 0;
    if (e.checks) e.checks->met_cluster();
    for (uint32_t rank = 0; rank < e.cluster; ++rank) e.make_all_ready(e.blocks[rank]);
  }
  e.suspend();
}

}  // namespace gk_emu

#include "engine.h"
#include "functions.h"

namespace gk_emu {

const gk_emu_table& engine_table() {
  static const gk_emu_table table = [] {
    gk_emu_table t = {};
    t.abi = GK_EMU_ABI;
    t.bytes = sizeof t;
    t.access = access;
    t.shared_array = shared_array;
    t.atomic = atomic;
    t.fence = fence;
    t.stack_exhausted = stack_exhausted;
    t.trap = trap;
    t.sync_threads = sync_threads;
    t.sync_threads_reduce = sync_threads_reduce;
    t.named_barrier = named_barrier;
    t.sync_warp = sync_warp;
    t.shuffle = shuffle;
    t.vote = vote;
    t.match_any = match_any;
    t.reduce = reduce;
    t.mma = multiply_matrices;
    t.load_matrix = load_matrix;
    t.copy_async = copy_async;
    t.copy_async_commit = copy_async_commit;
    t.copy_async_wait = copy_async_wait;
    t.wait_for_previous = wait_for_previous;
    t.let_next_start = let_next_start;
    t.barrier_init = barrier_init;
    t.fence_barrier_init = fence_barrier_init;
    t.barrier_arrive = barrier_arrive;
    t.barrier_wait = barrier_wait;
    t.fence_async = fence_async;
    t.bulk_copy = bulk_copy;
    t.cluster_barrier = cluster_barrier;
    t.cluster_address = cluster_address;
    return t;
  }();
  return table;
}

}  // namespace gk_emu

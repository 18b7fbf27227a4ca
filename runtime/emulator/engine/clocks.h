// Which accesses are ordered: vector clocks, as in FastTrack (Flanagan and Freund, 2009), with the structure of CUDA.
//
// Every thread counts the moments at which it hands its past over (barriers, __syncwarp, arrivals, fences). An access is stamped with the
// block, the thread and that count. What a thread knows of the others of its cluster is a vector of counts, shared by all that came out of
// the same barrier. What it knows of other clusters comes from atomics in global memory: a log per address of who released what there, and
// per thread how much of which logs it has seen.
//
// What orders: program order, the __syncthreads family, named barriers, __syncwarp, the cluster barrier, transaction barriers (arrival to
// wait, bulk copy to wait), and a fence before an atomic to a fence after one on the same address. Shuffles, votes, reductions and matrix
// instructions order nothing.
#ifndef GK_EMULATOR_CLOCKS_H
#define GK_EMULATOR_CLOCKS_H
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "execution.h"

namespace gk_emu {

// A stamp, from the top: 32 bits serial number of the block, 1 bit atomic, 11 bits thread, 20 bits count. 0 is none.
constexpr uint32_t kMostClock = 0xfffff;
inline uint64_t make_stamp(uint32_t serial, uint32_t thread, uint32_t clock, bool atomic) {
  return uint64_t(serial) << 32 | uint64_t(atomic) << 31 | uint64_t(thread) << 20 | clock;
}
inline uint32_t serial_of(uint64_t stamp) { return uint32_t(stamp >> 32); }
inline uint32_t thread_of(uint64_t stamp) { return uint32_t(stamp >> 20) & 0x7ff; }
inline uint32_t clock_of(uint64_t stamp) { return uint32_t(stamp) & kMostClock; }
inline bool is_atomic(uint64_t stamp) { return stamp >> 31 & 1; }

// How much of which logs was seen: (log, entries), by log.
using Foreign = std::vector<std::pair<uint32_t, uint32_t>>;

// Counts of every thread of the cluster; after each block's threads, one of the block's bulk copies.
struct Knowledge {
  uint32_t references;
  uint32_t size;
  std::shared_ptr<const Foreign> foreign;
  uint32_t clocks[1];  // size of them
};

class Clocks {
 public:
  explicit Clocks(Execution& execution) : e_(execution) {}
  ~Clocks();

  void begin_launch();
  void end_launch();
  void begin_cluster();
  void begin_thread(Thread& t);

  uint64_t stamp(const Thread& t, bool atomic) const { return make_stamp(t.owner->serial, t.number, t.clock, atomic); }
  // Whether what the stamp says happened before what the thread does now. For stamps of this launch.
  bool ordered(const Thread& t, uint64_t stamp) {
    const uint32_t rank = serial_of(stamp) - first_serial_;
    if (rank >= e_.cluster) return knows_of_other(*t.knowledge, stamp);
    const uint32_t index = rank * stride_ + thread_of(stamp);
    return index == index_of(t) || clock_of(stamp) <= t.knowledge->clocks[index];
  }
  uint32_t first_serial() const { return first_serial_; }
  void forget(Transaction& x);

  // All of them handed over and know what all knew. `threads` is not empty.
  void meet(const std::vector<Thread*>& threads);
  void fence(Thread& t);
  void atomic(Thread& t, uint64_t offset, bool shared);
  void arrive(Thread& t, Transaction& x);
  void complete(Transaction& x);
  void wait(Thread& t, Transaction& x);
  // A bulk copy landed in the block: its stamp.
  uint64_t landed(Block& b, Transaction& x);

 private:
  struct Entry {
    uint32_t first_serial;  // of the cluster
    uint32_t serial, thread, clock;
    Knowledge* knowledge;
    std::shared_ptr<const Foreign> seen;  // of other logs, by those who released up to here
  };
  struct Log {
    std::vector<Entry> entries;
    std::unordered_map<uint32_t, std::vector<uint32_t>> by_cluster;
  };

  uint32_t index_of(const Thread& t) const { return t.owner->cluster_rank * stride_ + t.number; }
  Knowledge* make();
  Knowledge* copy(const Knowledge& from);
  void drop(Knowledge*& k);
  void assign(Knowledge*& to, Knowledge* from);
  void join(Knowledge& into, const Knowledge& from);
  static std::shared_ptr<const Foreign> merge(const std::shared_ptr<const Foreign>& a, const std::shared_ptr<const Foreign>& b);
  void advance(Thread& t) { t.clock += t.clock < kMostClock; }
  bool knows_of_other(const Knowledge& k, uint64_t stamp) const;
  void clear_logs(bool only_shared);

  Execution& e_;
  uint32_t first_serial_ = 0;  // of the running cluster's blocks
  uint32_t stride_ = 0;
  uint32_t size_ = 0;
  std::vector<Knowledge*> spare_;
  Knowledge* nothing_ = nullptr;
  std::vector<uint32_t> copy_clocks_;  // per rank: bulk copies that landed
  std::vector<Log> logs_;
  std::unordered_map<uint64_t, uint32_t> global_logs_, shared_logs_;  // by offset
  // The join that waiters of one barrier have in common.
  Knowledge* join_left_ = nullptr;
  Knowledge* join_right_ = nullptr;
  Knowledge* join_result_ = nullptr;
};

}  // namespace gk_emu

#endif

// One launch in progress: threads as fibers, the order they run in, and what they wait for. All of it belongs to one host thread; launches
// of one process run one after another (kernels find their thread through a variable of their module).
#ifndef GK_EMULATOR_EXECUTION_H
#define GK_EMULATOR_EXECUTION_H
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../include/emulation_abi.h"
#include "engine.h"
#include "fibers.h"
#include "memory.h"
#include "random.h"

namespace gk_emu {

struct Block;
struct Warp;
class Checks;
struct Knowledge;

enum class Wait : uint8_t { kNone, kBlockBarrier, kNamedBarrier, kCollective, kTransaction, kCluster };

// A copy to shared memory that has not landed.
struct PendingCopy {
  unsigned char* to;
  const unsigned char* from;
  uint32_t bytes;
  bool valid;      // false: zeros
  uint32_t group;  // of cp.async: number of the thread's group
};

struct Thread : gk_emu_thread {
  Fiber* fiber = nullptr;
  Block* owner = nullptr;
  Warp* warp = nullptr;
  uint32_t number = 0;  // in the block
  uint32_t slot = 0;    // in the cluster: rank × threads of a block + number
  uint32_t lane = 0;
  Wait wait = Wait::kNone;
  uint32_t wait_detail = 0;         // barrier id or collective operation
  uint32_t wait_mask = 0;
  const void* wait_address = nullptr;
  void* deposit = nullptr;          // what the lane brought to a collective
  bool waited_previous = false;
  bool let_next = false;
  uint32_t spins = 0;               // atomics in a row without a switch
  std::vector<PendingCopy> copies;  // cp.async, oldest first
  uint32_t groups = 0;              // committed
  // Race check (clocks.h).
  Knowledge* knowledge = nullptr;
  uint32_t clock = 0;
  Knowledge* released = nullptr;    // what was known at the last fence, null when there was none
  uint32_t released_clock = 0;
  std::vector<std::pair<uint32_t, uint32_t>> acquired;  // (log, entries) seen by atomics since the last fence
};

struct Collective {
  uint32_t mask, arrived, operation;
};

struct Warp {
  Thread* first = nullptr;
  uint32_t lanes = 0;   // that exist
  uint32_t exited = 0;
  uint32_t open = 0;    // collectives that lanes wait in
  Collective collectives[32];
};

struct NamedBarrier {
  uint32_t expected = 0, arrived = 0;
  uint32_t lanes[32] = {};  // per warp: who waits
};

// An mbarrier of shared memory.
struct Transaction {
  uint64_t* address = nullptr;
  uint32_t arrivals = 0;     // per phase
  uint32_t pending = 0;      // still to come in this phase
  int64_t expected = 0;      // bytes announced in this phase less those of the copies that were started
  uint32_t phase = 0;
  bool fenced = false;       // fenceBarrierInit after the initialisation
  Thread* creator = nullptr;
  uint32_t created_clock = 0;
  std::vector<PendingCopy> copies;
  uint32_t lanes[32] = {};   // who waits
  Knowledge* knowledge = nullptr;  // of those who arrived in this phase
  Knowledge* completed = nullptr;  // of those who arrived in the phase before
};

struct Block : gk_emu_block {
  Thread* first = nullptr;
  uint32_t count = 0;   // threads
  uint32_t live = 0;    // that did not exit
  uint32_t warp_count = 0;
  uint32_t ready_warps = 0;
  uint32_t ready[32] = {};
  uint32_t arrived = 0;  // at the block barrier
  int reduced_count = 0, reduced_and = 1, reduced_or = 0;  // predicates of those who arrived
  int result_count = 0, result_and = 0, result_or = 0;     // of the barrier before
  uint32_t barrier_kind = 0;
  Warp warps[32];
  NamedBarrier named[16];
  std::vector<Transaction> transactions;
  uint32_t serial = 0;  // number over all blocks that the machine ever ran, from 1
};

// Where an array of shared memory lies in each block of the launch.
struct SharedArray {
  const gk_emu_site* site;
  uint32_t offset;
};

class Execution {
 public:
  Execution(const Config& config, DeviceMemory& memory);
  ~Execution();

  std::optional<Fault> run(const LaunchRequest& request, const std::atomic<bool>& cancel);

  // ---- for the functions that kernels call
  Thread& thread() { return *current_; }
  Block& block() { return *current_->owner; }
  // Lets others run; returns when the thread was made ready and picked.
  void suspend();
  void make_ready(Thread& thread);
  void make_ready(Block& block, uint32_t warp, uint32_t lanes);
  void make_all_ready(Block& block);
  // As suspend, for a thread that waits for nothing but gives others a turn.
  void give_turn();
  // Ends the launch. Does not return.
  [[noreturn]] void fault(int code, const std::string& what);
  [[noreturn]] void fault_of(const Thread& thread, int code, const std::string& what);
  // A meeting of the lanes of `mask`: the last that comes calls `complete`, all go on after it.
  void meet(uint32_t operation, uint32_t mask, void* deposit, void (*complete)(Execution&, Warp&, uint32_t mask, uint32_t detail), uint32_t detail);
  void look_at_cancel() { if (cancel_->load(std::memory_order_relaxed)) end_cancelled(); }
  void* shared_array(const gk_emu_site* site);
  std::string place(const Thread& thread) const;            // "kernel k, block (0,0,0), thread 3"
  std::string waiting_report() const;                       // which threads wait where
  std::string describe(const void* p) const;                // of any device address
  std::string describe_shared(uint32_t rank, uint64_t offset) const;
  Transaction* transaction(uint64_t* address);              // of the running block, null when there is none

  const Config& config;
  DeviceMemory& memory;
  std::unique_ptr<Checks> checks;  // null in the fast flavour
  const LaunchRequest* request = nullptr;
  bool dependent = false;
  bool any_waited = false;         // some thread called waitForPrevious
  std::vector<Block> blocks;       // of the cluster that runs
  uint32_t cluster = 1;
  uint32_t cluster_arrived = 0;
  std::vector<SharedArray> arrays;
  uint32_t shared_used = 0;        // bytes of a block's shared memory with red zones
  uint32_t shared_static = 0;      // bytes of arrays as silicon would count them
  uint32_t dynamic_offset = 0;
  uint32_t launch_serial = 0;      // serial number of the launch's first block
  gk_emu_index block_index_of(uint32_t serial) const;  // of a block of this launch
  template <typename F>
  void each_thread(F f) {
    for (Thread& t : threads_) f(t);
  }
  const unsigned char* params() const { return reinterpret_cast<const unsigned char*>(params_.data()); }
  size_t param_bytes() const { return request->param_bytes; }

 private:
  static void fiber_main();
  std::optional<Fault> validate(const LaunchRequest& request) const;
  void prepare(const LaunchRequest& request);
  void run_clusters();
  void start_cluster(uint64_t position);
  uint64_t cluster_at(uint64_t position) const;  // in the order that clusters run in
  gk_emu_index index_of(uint64_t linear) const;
  void begin(Thread& thread, Fiber* fiber);
  void finish(Thread& thread);
  Thread* pick();
  uint32_t choose(uint32_t mask);
  void set_current(Thread* thread) { current_ = thread; *slot_ = thread; }
  [[noreturn]] void leave();  // to the host, for good
  [[noreturn]] void end_cancelled();
  void check_end_of_cluster();

  FiberPool fibers_;
  Fiber host_;
  Thread* current_ = nullptr;
  gk_emu_thread** slot_ = nullptr;   // the module's variable for the running thread
  Thread* handoff_ = nullptr;        // what a fiber that wakes up starts, and
  Fiber* starting_ = nullptr;        // which one that is
  Block* running_ = nullptr;
  uint32_t running_warp_ = 0;
  std::vector<Thread> threads_;
  std::vector<uint64_t> params_;
  std::vector<uint32_t> cluster_order_;
  const std::atomic<bool>* cancel_ = nullptr;
  std::optional<Fault> fault_;
  Random random_;
  uint32_t next_serial_ = 1;
};

// The launch that runs in this process; the functions of the table work on it.
extern Execution* active_execution;
inline Execution& execution() { return *active_execution; }

}  // namespace gk_emu

#endif

// What silicon would not forgive, found in the checked flavour: accesses outside of what exists, of bytes nobody wrote, at wrong addresses,
// and accesses of two threads that nothing orders (clocks.h).
#ifndef GK_EMULATOR_CHECKS_H
#define GK_EMULATOR_CHECKS_H
#include <cstdint>
#include <string>
#include <vector>

#include "clocks.h"
#include "execution.h"

namespace gk_emu {

class Checks {
 public:
  explicit Checks(Execution& execution);

  void begin_launch();
  void end_launch();
  void begin_cluster();
  void forget(Block& b);  // its transaction barriers are about to go
  void begin_thread(Thread& t) { clocks_.begin_thread(t); }

  // ---- accesses of a thread: `kind` are GK_EMU_* bits
  void access(Thread& t, const void* p, uint64_t bytes, uint32_t kind);
  void atomic(Thread& t, void* p, uint32_t bytes);
  void shared_declared(const SharedArray& array);
  void shared_row(Thread& t, const void* row);  // of a matrix load
  void copy_started(Thread& t, const PendingCopy& copy);
  void copy_landed(Thread& t, const PendingCopy& copy);

  // ---- order
  void fence(Thread& t) { clocks_.fence(t); }
  void met_block(Block& b);
  void met_lanes(Block& b, const uint32_t (&lanes)[32]);
  void met_warp(Warp& w, uint32_t mask);
  void met_cluster();

  // ---- transaction barriers
  void barrier_made(Thread& t, uint64_t* address);
  void used(Thread& t, const Transaction& x, const char* what);
  void arrived(Thread& t, Transaction& x) { clocks_.arrive(t, x); }
  void completed(Transaction& x) { clocks_.complete(x); }
  void waited(Thread& t, Transaction& x) { clocks_.wait(t, x); }
  void bulk_started(Thread& t, const PendingCopy& copy);
  void bulk_landed(Block& b, Transaction& x, const PendingCopy& copy);

 private:
  struct ByteCells {
    Cell bytes[4];
  };
  struct Request {  // one access on its way through the checks
    Thread& thread;
    const void* address;
    uint64_t bytes;
    uint32_t kind;
    bool atomic;
    bool shared;
    uint64_t stamp;
  };

  void check_states(const Request& r, uint64_t offset);
  void check_order(const Request& r, uint64_t offset);
  void check_cell(const Request& r, uint64_t offset, Cell& cell);
  void check_bytes(const Request& r, uint64_t word, Cell& cell, uint32_t mask);
  bool before(const Request& r, uint64_t stamp);
  void outside(Thread& t, const void* p, uint64_t bytes, uint32_t kind);
  void target_in_shared(Thread& t, const PendingCopy& copy, const char* what);
  void mark(const unsigned char* p, uint64_t bytes, ByteState state);
  void stamp_written(const unsigned char* p, uint64_t bytes, uint64_t stamp);
  void meet_gathered();
  uint64_t split(Cell& cell);
  std::string what(uint64_t bytes, uint32_t kind, bool atomic, const void* p) const;
  [[noreturn]] void bad_state(const Request& r, uint64_t offset);
  [[noreturn]] void race(const Request& r, uint64_t offset, uint64_t stamp, bool other_wrote);

  Execution& e_;
  DeviceMemory& memory_;
  Clocks clocks_;
  unsigned char* base_;
  uint8_t* states_;
  std::vector<ByteCells> byte_cells_;
  std::vector<uint64_t> free_byte_cells_;
  std::vector<Thread*> gathered_;
  uint32_t accesses_ = 0;            // since the cancel flag was looked at
  uint32_t most_shared_ = 0;         // bytes of a block's shared memory that have states
  uint32_t previous_serial_ = 1;     // first block of the launch before
  std::string previous_name_;
  uint32_t current_serial_ = 1;
  std::string current_name_;
  const void* image_of_ = nullptr;   // entry whose module's image is [image_low_, image_high_)
  uintptr_t image_low_ = 0, image_high_ = 0;
};

}  // namespace gk_emu

#endif
